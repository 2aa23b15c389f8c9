//===- Awq.cpp - Finer steps for inputs that are large --------------------===//

#include "passes/quantize/methods/Awq.h"
#include "passes/quantize/methods/Columns.h"
#include "passes/quantize/methods/RoundToNearest.h"
#include "passes/quantize/methods/Samples.h"

namespace mmcc::quantize {

namespace {

constexpr int kAlphas = 20, kShares = 10;

Scales scalesFor(const InputStatistics &statistics, double alpha) {
  Scales scales(statistics.width());
  for (int64_t k = 0; k < statistics.width(); ++k)
    scales[k] = std::max(std::pow(double(statistics.mean[k]), alpha), 1e-4);
  return scales / std::sqrt(scales.maxCoeff() * scales.minCoeff());
}

/// The squared error of x (R(W s) / s) over samples and outputs.
double lossOf(const WeightMatrix &weight, const WeightFormat &format,
              const Scales &scales, const InputStatistics &statistics) {
  NarrowWeight narrow = roundToNearest(scaled(weight, scales), format);
  Eigen::VectorXf inverse = scales.cwiseInverse().cast<float>();
  return sumColumns(weight.out, [&](int64_t first, int64_t last) {
    Columns error = meaningOf(narrow, first, last);
    error = inverse.asDiagonal() * error;
    error -= columnsOf(weight).middleCols(first, last - first);
    Columns outputs = samplesOf(statistics) * error;
    return outputs.cast<double>().squaredNorm();
  });
}

} // namespace

std::vector<float>
searchAwqScales(const std::vector<const WeightMatrix *> &weights,
                const std::vector<WeightFormat> &formats,
                const InputStatistics &statistics,
                std::vector<double> *losses) {
  int best = 0;
  double least = 0;
  for (int i = 0; i < kAlphas; ++i) {
    Scales scales = scalesFor(statistics, i / double(kAlphas));
    double loss = 0;
    int64_t outputs = 0;
    for (size_t w = 0; w < weights.size(); ++w) {
      loss += lossOf(*weights[w], formats[w], scales, statistics);
      outputs += weights[w]->out;
    }
    if (losses)
      losses->push_back(loss / double(outputs * statistics.sampleRows()));
    if (i == 0 || loss < least) {
      least = loss;
      best = i;
    }
  }
  if (best == 0)
    return {};
  Scales scales = scalesFor(statistics, best / double(kAlphas));
  std::vector<float> result(size_t(scales.size()));
  for (int64_t k = 0; k < scales.size(); ++k)
    result[k] = float(scales[k]);
  return result;
}

NarrowWeight roundClipped(const WeightMatrix &weight,
                          const WeightFormat &format,
                          const std::vector<float> &scales,
                          const InputStatistics &statistics,
                          std::vector<float> *shares) {
  Scales s = scalesOrOnes(scales, weight.in);
  WeightMatrix clipped = scaled(weight, s);
  // A column's range is not what a scale for all of them covers.
  if (format.wholeTensor)
    return roundToNearest(clipped, format);
  const int64_t size = format.group, groups = weight.in / size;
  if (shares)
    shares->resize(size_t(groups * weight.out));
  Eigen::VectorXf inverse = s.cwiseInverse().cast<float>();
  for (int64_t g = 0; g < groups; ++g) {
    Rows x = samplesOf(statistics).middleCols(g * size, size) *
             inverse.segment(g * size, size).asDiagonal();
    forColumns(weight.out, [&](int64_t first, int64_t last) {
      const int64_t count = last - first;
      Eigen::ArrayXd least(count);
      Columns best(size, count), tried(size, count), error(size, count);
      for (int i = 0; i < kShares; ++i) {
        float share = float(1 - i / 20.0);
        for (int64_t n = 0; n < count; ++n) {
          const float *from = clipped.column(first + n) + g * size;
          auto [low, high] = std::minmax_element(from, from + size);
          float least = *low * share, most = *high * share;
          for (int64_t k = 0; k < size; ++k)
            tried(k, n) = std::min(std::max(from[k], least), most);
          GroupScale scale = coverRange(&tried(0, n), size, format);
          for (int64_t k = 0; k < size; ++k)
            error(k, n) = scale.valueOf<float>(
                              scale.numberOf(tried(k, n), format), format) -
                          from[k];
        }
        Columns outputs = x * error;
        for (int64_t n = 0; n < count; ++n) {
          double loss = outputs.col(n).cast<double>().squaredNorm();
          if (i > 0 && !(loss < least[n]))
            continue;
          least[n] = loss;
          best.col(n) = tried.col(n);
          if (shares)
            (*shares)[g * weight.out + first + n] = share;
        }
      }
      for (int64_t n = 0; n < count; ++n)
        std::copy_n(&best(0, n), size, clipped.column(first + n) + g * size);
    });
  }
  return roundToNearest(clipped, format);
}

} // namespace mmcc::quantize
