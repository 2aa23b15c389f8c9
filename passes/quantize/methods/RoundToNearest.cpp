//===- RoundToNearest.cpp - Each number by itself -------------------------===//

#include "passes/quantize/methods/RoundToNearest.h"
#include "passes/quantize/methods/Columns.h"

#include <limits>

namespace mmcc::quantize {

GroupScale coverRange(const float *numbers, int64_t count,
                      const WeightFormat &format) {
  auto [least, most] = std::minmax_element(numbers, numbers + count);
  float low = std::min(*least, 0.0f), high = std::max(*most, 0.0f);
  GroupScale group;
  if (format.asymmetric) {
    if (high == low)
      return group;
    // The range of large weights is beyond single precision.
    group.scale = float((double(high) - low) / format.high());
    group.zero = int(std::clamp(std::nearbyint(-low / group.scale), 0.0f,
                                float(format.high())));
    return group;
  }
  float magnitude = std::max(-low, high);
  if (format.isFloat()) {
    // A scale below the normal range has too few bits to divide by.
    if (magnitude > 0)
      group.scale = std::max(magnitude / Float8::of(format.kind).most,
                             std::numeric_limits<float>::min());
    return group;
  }
  if (magnitude > 0)
    group.scale = magnitude / float(format.high());
  if (format.limited)
    for (int64_t i = 0; i + 1 < count; i += 2)
      group.scale =
          std::max(group.scale,
                   float(std::abs(double(numbers[i]) + numbers[i + 1]) / 128));
  return group;
}

GroupScale coverTensor(const WeightMatrix &weight, const WeightFormat &format) {
  return coverRange(weight.numbers.data(), int64_t(weight.numbers.size()),
                    format);
}

NarrowWeight roundToNearest(const WeightMatrix &weight,
                            const WeightFormat &format) {
  NarrowWeight narrow(format, weight.in, weight.out);
  GroupScale ofAll;
  if (format.wholeTensor)
    ofAll = coverTensor(weight, format);
  forColumns(weight.out, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n)
      for (int64_t g = 0; g < narrow.groups(); ++g) {
        const float *numbers = weight.column(n) + g * format.group;
        GroupScale scale = format.wholeTensor
                               ? ofAll
                               : coverRange(numbers, format.group, format);
        narrow.scale(g, n) = scale;
        for (int64_t i = 0; i < format.group; ++i)
          narrow.number(g * format.group + i, n) =
              int8_t(scale.numberOf(numbers[i], format));
      }
  });
  if (format.limited)
    limitPairs(narrow, weight);
  return narrow;
}

} // namespace mmcc::quantize
