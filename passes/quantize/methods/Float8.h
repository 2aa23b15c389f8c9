//===- Float8.h - 8-bit floats ----------------------------------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_METHODS_FLOAT8_H
#define MMCC_PASSES_QUANTIZE_METHODS_FLOAT8_H

#include "llvm/ADT/bit.h"

#include <algorithm>
#include <cmath>

namespace mmcc::quantize {

/// What the numbers of a weight are.
enum class NumberKind { integer, e4m3, e5m2 };

/// Sign, exponent, `mantissa` bits (P. Micikevicius et al., 2022, arXiv
/// 2209.05433).
struct Float8 {
  int mantissa, bias;
  uint8_t largest; // the code of the largest number
  float most;      // and that number

  static constexpr Float8 of(NumberKind kind) {
    return kind == NumberKind::e4m3 ? Float8{3, 7, 0x7e, 448.0f}
                                    : Float8{2, 15, 0x7b, 57344.0f};
  }

  /// What a code means; none is NaN.
  float valueOf(uint8_t code) const {
    int exponent = code >> mantissa & ((1 << (7 - mantissa)) - 1);
    int fraction = code & ((1 << mantissa) - 1);
    float magnitude = exponent
                          ? std::ldexp(float((1 << mantissa) + fraction),
                                       exponent - bias - mantissa)
                          : std::ldexp(float(fraction), 1 - bias - mantissa);
    return code & 0x80 ? -magnitude : magnitude;
  }

  /// The code nearest to x, ties to even, saturating. x is not NaN.
  uint8_t nearest(float x) const {
    uint32_t bits = llvm::bit_cast<uint32_t>(x), sign = bits >> 24 & 0x80;
    bits &= 0x7fffffff;
    // Below the least normal number a code counts units of the last place.
    const uint32_t leastNormal = uint32_t(128 - bias) << 23;
    const float units =
        llvm::bit_cast<float>(uint32_t(126 + bias + mantissa) << 23);
    const float small = llvm::bit_cast<float>(std::min(bits, leastNormal));
    const auto count = uint32_t(std::nearbyint(small * units));
    const int dropped = 23 - mantissa;
    const uint32_t odd = bits >> dropped & 1;
    const uint32_t normal =
        ((bits + (1u << (dropped - 1)) - 1 + odd) >> dropped) -
        (uint32_t(127 - bias) << mantissa);
    const uint32_t code = bits < leastNormal ? count : normal;
    return uint8_t(sign | std::min<uint32_t>(code, largest));
  }
};

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_METHODS_FLOAT8_H
