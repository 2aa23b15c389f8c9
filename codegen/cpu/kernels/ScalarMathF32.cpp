//===- ScalarMathF32.cpp - Elementary functions of f32 --------------------===//
//
// What generated scalar loops call. Infinities, NaN, signed zeros and denormal
// numbers are as in C99. Errors stay under 2 ulp (tested over the whole range);
// sin, cos and tan are reduced exactly up to 2^50.
//
// Each is inlined into its caller, where the loop vectoriser can widen it.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/ScalarMath.h"

using namespace mmcc::cpu::math;

#define MMK_EXPORT extern "C" __attribute__((always_inline))

namespace {

constexpr float kInfF = __builtin_inff();

/// exp(c) for c in [-104, 89] and NaN. Full: results beyond the normal numbers
/// come out right, which takes 2^n in two steps.
template <bool Full> MMK_MATH float expClamped(float c) {
  // Adding `magic` rounds to an integer n and leaves it in the low bits.
  constexpr float magic = 0x1.8p+23f;
  float z = fma(c, 0x1.715476p+0f, magic);
  float n = z - magic;
  float r = fma(n, -0x1.62e430p-1f, c);
  r = fma(n, 0x1.05c610p-29f, r);
  float tail = poly(r, 0.5f, 0x1.555490p-3f, 0x1.55545ep-5f, 0x1.123b46p-7f,
                    0x1.6db416p-10f);
  float p = 1.0f + fma(r * r, tail, r);
  uint32_t i = static_cast<uint32_t>(bitsOf(z) - bitsOf(magic));
  if (!Full)
    return p * ofBits(static_cast<int32_t>((i + 127) << 23));
  uint32_t half = static_cast<uint32_t>(static_cast<int32_t>(i) >> 1);
  return p * ofBits(static_cast<int32_t>((half + 127) << 23)) *
         ofBits(static_cast<int32_t>((i - half + 127) << 23));
}

} // namespace

MMK_EXPORT float mmk_exp_f32(float x) {
  float c = x > 89.0f ? 89.0f : x;
  c = c < -104.0f ? -104.0f : c;
  return expClamped<true>(c);
}

MMK_EXPORT float mmk_log_f32(float x) {
  bool tiny = x < 0x1p-126f;
  float scaled = tiny ? x * 0x1p23f : x;
  // x = 2^e m, m in [sqrt(1/2), sqrt(2)).
  int32_t e = (bitsOf(scaled) - 0x3f3504f3) >> 23;
  float m = ofBits(bitsOf(scaled) -
                   static_cast<int32_t>(static_cast<uint32_t>(e) << 23));
  float n = static_cast<float>(e) - (tiny ? 23.0f : 0.0f);
  float f = m - 1.0f, z = f * f;
  float tail = poly(f, 0x1.555546p-2f, -0x1.ffffeep-3f, 0x1.99a546p-3f,
                    -0x1.5562e4p-3f, 0x1.2332c0p-3f, -0x1.fb4328p-4f,
                    0x1.e650a2p-4f, -0x1.e2e9bap-4f, 0x1.1b42cap-4f);
  float low = fma(n, -0x1.05c610p-29f, f * z * tail);
  float y = fma(n, 0x1.62e430p-1f, f + fma(z, -0.5f, low));
  y = x == kInfF ? kInfF : y;
  y = x == 0.0f ? -kInfF : y;
  y = x < 0.0f ? __builtin_nanf("") : y;
  return x != x ? x : y;
}

