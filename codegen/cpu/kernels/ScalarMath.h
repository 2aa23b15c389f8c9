//===- ScalarMath.h - What the scalar functions are made of -----*- C++ -*-===//
//
// Elementary functions for generated scalar loops. None branches, looks into a
// table or converts between 64-bit integers and doubles by an instruction that
// AVX2 lacks, so that after inlining LLVM's loop vectoriser can widen them.
// The functions here are in f64, good to about 1e-15; those f32 functions that
// are seldom hot are computed through them.
//
// Where a select chooses between two formulas both are computed, and the one
// not chosen may be NaN.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_SCALARMATH_H
#define MMCC_CODEGEN_CPU_KERNELS_SCALARMATH_H

#include <cstdint>

#define MMK_MATH static inline __attribute__((always_inline))

namespace mmcc::cpu::math {

constexpr double kInf = __builtin_inf();
constexpr double kNan = __builtin_nan("");
constexpr double kLn2 = 0x1.62e42fefa39efp-1;
constexpr double kLn2Low = 0x1.abc9e3b39803fp-56;
constexpr double kHalfPi = 0x1.921fb54442d18p+0;
constexpr double kHalfPiLow = 0x1.1a62633145c07p-54;
/// Adding it leaves a double's integer in the low bits of the result.
constexpr double kMagic = 0x1.8p+52;

MMK_MATH int64_t bitsOf(double x) { return __builtin_bit_cast(int64_t, x); }
MMK_MATH double ofBits(int64_t x) { return __builtin_bit_cast(double, x); }
MMK_MATH int32_t bitsOf(float x) { return __builtin_bit_cast(int32_t, x); }
MMK_MATH float ofBits(int32_t x) { return __builtin_bit_cast(float, x); }
MMK_MATH double fma(double a, double b, double c) {
  return __builtin_fma(a, b, c);
}
MMK_MATH float fma(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
}

/// c0 + c1 x + c2 x^2 + ...
template <typename T> MMK_MATH T poly(T, T c0) { return c0; }
template <typename T, typename... Rest>
MMK_MATH T poly(T x, T c0, Rest... rest) {
  return fma(poly(x, static_cast<T>(rest)...), x, c0);
}

/// Integral |n| < 2^51 to an integer, and back.
MMK_MATH int64_t toInt(double n) { return bitsOf(n + kMagic) - bitsOf(kMagic); }
MMK_MATH double toDouble(int64_t n) {
  return ofBits(n + bitsOf(kMagic)) - kMagic;
}

/// 2^n, -1022 <= n <= 1023.
MMK_MATH double pow2(int64_t n) { return ofBits((n + 1023) << 52); }

/// (exp(r) - 1 - r) / r^2 for |r| <= ln2 / 2.
MMK_MATH double expTail(double r) {
  return poly(r, 0.5, 0.16666666666666682, 0.0416666666666667,
              0.00833333333331687, 0.001388888888886516, 0.00019841269896787048,
              2.4801587365126777e-05, 2.7557234470939772e-06,
              2.755723864701689e-07, 2.511216750263746e-08,
              2.092569018652588e-09);
}

/// exp(x + low), |low| much smaller than 1.
MMK_MATH double exp(double x, double low = 0.0) {
  double c = x > 710.0 ? 710.0 : x;
  c = c < -746.0 ? -746.0 : c;
  double n = __builtin_rint(c * 0x1.71547652b82fep+0);
  double r = fma(-n, kLn2, c);
  r = fma(-n, kLn2Low, r) + low;
  double p = 1.0 + fma(r * r, expTail(r), r);
  // In two steps, since 2^n alone may overflow or vanish too early.
  double half = __builtin_rint(n * 0.5);
  double y = p * pow2(toInt(half)) * pow2(toInt(n - half));
  return x != x ? x : y;
}

/// exp(x) - 1 without cancellation.
MMK_MATH double expm1(double x) {
  double small =
      x * x *
      poly(x, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040,
           1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800,
           1.0 / 479001600, 1.0 / 6227020800.0, 1.0 / 87178291200.0);
  small = x + small;
  double big = exp(x) - 1.0;
  return __builtin_fabs(x) < 0.35 ? small : big;
}

/// log(x) = high + low for normal positive x, to about 1e-18.
struct LogParts {
  double high, low;
};
MMK_MATH LogParts logParts(double x) {
  bool tiny = x < 0x1p-1022;
  double scaled = tiny ? x * 0x1p54 : x;
  // x = 2^e m, m in [sqrt(1/2), sqrt(2)).
  int64_t bits = bitsOf(scaled) - 0x3fe6a09e667f3bcd;
  uint64_t biased = static_cast<uint64_t>(bits) + (uint64_t(1) << 63);
  int64_t e = static_cast<int64_t>(biased >> 52) - 2048;
  double m = ofBits(bitsOf(scaled) -
                    static_cast<int64_t>(static_cast<uint64_t>(e) << 52));
  double n = toDouble(e) - (tiny ? 54.0 : 0.0);
  // log(m) = 2 artanh(s), s = f / d.
  double f = m - 1.0, d = m + 1.0;
  double dLow = m - (d - 1.0);
  double s = f / d;
  double sLow = (fma(-s, d, f) - s * dLow) / d;
  double z = s * s;
  double tail = s * z *
                poly(z, 2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11, 2.0 / 13,
                     2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23);
  double low = 2.0 * sLow + tail;
  double a = n * kLn2, aLow = fma(n, kLn2, -a);
  double b = 2.0 * s, high = a + b;
  double bRound = high - a;
  double err = (a - (high - bRound)) + (b - bRound);
  low += err + aLow + n * kLn2Low;
  double top = high + low;
  return {top, low - (top - high)};
}

MMK_MATH double log(double x) {
  LogParts parts = logParts(x);
  double y = parts.high + parts.low;
  y = x == kInf ? kInf : y;
  y = x == 0.0 ? -kInf : y;
  y = x < 0.0 ? kNan : y;
  return x != x ? x : y;
}

/// log(1 + x) without cancellation, x > -1.
MMK_MATH double log1p(double x) {
  double u = 1.0 + x;
  double lost = x - (u - 1.0);
  double y = log(u) + lost / u;
  y = u == kInf ? kInf : y;
  return u == 1.0 ? x : y;
}

/// sin and cos of x; |x| beyond 2^50 is not reduced exactly.
struct SinCos {
  double sin, cos;
};
MMK_MATH SinCos sinCos(double x) {
  double n = __builtin_rint(x * 0x1.45f306dc9c883p-1);
  double r = fma(-n, kHalfPi, x);
  r = fma(-n, kHalfPiLow, r);
  r = fma(-n, -0x1.f1976b7ed8fbcp-110, r);
  double z = r * r;
  double s = r + r * z *
                     poly(z, -1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880,
                          -1.0 / 39916800, 1.0 / 6227020800.0,
                          -1.0 / 1307674368000.0, 1.0 / 355687428096000.0);
  double c =
      1.0 + z * poly(z, -1.0 / 2, 1.0 / 24, -1.0 / 720, 1.0 / 40320,
                     -1.0 / 3628800, 1.0 / 479001600, -1.0 / 87178291200.0,
                     1.0 / 20922789888000.0, -1.0 / 6402373705728000.0);
  int64_t quadrant = toInt(n);
  bool swap = (quadrant & 1) != 0;
  double a = swap ? c : s, b = swap ? s : c;
  a = (quadrant & 2) != 0 ? -a : a;
  b = ((quadrant + 1) & 2) != 0 ? -b : b;
  bool finite = __builtin_fabs(x) < kInf;
  return {finite ? a : kNan, finite ? b : kNan};
}

MMK_MATH double tan(double x) {
  SinCos both = sinCos(x);
  return x == 0.0 ? x : both.sin / both.cos;
}

MMK_MATH double atan(double x) {
  double a = __builtin_fabs(x);
  bool big = a > 1.0;
  double t = big ? 1.0 / a : a;
  // Fold [0, 1] to |u| <= tan(pi/8).
  bool upper = t > 0.41421356237309503;
  double u = upper ? (t - 1.0) / (t + 1.0) : t;
  double z = u * u;
  double y = u + u * z *
                     poly(z, -1.0 / 3, 1.0 / 5, -1.0 / 7, 1.0 / 9, -1.0 / 11,
                          1.0 / 13, -1.0 / 15, 1.0 / 17, -1.0 / 19, 1.0 / 21,
                          -1.0 / 23, 1.0 / 25, -1.0 / 27, 1.0 / 29, -1.0 / 31,
                          1.0 / 33, -1.0 / 35, 1.0 / 37, -1.0 / 39, 1.0 / 41);
  y = upper ? kHalfPi * 0.5 + (y + kHalfPiLow * 0.5) : y;
  y = big ? kHalfPi - (y - kHalfPiLow) : y;
  return __builtin_copysign(y, x);
}

MMK_MATH double asin(double x) {
  return atan(x / __builtin_sqrt((1.0 - x) * (1.0 + x)));
}
MMK_MATH double acos(double x) {
  return 2.0 * atan(__builtin_sqrt((1.0 - x) / (1.0 + x)));
}

MMK_MATH double sinh(double x) {
  double a = __builtin_fabs(x);
  double e = expm1(a > 700.0 ? 700.0 : a);
  double moderate = 0.5 * (e + e / (e + 1.0));
  double h = exp(0.5 * a);
  double y = a > 700.0 ? 0.5 * h * h : moderate;
  y = x != x ? x : y;
  return __builtin_copysign(y, x);
}
MMK_MATH double cosh(double x) {
  double h = exp(0.5 * __builtin_fabs(x));
  double g = 1.0 / h;
  return 0.5 * h * h + 0.5 * g * g;
}
MMK_MATH double tanh(double x) {
  double a = __builtin_fabs(x);
  double e = expm1(a > 22.0 ? 44.0 : 2.0 * a);
  double y = e / (e + 2.0);
  y = x != x ? x : y;
  return __builtin_copysign(y, x);
}

MMK_MATH double asinh(double x) {
  double a = __builtin_fabs(x);
  double z = a * a;
  double y = log1p(a + z / (1.0 + __builtin_sqrt(z + 1.0)));
  y = a > 1e8 ? log(a) + kLn2 : y;
  return __builtin_copysign(y, x);
}
MMK_MATH double acosh(double x) {
  double t = x - 1.0;
  double y = log1p(t + __builtin_sqrt(t * (t + 2.0)));
  y = x > 1e8 ? log(x) + kLn2 : y;
  return x < 1.0 ? kNan : y;
}
MMK_MATH double atanh(double x) {
  double a = __builtin_fabs(x);
  double y = 0.5 * log1p(2.0 * a / (1.0 - a));
  y = a == 1.0 ? kInf : y;
  y = a > 1.0 ? kNan : y;
  return __builtin_copysign(y, x);
}

MMK_MATH double erf(double x) {
  double a = __builtin_fabs(x);
  // Below 2: exp(-x^2) times a series without cancellation.
  double z = a * a, capped = z > 4.0 ? 4.0 : z;
  double sum = 1.0;
#pragma clang loop unroll(full)
  for (int n = 40; n > 0; --n)
    sum = fma(sum, capped * (2.0 / (2 * n + 1)), 1.0);
  double small = 1.1283791670955126 * a * exp(-capped) * sum;
  // Above: erfc(x) = exp(-x^2) / x * q(1/x^2).
  double b = a < 2.0 ? 2.0 : a;
  b = b > 6.0 ? 6.0 : b;
  double t = 1.0 / (b * b);
  double q = poly(t, 0.5641895783937295, -0.28209393422669365,
                  0.4230789482690683, -1.0550991056716477, 3.6223722258686935,
                  -14.992275936940395, 65.30620284931703, -263.29201149179755,
                  885.2026901423184, -2279.0253721247163, 4117.2375730386,
                  -4591.478186182534, 2361.939976512888);
  double big = 1.0 - exp(-b * b) / b * q;
  double y = a < 2.0 ? small : big;
  y = x != x ? x : y;
  return __builtin_copysign(y, x);
}

/// C99's pow given |x|^y, with all its special cases.
MMK_MATH double powCases(double x, double y, double magnitude) {
  double a = __builtin_fabs(x), half = y * 0.5;
  bool integral = __builtin_trunc(y) == y;
  bool odd = integral && __builtin_trunc(half) != half;
  double r = a == 1.0 ? 1.0 : magnitude;
  r = odd ? __builtin_copysign(r, x) : r;
  r = x < 0.0 && a != kInf && !integral ? kNan : r;
  r = x != x || y != y ? x + y : r;
  return x == 1.0 || y == 0.0 ? 1.0 : r;
}

} // namespace mmcc::cpu::math

#endif // MMCC_CODEGEN_CPU_KERNELS_SCALARMATH_H
