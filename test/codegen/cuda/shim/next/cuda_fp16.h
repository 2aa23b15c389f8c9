//===- cuda_fp16.h - Half precision -----------------------------*- C++ -*-===//
//
// By the compiler's own type, but for NaN, of which a GPU makes one alone.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_CUDA_FP16_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_CUDA_FP16_H

#include "Bits.h"
#include "Vectors.h"

struct __half_raw {
  unsigned short x;
};

struct __half {
  unsigned short __x;

  __half() = default;
  __half(__half_raw raw) : __x(raw.x) {}
  __half(float x) : __x(encode(x)) {}
  __half(double x) : __x(encode(x)) {}
  __half(int x) : __x(encode(double(x))) {}
  operator __half_raw() const { return {__x}; }
  operator float() const {
    return static_cast<float>(mmcc::shim::bitsAs<_Float16>(__x));
  }

private:
  template <typename T> static unsigned short encode(T x) {
    if (x != x)
      return 0x7fff;
    return mmcc::shim::bitsAs<unsigned short>(static_cast<_Float16>(x));
  }
};
using half = __half;

inline __half __float2half_rn(float x) { return __half(x); }
inline __half __float2half(float x) { return __half(x); }
inline __half __double2half(double x) { return __half(x); }
inline float __half2float(__half x) { return x; }
inline unsigned short __half_as_ushort(__half x) { return x.__x; }
inline short __half_as_short(__half x) { return short(x.__x); }
inline __half __ushort_as_half(unsigned short bits) { return __half_raw{bits}; }
inline __half __short_as_half(short bits) {
  return __half_raw{(unsigned short)(bits)};
}

// A float has more than twice the bits, so that rounding twice is rounding
// once.
inline __half operator+(__half a, __half b) { return float(a) + float(b); }
inline __half operator-(__half a, __half b) { return float(a) - float(b); }
inline __half operator*(__half a, __half b) { return float(a) * float(b); }
inline __half operator/(__half a, __half b) { return float(a) / float(b); }
inline __half operator-(__half a) {
  return __half_raw{(unsigned short)(a.__x ^ 0x8000)};
}
inline __half __hadd(__half a, __half b) { return a + b; }
inline __half __hsub(__half a, __half b) { return a - b; }
inline __half __hmul(__half a, __half b) { return a * b; }
inline __half __hdiv(__half a, __half b) { return a / b; }

struct alignas(4) __half2 {
  __half x, y;
};
using half2 = __half2;

inline __half2 make_half2(__half x, __half y) { return {x, y}; }
inline __half2 __halves2half2(__half x, __half y) { return {x, y}; }
inline __half2 __half2half2(__half x) { return {x, x}; }
inline __half2 __floats2half2_rn(float x, float y) {
  return {__half(x), __half(y)};
}
inline __half2 __float22half2_rn(float2 v) {
  return {__half(v.x), __half(v.y)};
}
inline float2 __half22float2(__half2 v) { return {v.x, v.y}; }
inline float __low2float(__half2 v) { return v.x; }
inline float __high2float(__half2 v) { return v.y; }
inline __half __low2half(__half2 v) { return v.x; }
inline __half __high2half(__half2 v) { return v.y; }

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_CUDA_FP16_H
