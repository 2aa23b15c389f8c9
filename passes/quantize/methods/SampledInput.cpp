//===- SampledInput.cpp - A layer's sampled rows as it gets them ----------===//

#include "passes/quantize/methods/SampledInput.h"

namespace mmcc::quantize {

constexpr float kMost = 127;

Rows divided(const InputStatistics &statistics, const Scales &scales) {
  Eigen::VectorXf inverse = scales.cwiseInverse().cast<float>();
  return samplesOf(statistics) * inverse.asDiagonal();
}

double largestOf(const InputStatistics &statistics, const Scales &scales) {
  double largest = 0;
  for (int64_t k = 0; k < statistics.width(); ++k)
    largest = std::max(largest, statistics.most[k] / scales[k]);
  return largest;
}

void roundAll(float *numbers, int64_t count, float scale) {
  for (int64_t i = 0; i < count; ++i)
    numbers[i] =
        std::clamp(std::nearbyint(numbers[i] / scale), -kMost, kMost) * scale;
}

Rows rounded(Rows x, const ActivationFormat &format, double staticScale) {
  if (format.isStatic) {
    roundAll(x.data(), x.size(), float(staticScale));
    return x;
  }
  for (int64_t r = 0; r < x.rows(); ++r)
    for (int64_t k = 0; k < x.cols(); k += format.block) {
      float largest = x.row(r).segment(k, format.block).cwiseAbs().maxCoeff();
      if (largest > 0)
        roundAll(&x(r, k), format.block, largest / kMost);
    }
  return x;
}

double staticScaleOf(double largest) {
  return largest > 0 ? largest / kMost : 1;
}

} // namespace mmcc::quantize
