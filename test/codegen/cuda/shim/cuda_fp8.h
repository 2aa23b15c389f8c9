//===- cuda_fp8.h - 8-bit floats as a GPU rounds them ---------------------===//

#pragma once

// CudaShim.h comes first.

namespace mmcc::shim {

/// To the nearest, ties to even, never beyond the largest number.
template <int Mantissa, int Bias, unsigned Largest, unsigned Nan>
struct Float8 {
  unsigned char bits;

  Float8() = default;
  explicit Float8(float x) {
    const unsigned sign = std::signbit(x) ? 0x80 : 0;
    if (x != x) {
      bits = static_cast<unsigned char>(sign | Nan);
      return;
    }
    // Codes of positive numbers ascend with them: the best is one of two.
    unsigned low = 0, high = Largest;
    const double magnitude = std::fabs(double(x));
    while (low < high) {
      const unsigned middle = (low + high + 1) / 2;
      if (valueOf(middle) <= magnitude)
        low = middle;
      else
        high = middle - 1;
    }
    if (low < Largest) {
      const double down = magnitude - valueOf(low);
      const double up = valueOf(low + 1) - magnitude;
      if (up < down || (up == down && low % 2))
        ++low;
    }
    bits = static_cast<unsigned char>(sign | low);
  }
  explicit operator float() const {
    const unsigned code = bits & 0x7f;
    double value = valueOf(code);
    if (code > Largest)
      value = Largest < 0x7e && code == Largest + 1 ? INFINITY : NAN;
    return static_cast<float>(bits & 0x80 ? -value : value);
  }

private:
  static double valueOf(unsigned code) {
    const int exponent = static_cast<int>(code >> Mantissa);
    const unsigned fraction = code & ((1u << Mantissa) - 1);
    return exponent ? std::ldexp((1u << Mantissa) + fraction,
                                 exponent - Bias - Mantissa)
                    : std::ldexp(fraction, 1 - Bias - Mantissa);
  }
};

} // namespace mmcc::shim

using __nv_fp8_e4m3 = mmcc::shim::Float8<3, 7, 0x7e, 0x7f>;
using __nv_fp8_e5m2 = mmcc::shim::Float8<2, 15, 0x7b, 0x7f>;
