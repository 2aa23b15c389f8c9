//===- Float8.cpp - 8-bit floats ------------------------------------------===//

#include "passes/quantize/methods/Float8.h"
#include "passes/quantize/methods/Columns.h"

#include <limits>

namespace mmcc::quantize {

NarrowWeight roundToFloat8(const WeightMatrix &weight,
                           const WeightFormat &format) {
  const Float8 type = Float8::of(format.kind);
  NarrowWeight narrow(format, weight.in, weight.out);
  forColumns(weight.out, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n)
      for (int64_t g = 0; g < narrow.groups(); ++g) {
        const float *numbers = weight.column(n) + g * format.group;
        float magnitude = 0;
        for (int64_t i = 0; i < format.group; ++i)
          magnitude = std::max(magnitude, std::abs(numbers[i]));
        // A scale below the normal range has too few bits to divide by.
        float scale =
            std::max(magnitude / type.most, std::numeric_limits<float>::min());
        if (magnitude == 0)
          scale = 1;
        narrow.scale(g, n).scale = scale;
        for (int64_t i = 0; i < format.group; ++i)
          narrow.number(g * format.group + i, n) =
              int8_t(type.nearest(numbers[i] / scale));
      }
  });
  return narrow;
}

} // namespace mmcc::quantize
