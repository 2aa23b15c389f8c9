//===- cuda_fp8.h - Floats of 8 bits ----------------------------*- C++ -*-===//
//
// e4m3 has no infinity and one NaN (0x7f, of either sign); e5m2 is what half
// precision's upper byte would be. Numbers too large, infinity among them,
// become the largest (satfinite).
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_CUDA_FP8_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_CUDA_FP8_H

#include "cuda_bf16.h"
#include "cuda_fp16.h"

#include <cmath>
#include <limits>
#include <type_traits>

using __nv_fp8_storage_t = unsigned char;

namespace mmcc::shim {

/// `Largest` is the code of the largest number; codes of positive numbers
/// ascend with them.
template <int MantissaBits, int Bias, unsigned Largest> struct Float8 {
  __nv_fp8_storage_t __x;

  Float8() = default;
  template <typename T, typename = std::enable_if_t<std::is_arithmetic_v<T>>>
  explicit Float8(T x) : __x(encode(double(x))) {}
  explicit Float8(__half x) : Float8(float(x)) {}
  explicit Float8(__nv_bfloat16 x) : Float8(float(x)) {}

  explicit operator float() const { return float(decode(__x)); }
  explicit operator double() const { return decode(__x); }
  explicit operator __half() const { return __half(float(*this)); }
  explicit operator __nv_bfloat16() const {
    return __nv_bfloat16(float(*this));
  }

private:
  /// Numbers below 2^kLeast are as far apart as those right above.
  static constexpr int kLeast = 1 - Bias;

  static double decode(unsigned code) {
    const unsigned magnitude = code & 0x7f;
    double value;
    if (magnitude <= Largest) {
      const int exponent = int(magnitude >> MantissaBits);
      const int hidden = exponent ? 1 << MantissaBits : 0;
      const int mantissa = int(magnitude & ((1u << MantissaBits) - 1));
      value = std::ldexp(hidden + mantissa,
                         (exponent ? exponent - Bias : kLeast) - MantissaBits);
    } else if (MantissaBits == 2 && magnitude == Largest + 1) {
      value = std::numeric_limits<double>::infinity();
    } else {
      return std::numeric_limits<double>::quiet_NaN();
    }
    return code & 0x80 ? -value : value;
  }

  static __nv_fp8_storage_t encode(double x) {
    const unsigned sign = std::signbit(x) ? 0x80 : 0;
    if (x != x)
      return 0x7f;
    double magnitude = std::fabs(x);
    if (magnitude >= decode(Largest))
      return __nv_fp8_storage_t(sign | Largest);
    const int exponent =
        magnitude < std::ldexp(1, kLeast) ? kLeast : std::ilogb(magnitude);
    // In units of the last place. One too many for the mantissa carries into
    // the exponent, as it should.
    const auto units = unsigned(
        std::nearbyint(std::ldexp(magnitude, MantissaBits - exponent)));
    return __nv_fp8_storage_t(
        sign | ((unsigned(exponent - kLeast) << MantissaBits) + units));
  }
};

} // namespace mmcc::shim

using __nv_fp8_e4m3 = mmcc::shim::Float8<3, 7, 0x7e>;
using __nv_fp8_e5m2 = mmcc::shim::Float8<2, 15, 0x7b>;

enum __nv_fp8_interpretation_t { __NV_E4M3, __NV_E5M2 };
enum __nv_saturation_t { __NV_NOSAT, __NV_SATFINITE };

/// Only satfinite.
inline __nv_fp8_storage_t
__nv_cvt_float_to_fp8(float x, __nv_saturation_t,
                      __nv_fp8_interpretation_t interpretation) {
  return interpretation == __NV_E4M3 ? __nv_fp8_e4m3(x).__x
                                     : __nv_fp8_e5m2(x).__x;
}

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_CUDA_FP8_H
