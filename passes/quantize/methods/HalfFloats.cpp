//===- HalfFloats.cpp - Weights in 16 bits --------------------------------===//

#include "passes/quantize/methods/HalfFloats.h"
#include "passes/quantize/methods/Columns.h"
#include "llvm/ADT/bit.h"

#include <atomic>
#include <cmath>
#include <cstring>

namespace mmcc::quantize {

namespace {

/// Of finite numbers in range.
uint16_t toBF16(float x) {
  uint32_t bits = llvm::bit_cast<uint32_t>(x);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
float fromBF16(uint16_t bits) {
  return llvm::bit_cast<float>(uint32_t(bits) << 16);
}
uint16_t toF16(float x) { return llvm::bit_cast<uint16_t>(_Float16(x)); }
float fromF16(uint16_t bits) { return float(llvm::bit_cast<_Float16>(bits)); }

/// The largest that stays finite: what rounds to it is below the next number.
float mostOf(HalfFloat type) {
  return type == HalfFloat::f16 ? 65504.0f : 0x1.fep127f;
}

} // namespace

std::optional<HalfFloat> parseHalf(const std::string &name) {
  if (name == "bf16")
    return HalfFloat::bf16;
  if (name == "f16")
    return HalfFloat::f16;
  return std::nullopt;
}

float roundedToHalf(float x, HalfFloat type) {
  return type == HalfFloat::f16 ? fromF16(toF16(x)) : fromBF16(toBF16(x));
}

void roundToHalf(const char *from, int64_t count, HalfFloat type,
                 uint16_t *to) {
  for (int64_t i = 0; i < count; ++i) {
    float x;
    std::memcpy(&x, from + i * sizeof(float), sizeof(float));
    to[i] = type == HalfFloat::f16 ? toF16(x) : toBF16(x);
  }
}

bool fitsHalf(const WeightMatrix &weight, HalfFloat type) {
  const float most = mostOf(type);
  bool fits = true;
  for (float x : weight.numbers)
    fits &= std::abs(x) <= most; // NaN is not
  return fits;
}

std::optional<HalfFloat> chooseHalf(const WeightMatrix &weight) {
  if (!fitsHalf(weight, HalfFloat::bf16))
    return std::nullopt;
  if (!fitsHalf(weight, HalfFloat::f16))
    return HalfFloat::bf16;
  std::atomic<bool> isWorse = false;
  forColumns(weight.out, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last && !isWorse; ++n) {
      double half = 0, brain = 0;
      for (int64_t k = 0; k < weight.in; ++k) {
        const float x = weight.column(n)[k];
        const double inHalf = double(x) - roundedToHalf(x, HalfFloat::f16);
        const double inBrain = double(x) - roundedToHalf(x, HalfFloat::bf16);
        half += inHalf * inHalf;
        brain += inBrain * inBrain;
      }
      if (half > brain)
        isWorse = true;
    }
  });
  return isWorse ? HalfFloat::bf16 : HalfFloat::f16;
}

} // namespace mmcc::quantize
