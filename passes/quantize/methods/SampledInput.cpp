//===- SampledInput.cpp - A layer's sampled rows as it gets them ----------===//

#include "passes/quantize/methods/SampledInput.h"

#include <limits>

namespace mmcc::quantize {

/// The largest number, and the least scale: one below the normal range has too
/// few bits to divide by.
static float mostOf(NumberKind kind) {
  return kind == NumberKind::integer ? 127 : Float8::of(kind).most;
}
static float leastScaleOf(NumberKind kind) {
  return kind == NumberKind::integer ? 0 : std::numeric_limits<float>::min();
}

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

void roundAll(float *numbers, int64_t count, float scale, NumberKind kind) {
  const float most = mostOf(kind);
  if (kind == NumberKind::integer) {
    for (int64_t i = 0; i < count; ++i)
      numbers[i] =
          std::clamp(std::nearbyint(numbers[i] / scale), -most, most) * scale;
    return;
  }
  const Float8 type = Float8::of(kind);
  float values[256];
  for (int code = 0; code < 256; ++code)
    values[code] = type.valueOf(uint8_t(code));
  for (int64_t i = 0; i < count; ++i)
    numbers[i] = values[type.nearest(numbers[i] / scale)] * scale;
}

Rows rounded(Rows x, const ActivationFormat &format, double staticScale) {
  if (format.isStatic) {
    roundAll(x.data(), x.size(), float(staticScale), format.kind);
    return x;
  }
  for (int64_t r = 0; r < x.rows(); ++r)
    for (int64_t k = 0; k < x.cols(); k += format.block) {
      float largest = x.row(r).segment(k, format.block).cwiseAbs().maxCoeff();
      if (largest > 0)
        roundAll(
            &x(r, k), format.block,
            std::max(largest / mostOf(format.kind), leastScaleOf(format.kind)),
            format.kind);
    }
  return x;
}

double staticScaleOf(double largest, NumberKind kind) {
  if (largest == 0)
    return 1;
  return std::max(largest / double(mostOf(kind)), double(leastScaleOf(kind)));
}

} // namespace mmcc::quantize
