//===- Activations.cpp - Inputs of a layer in 8 bits ----------------------===//

#include "passes/quantize/methods/Activations.h"
#include "passes/quantize/methods/Columns.h"
#include "passes/quantize/methods/RoundToNearest.h"
#include "passes/quantize/methods/SampledInput.h"

namespace mmcc::quantize {

namespace {

constexpr int kAlphas = 21;

Scales scalesFor(const std::vector<double> &ofX, const std::vector<double> &ofW,
                 double alpha) {
  Scales scales(int64_t(ofX.size()));
  for (size_t k = 0; k < ofX.size(); ++k)
    scales[k] = ofX[k] > 0 && ofW[k] > 0
                    ? std::pow(ofX[k], alpha) / std::pow(ofW[k], 1 - alpha)
                    : 1;
  return scales;
}

} // namespace

float coveringStaticScale(const InputStatistics &statistics,
                          const std::vector<float> &scales, NumberKind kind) {
  return float(staticScaleOf(
      largestOf(statistics, scalesOrOnes(scales, statistics.width())), kind));
}

float searchStaticScale(const InputStatistics &statistics,
                        const std::vector<float> &scales) {
  constexpr NumberKind kind = NumberKind::integer;
  Scales s = scalesOrOnes(scales, statistics.width());
  double largest = largestOf(statistics, s);
  Rows x;
  std::vector<Histogram::Bin> magnitudes;
  if (scales.empty())
    magnitudes = statistics.histogram.magnitudes();
  else
    x = divided(statistics, s);
  auto lossOf = [&](float scale) {
    if (scales.empty())
      return meanRoundingError(magnitudes, double(scale));
    Rows y = x;
    roundAll(y.data(), y.size(), scale, kind);
    return (y - x).cast<double>().squaredNorm();
  };
  double least = 0;
  float best = 1;
  for (int percent = 100; percent >= 10; percent -= 2) {
    auto scale = float(staticScaleOf(largest * percent / 100, kind));
    double loss = lossOf(scale);
    if (percent == 100 || loss < least) {
      least = loss;
      best = scale;
    }
  }
  return best;
}

std::vector<float> searchSmoothScales(
    const std::vector<const WeightMatrix *> &weights,
    const std::vector<WeightFormat> &formats, const InputStatistics &statistics,
    const ActivationFormat &activations, std::vector<double> *losses) {
  const int64_t width = statistics.width();
  std::vector<double> ofX(statistics.most.begin(), statistics.most.end());
  std::vector<double> ofW(size_t(width), 0.0);
  for (const WeightMatrix *weight : weights)
    for (int64_t n = 0; n < weight->out; ++n)
      for (int64_t k = 0; k < width; ++k)
        ofW[k] = std::max(ofW[k], std::abs(double(weight->column(n)[k])));

  const Rows x = samplesOf(statistics);
  auto lossOf = [&](const Scales &scales) {
    double scale =
        staticScaleOf(largestOf(statistics, scales), activations.kind);
    Rows numbers = rounded(divided(statistics, scales), activations, scale);
    double loss = 0;
    int64_t outputs = 0;
    for (size_t w = 0; w < weights.size(); ++w) {
      NarrowWeight narrow =
          roundToNearest(scaled(*weights[w], scales), formats[w]);
      outputs += weights[w]->out;
      loss += sumColumns(weights[w]->out, [&](int64_t first, int64_t last) {
        Columns y = numbers * meaningOf(narrow, first, last);
        y.noalias() -=
            x * columnsOf(*weights[w]).middleCols(first, last - first);
        return y.cast<double>().squaredNorm();
      });
    }
    return loss / double(outputs * x.rows());
  };
  Scales best = Scales::Ones(width);
  double least = lossOf(best);
  bool isOne = true;
  for (int i = 0; i < kAlphas; ++i) {
    Scales scales = scalesFor(ofX, ofW, i / double(kAlphas - 1));
    double loss = lossOf(scales);
    if (losses)
      losses->push_back(loss);
    if (loss < least) {
      least = loss;
      best = scales;
      isOne = false;
    }
  }
  if (isOne)
    return {};
  std::vector<float> result(size_t(width), 0.0f);
  for (int64_t k = 0; k < width; ++k)
    result[k] = float(best[k]);
  return result;
}

} // namespace mmcc::quantize
