//===- ScalarMathF64.cpp - Elementary functions of f64 --------------------===//
//
// The f64 counterparts of ScalarMathF32.cpp, good to about 1e-15 relative
// (erf 1e-14). Infinities, NaN and signed zeros are as in C99.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/ScalarMath.h"

using namespace mmcc::cpu::math;

#define MMK_F64(NAME, EXPR)                                                    \
  extern "C"                                                                   \
      __attribute__((always_inline)) double mmk_##NAME##_f64(double x) {       \
    return EXPR;                                                               \
  }

MMK_F64(exp, exp(x))
MMK_F64(log, log(x))
MMK_F64(erf, erf(x))
MMK_F64(tanh, tanh(x))
MMK_F64(sin, x == 0.0 ? x : sinCos(x).sin)
MMK_F64(cos, sinCos(x).cos)
MMK_F64(tan, tan(x))
MMK_F64(asin, asin(x))
MMK_F64(acos, acos(x))
MMK_F64(atan, atan(x))
MMK_F64(sinh, sinh(x))
MMK_F64(cosh, cosh(x))
MMK_F64(asinh, asinh(x))
MMK_F64(acosh, acosh(x))
MMK_F64(atanh, atanh(x))
MMK_F64(round_even, __builtin_roundeven(x))

extern "C" __attribute__((always_inline)) double mmk_sigmoid_f64(double x) {
  double e = exp(-__builtin_fabs(x));
  return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

extern "C" __attribute__((always_inline)) double mmk_pow_f64(double x,
                                                             double y) {
  double a = __builtin_fabs(x);
  LogParts l = logParts(a);
  // y * log|x| in two parts; 1e4 stands for whatever over- or underflows.
  double p = y * l.high, pLow = fma(y, l.high, -p) + y * l.low;
  bool plain = __builtin_fabs(p) < 1e4;
  double magnitude = exp(plain ? p : 0.0, plain ? pLow : 0.0);
  double far = p > 0.0 ? kInf : 0.0;
  magnitude = plain ? magnitude : far;
  bool grows = y > 0.0;
  magnitude = a == 0.0 ? (grows ? 0.0 : kInf) : magnitude;
  magnitude = a == kInf ? (grows ? kInf : 0.0) : magnitude;
  return powCases(x, y, magnitude);
}

/// x - trunc(x / y) * y, exact, with the sign of x.
extern "C" double mmk_fmod_f64(double x, double y) {
  double b = __builtin_fabs(y), r = __builtin_fabs(x);
  if (!(r < kInf) || !(b > 0.0))
    return kNan;
  if (b == kInf)
    return x;
  // Quotients are kept small enough that every difference is exact.
  while (r >= b) {
    double c = b;
    int64_t gap = (bitsOf(r) >> 52) - (bitsOf(b) >> 52);
    while (gap > 30) {
      int64_t up = gap - 30 > 1000 ? 1000 : gap - 30;
      double next = c * pow2(up);
      c = next;
      gap -= up;
    }
    double q = __builtin_trunc(r / c);
    double left = fma(-q, c, r);
    r = left < 0.0 ? left + c : left;
  }
  return __builtin_copysign(r, x);
}
