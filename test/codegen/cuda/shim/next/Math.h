//===- Math.h - What the C library's math.h lacks ---------------*- C++ -*-===//
//
// Functions that a GPU approximates are exact here to the library's accuracy:
// compare with a tolerance.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_MATH_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_MATH_H

#include <features.h>
#include <math.h>

// The C library declares some of these for itself, hence no functions.
#define __expf ::expf
#define __exp10f ::exp10f
#define __logf ::logf
#define __log2f ::log2f
#define __log10f ::log10f
#define __sinf ::sinf
#define __cosf ::cosf
#define __tanf ::tanf
#define __powf ::powf
#define __sincosf ::sincosf

//===----------------------------------------------------------------------===//
// Arithmetic, rounded to nearest even
//===----------------------------------------------------------------------===//

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return ::fmaf(a, b, c); }
inline float __frcp_rn(float x) { return 1 / x; }
inline float __fsqrt_rn(float x) { return ::sqrtf(x); }
inline float __frsqrt_rn(float x) { return float(1 / ::sqrt(double(x))); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __fma_rn(double a, double b, double c) { return ::fma(a, b, c); }
inline double __drcp_rn(double x) { return 1 / x; }
inline double __dsqrt_rn(double x) { return ::sqrt(x); }

inline float __fdividef(float a, float b) { return a / b; }
inline float fdividef(float a, float b) { return a / b; }
/// NaN becomes 0.
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

// Later C libraries have these.
#if !__GLIBC_PREREQ(2, 41)
inline double sinpi(double x) { return ::sin(M_PI * ::remainder(x, 2)); }
inline double cospi(double x) { return ::cos(M_PI * ::remainder(x, 2)); }
inline float sinpif(float x) { return float(::sinpi(x)); }
inline float cospif(float x) { return float(::cospi(x)); }
#endif
#if !__GLIBC_PREREQ(2, 42)
inline float rsqrtf(float x) { return float(1 / ::sqrt(double(x))); }
inline double rsqrt(double x) { return 1 / ::sqrt(x); }
#endif
inline float rcbrtf(float x) { return float(1 / ::cbrt(double(x))); }
inline double rcbrt(double x) { return 1 / ::cbrt(x); }
inline double normcdf(double x) { return 0.5 * ::erfc(-x * M_SQRT1_2); }
inline float normcdff(float x) { return float(::normcdf(x)); }

inline double rhypot(double x, double y) { return 1 / ::hypot(x, y); }
inline float rhypotf(float x, float y) { return float(::rhypot(x, y)); }
inline double norm3d(double x, double y, double z) {
  return ::hypot(::hypot(x, y), z);
}
inline double norm4d(double x, double y, double z, double w) {
  return ::hypot(::hypot(x, y), ::hypot(z, w));
}
inline double rnorm3d(double x, double y, double z) {
  return 1 / ::norm3d(x, y, z);
}
inline double rnorm4d(double x, double y, double z, double w) {
  return 1 / ::norm4d(x, y, z, w);
}
inline float norm3df(float x, float y, float z) {
  return float(::norm3d(x, y, z));
}
inline float norm4df(float x, float y, float z, float w) {
  return float(::norm4d(x, y, z, w));
}
inline float rnorm3df(float x, float y, float z) {
  return float(::rnorm3d(x, y, z));
}
inline float rnorm4df(float x, float y, float z, float w) {
  return float(::rnorm4d(x, y, z, w));
}
inline double norm(int count, const double *x) {
  double result = 0;
  for (int i = 0; i < count; ++i)
    result = ::hypot(result, x[i]);
  return result;
}
inline float normf(int count, const float *x) {
  double result = 0;
  for (int i = 0; i < count; ++i)
    result = ::hypot(result, double(x[i]));
  return float(result);
}

//===----------------------------------------------------------------------===//
// Largest and least
//===----------------------------------------------------------------------===//

// Of two floats, one of them NaN, the other one.
#define MMCC_SHIM_MIN_MAX(a, b, result)                                        \
  inline result min(a x, b y) {                                                \
    return result(y) < result(x) ? result(y) : result(x);                      \
  }                                                                            \
  inline result max(a x, b y) {                                                \
    return result(x) < result(y) ? result(y) : result(x);                      \
  }
using MmccLong = long;
using MmccULong = unsigned long;
using MmccLongLong = long long;
using MmccULongLong = unsigned long long;
MMCC_SHIM_MIN_MAX(int, int, int)
MMCC_SHIM_MIN_MAX(unsigned, unsigned, unsigned)
MMCC_SHIM_MIN_MAX(int, unsigned, unsigned)
MMCC_SHIM_MIN_MAX(unsigned, int, unsigned)
MMCC_SHIM_MIN_MAX(MmccLong, MmccLong, MmccLong)
MMCC_SHIM_MIN_MAX(MmccULong, MmccULong, MmccULong)
MMCC_SHIM_MIN_MAX(MmccLong, MmccULong, MmccULong)
MMCC_SHIM_MIN_MAX(MmccULong, MmccLong, MmccULong)
MMCC_SHIM_MIN_MAX(MmccLongLong, MmccLongLong, MmccLongLong)
MMCC_SHIM_MIN_MAX(MmccULongLong, MmccULongLong, MmccULongLong)
MMCC_SHIM_MIN_MAX(MmccLongLong, MmccULongLong, MmccULongLong)
MMCC_SHIM_MIN_MAX(MmccULongLong, MmccLongLong, MmccULongLong)
#undef MMCC_SHIM_MIN_MAX
inline float min(float x, float y) { return ::fminf(x, y); }
inline float max(float x, float y) { return ::fmaxf(x, y); }
inline double min(double x, double y) { return ::fmin(x, y); }
inline double max(double x, double y) { return ::fmax(x, y); }
inline double min(float x, double y) { return ::fmin(double(x), y); }
inline double max(float x, double y) { return ::fmax(double(x), y); }
inline double min(double x, float y) { return ::fmin(x, double(y)); }
inline double max(double x, float y) { return ::fmax(x, double(y)); }

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_MATH_H
