//===- NarrowWeight.cpp - A weight in few bits ----------------------------===//

#include "passes/quantize/methods/NarrowWeight.h"

namespace mmcc::quantize {

NarrowWeight::NarrowWeight(const WeightFormat &format, int64_t in, int64_t out)
    : format(format), in(in), out(out), numbers(in * out),
      scales(in / format.group * out) {}

void limitPairs(NarrowWeight &narrow, const WeightMatrix &weight) {
  for (int64_t n = 0; n < narrow.out; ++n)
    for (int64_t k = 0; k + 1 < narrow.in; k += 2) {
      GroupScale scale = narrow.scale(k / narrow.format.group, n);
      int8_t *pair[] = {&narrow.number(k, n), &narrow.number(k + 1, n)};
      while (std::abs(*pair[0] + *pair[1]) > 128) {
        int sign = *pair[0] + *pair[1] > 0 ? 1 : -1;
        float up[2];
        for (int i : {0, 1})
          up[i] = float(sign) * (scale.valueOf<float>(*pair[i], narrow.format) -
                                 weight.column(n)[k + i]);
        *pair[up[1] > up[0]] -= int8_t(sign);
      }
    }
}

int64_t fitGroup(int64_t group, int64_t in) {
  if (in % 32 != 0 || in > kMostDepth)
    return 0;
  if (group == 0 || group >= in)
    return in;
  while (group >= 32 && (in % group != 0 || group % 32 != 0))
    group /= 2;
  return std::max<int64_t>(group, 32);
}

} // namespace mmcc::quantize
