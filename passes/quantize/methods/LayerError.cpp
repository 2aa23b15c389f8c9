//===- LayerError.cpp - What narrow numbers do to a layer -----------------===//

#include "passes/quantize/methods/LayerError.h"
#include "passes/quantize/methods/Columns.h"
#include "passes/quantize/methods/SampledInput.h"

namespace mmcc::quantize {

constexpr int64_t kMostRows = 128;

double LayerError::ratio() const {
  if (noise == 0)
    return 0;
  return signal > 0 ? noise / signal : 1;
}

double LayerError::sqnr() const {
  double decibels = -10 * std::log10(std::max(ratio(), 1e-20));
  return std::min(decibels, 200.0);
}

double LayerError::cosine() const {
  // sum of y'^2, from the three that are kept.
  double other = noise - signal + 2 * dot;
  double norms = std::sqrt(std::max(signal, 0.0) * std::max(other, 0.0));
  return norms > 0 ? dot / norms : noise == 0 ? 1 : 0;
}

/// Some of the statistics' rows, as far apart as they can be.
static InputStatistics thinned(const InputStatistics &statistics) {
  InputStatistics some = statistics;
  some.gram.clear();
  int64_t rows = statistics.sampleRows(), width = statistics.width();
  if (rows <= kMostRows)
    return some;
  for (int64_t i = 0; i < kMostRows; ++i)
    std::copy_n(statistics.sample.begin() + i * rows / kMostRows * width, width,
                some.sample.begin() + i * width);
  some.sample.resize(size_t(kMostRows * width));
  return some;
}

/// Sums over the outputs of x and of what is `given` in its place, which meets
/// the columns [first, last) of weight w as `meaning(w, first, last)` has them.
static LayerError
sumErrors(const std::vector<const WeightMatrix *> &weights, const Rows &x,
          const Rows &given,
          llvm::function_ref<Columns(size_t, int64_t, int64_t)> meaning) {
  LayerError total;
  for (size_t w = 0; w < weights.size(); ++w) {
    constexpr int64_t piece = 4 * kColumns;
    std::vector<LayerError> parts(size_t(weights[w]->out / piece + 1));
    forColumns(
        weights[w]->out,
        [&](int64_t first, int64_t last) {
          Columns y =
              x * columnsOf(*weights[w]).middleCols(first, last - first);
          Columns other = given * meaning(w, first, last);
          LayerError &part = parts[size_t(first / piece)];
          part.signal = y.cast<double>().squaredNorm();
          part.noise = (other - y).cast<double>().squaredNorm();
          part.dot = y.cast<double>().cwiseProduct(other.cast<double>()).sum();
        },
        piece);
    for (const LayerError &part : parts) {
      total.signal += part.signal;
      total.noise += part.noise;
      total.dot += part.dot;
    }
  }
  return total;
}

LayerError errorOf(const std::vector<const WeightMatrix *> &weights,
                   const RoundedLayers &layers,
                   const InputStatistics &statistics,
                   const Rounding &rounding) {
  InputStatistics some = thinned(statistics);
  Rows given = divided(some, scalesOrOnes(layers.inputScales, some.width()));
  if (rounding.activations)
    given = rounded(given, *rounding.activations, layers.staticScale);
  return sumErrors(weights, samplesOf(some), given,
                   [&](size_t w, int64_t first, int64_t last) {
                     return meaningOf(layers.weights[w], first, last);
                   });
}

LayerError errorOf(const std::vector<const WeightMatrix *> &weights,
                   HalfFloat type, const InputStatistics &statistics) {
  auto toHalf = [&](float x) { return roundedToHalf(x, type); };
  InputStatistics some = thinned(statistics);
  Rows x = samplesOf(some), given = x;
  if (type == HalfFloat::bf16)
    given = x.unaryExpr(toHalf);
  return sumErrors(weights, x, given,
                   [&](size_t w, int64_t first, int64_t last) -> Columns {
                     return columnsOf(*weights[w])
                         .middleCols(first, last - first)
                         .unaryExpr(toHalf);
                   });
}

} // namespace mmcc::quantize
