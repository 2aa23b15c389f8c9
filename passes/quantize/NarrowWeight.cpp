//===- NarrowWeight.cpp - A weight in few bits ----------------------------===//

#include "passes/quantize/NarrowWeight.h"
#include "mlir/IR/DialectResourceBlobManager.h"

#include <algorithm>
#include <cmath>

using namespace mlir;

namespace mmcc::quantize {

int GroupScale::numberOf(float w, const WeightFormat &format) const {
  float number = std::nearbyint(w / scale) + float(zero);
  // NaN compares false: it becomes the lowest number.
  return int(
      std::max(float(format.low()), std::min(float(format.high()), number)));
}

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
          up[i] =
              float(sign) * (scale.valueOf(*pair[i]) - weight.column(n)[k + i]);
        *pair[up[1] > up[0]] -= int8_t(sign);
      }
    }
}

/// A constant that owns its bytes.
template <typename T>
static Value makeConstant(OpBuilder &builder, Location loc, Type element,
                          ArrayRef<int64_t> shape, ArrayRef<T> elements) {
  auto type = RankedTensorType::get(shape, element);
  ArrayRef<char> bytes(reinterpret_cast<const char *>(elements.data()),
                       elements.size() * sizeof(T));
  auto attribute = DenseResourceElementsAttr::get(
      type, "quantized",
      HeapAsmResourceBlob::allocateAndCopyWithAlign(bytes, 64));
  return builder.create<mm::ConstantOp>(loc, attribute);
}

NarrowConstants makeConstants(OpBuilder &builder, Location loc,
                              const NarrowWeight &weight) {
  const WeightFormat &format = weight.format;
  int shift = format.asymmetric && format.bits == 8 ? 128 : 0;
  std::vector<int8_t> numbers = weight.numbers;
  for (int8_t &number : numbers)
    number = int8_t(uint8_t(number) - shift);
  std::vector<float> scales, zeros;
  for (const GroupScale &scale : weight.scales) {
    scales.push_back(scale.scale);
    zeros.push_back(float(scale.zero - shift));
  }
  auto signedness =
      format.asymmetric ? IntegerType::Unsigned : IntegerType::Signless;
  Type element = format.bits == 8
                     ? IntegerType::get(loc.getContext(), 8)
                     : IntegerType::get(loc.getContext(), 4, signedness);
  int64_t shape[] = {weight.in, weight.out};
  int64_t groups[] = {weight.groups(), weight.out};
  NarrowConstants constants;
  constants.numbers =
      makeConstant<int8_t>(builder, loc, element, shape, numbers);
  constants.scale =
      makeConstant<float>(builder, loc, builder.getF32Type(), groups, scales);
  if (format.asymmetric)
    constants.zero =
        makeConstant<float>(builder, loc, builder.getF32Type(), groups, zeros);
  return constants;
}

int64_t fitGroup(int64_t group, int64_t in) {
  if (in % 32 != 0)
    return 0;
  if (group == 0 || group >= in)
    return in;
  while (group >= 32 && (in % group != 0 || group % 32 != 0))
    group /= 2;
  return std::max<int64_t>(group, 32);
}

} // namespace mmcc::quantize
