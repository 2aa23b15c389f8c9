//===- Conversions.h - Floats to integers and back --------------*- C++ -*-===//
//
// As PTX's cvt: what is too large becomes the largest number. NaN becomes 0
// where a float becomes 32 bits, else the number with only the highest bit.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_CONVERSIONS_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_CONVERSIONS_H

#include <limits>
#include <math.h>

namespace mmcc::shim {

template <typename To, typename From> To toInteger(From rounded) {
  constexpr int width = sizeof(To) * 8;
  if (rounded != rounded)
    return sizeof(From) == 4 && width == 32
               ? To(0)
               : To((unsigned long long)(1) << (width - 1));
  using Limits = std::numeric_limits<To>;
  // The first number beyond is a power of two, so a float has it.
  const From beyond = std::ldexp(From(1), Limits::digits);
  if (rounded >= beyond)
    return Limits::max();
  if (rounded < From(Limits::min()))
    return Limits::min();
  return To(rounded);
}

} // namespace mmcc::shim

// Roundings: to nearest even, towards zero, up, down.
#define MMCC_SHIM_TO_INTEGER(from, name, to)                                   \
  inline to __##from##2##name##_rn(from x) {                                   \
    return mmcc::shim::toInteger<to>(std::nearbyint(x));                       \
  }                                                                            \
  inline to __##from##2##name##_rz(from x) {                                   \
    return mmcc::shim::toInteger<to>(std::trunc(x));                           \
  }                                                                            \
  inline to __##from##2##name##_ru(from x) {                                   \
    return mmcc::shim::toInteger<to>(std::ceil(x));                            \
  }                                                                            \
  inline to __##from##2##name##_rd(from x) {                                   \
    return mmcc::shim::toInteger<to>(std::floor(x));                           \
  }
MMCC_SHIM_TO_INTEGER(float, int, int)
MMCC_SHIM_TO_INTEGER(float, uint, unsigned)
MMCC_SHIM_TO_INTEGER(float, ll, long long)
MMCC_SHIM_TO_INTEGER(float, ull, unsigned long long)
MMCC_SHIM_TO_INTEGER(double, int, int)
MMCC_SHIM_TO_INTEGER(double, uint, unsigned)
MMCC_SHIM_TO_INTEGER(double, ll, long long)
MMCC_SHIM_TO_INTEGER(double, ull, unsigned long long)
#undef MMCC_SHIM_TO_INTEGER

inline float __int2float_rn(int x) { return float(x); }
inline float __uint2float_rn(unsigned x) { return float(x); }
inline float __ll2float_rn(long long x) { return float(x); }
inline float __ull2float_rn(unsigned long long x) { return float(x); }
inline double __int2double_rn(int x) { return x; }
inline double __uint2double_rn(unsigned x) { return x; }
inline double __ll2double_rn(long long x) { return double(x); }
inline double __ull2double_rn(unsigned long long x) { return double(x); }
inline float __double2float_rn(double x) { return float(x); }

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_CONVERSIONS_H