MMK_EXPORT float mmk_erf_f32(float x) {
  float a = __builtin_fabsf(x), z = a * a;
  // 2/sqrt(pi) is split, so that its rounding does not scale the result.
  float small = fma(a,
                    poly(z, 0x1.06eba8p-3f, -0x1.81273ep-2f, 0x1.ce2d20p-4f,
                         -0x1.b7fbb4p-6f, 0x1.5419f6p-8f, -0x1.a485ecp-11f,
                         0x1.4ae4d0p-14f),
                    a);
  float u = (a > 4.0f ? 4.0f : a) - 2.5f;
  float big =
      poly(u, 0x1.ffcaaap-1f, 0x1.1d7d3cp-9f, -0x1.64f958p-8f, 0x1.11b392p-7f,
           -0x1.1a3caep-7f, 0x1.9025dcp-8f, -0x1.720348p-9f, 0x1.287650p-11f,
           0x1.317b64p-12f, -0x1.1fbab6p-12f, 0x1.f49de0p-15f, 0x1.408f42p-16f,
           -0x1.258df4p-17f, 0x1.515d8ep-22f);
  big = a > 3.95f ? 1.0f : big;
  float y = a < 1.0f ? small : big;
  return __builtin_copysignf(y, x);
}

MMK_EXPORT float mmk_tanh_f32(float x) {
  float a = __builtin_fabsf(x), z = a * a;
  float small = fma(a * z,
                    poly(z, -0x1.555554p-2f, 0x1.11109ep-3f, -0x1.b9fa8ap-5f,
                         0x1.6418dap-6f, -0x1.0ee566p-7f, 0x1.246e22p-9f),
                    a);
  float c = a > 10.0f ? 20.0f : 2.0f * a;
  float big = 1.0f - 2.0f / (expClamped<false>(c) + 1.0f);
  float y = a < 0.6f ? small : big;
  return __builtin_copysignf(y, x);
}

MMK_EXPORT float mmk_sigmoid_f32(float x) {
  // exp of a value that is not positive cannot overflow.
  float a = __builtin_fabsf(x);
  float c = a > 104.0f ? -104.0f : -a;
  float e = expClamped<true>(c), d = 1.0f + e;
  return (x < 0.0f ? e : 1.0f) / d;
}

MMK_EXPORT float mmk_pow_f32(float x, float y) {
  double a = __builtin_fabs(static_cast<double>(x));
  double magnitude = exp(static_cast<double>(y) * log(a));
  return static_cast<float>(powCases(x, y, magnitude));
}

/// x - trunc(x / y) * y, exact, with the sign of x.
MMK_EXPORT float mmk_fmod_f32(float x, float y) {
  double b = __builtin_fabs(static_cast<double>(y));
  double r = __builtin_fabs(static_cast<double>(x));
  // Each step is exact and takes at least 50 bits off the quotient, which has
  // at most 277. A quotient that was rounded up leaves r negative.
#pragma clang loop unroll(full)
  for (int step = 0; step < 6; ++step)
    r = fma(-__builtin_trunc(r / b), b, r);
  r = r < 0.0 ? r + b : r;
  bool finite = __builtin_fabsf(x) < kInfF;
  double out = b == kInf && finite ? __builtin_fabs(static_cast<double>(x)) : r;
  out = finite && b > 0.0 ? out : kNan;
  return __builtin_copysignf(static_cast<float>(out), x);
}

MMK_EXPORT float mmk_round_even_f32(float x) { return __builtin_roundevenf(x); }

#define MMK_THROUGH_F64(NAME, EXPR)                                            \
  MMK_EXPORT float mmk_##NAME##_f32(float f) {                                 \
    double x = f;                                                              \
    return static_cast<float>(EXPR);                                           \
  }

MMK_THROUGH_F64(sin, x == 0.0 ? x : sinCos(x).sin)
MMK_THROUGH_F64(cos, sinCos(x).cos)
MMK_THROUGH_F64(tan, tan(x))
MMK_THROUGH_F64(asin, asin(x))
MMK_THROUGH_F64(acos, acos(x))
MMK_THROUGH_F64(atan, atan(x))
MMK_THROUGH_F64(sinh, sinh(x))
MMK_THROUGH_F64(cosh, cosh(x))
MMK_THROUGH_F64(asinh, asinh(x))
MMK_THROUGH_F64(acosh, acosh(x))
MMK_THROUGH_F64(atanh, atanh(x))
