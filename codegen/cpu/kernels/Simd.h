//===- Simd.h - One vector of f32 at the level being compiled ---*- C++ -*-===//
//
// Every microkernel is written once against this file and compiled once per
// level. A Vec is one register: 8 lanes with AVX2, 16 with AVX-512. Part
// operations touch the first n lanes only, 0 <= n <= kLanes, and neither read
// nor write memory beyond them.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_SIMD_H
#define MMCC_CODEGEN_CPU_KERNELS_SIMD_H

#include <cstddef>
#include <cstdint>
#include <immintrin.h>

#define MMK_INLINE inline __attribute__((always_inline))
#define MMK_NOINLINE __attribute__((noinline))

namespace mmcc::cpu {

/// Width of a weight panel, at every level.
constexpr int kPanel = 16;

#if defined(__AVX512F__)

using Vec = __m512;
constexpr int kLanes = 16;

MMK_INLINE Vec vzero() { return _mm512_setzero_ps(); }
MMK_INLINE Vec vset(float x) { return _mm512_set1_ps(x); }
MMK_INLINE Vec vload(const float *p) { return _mm512_loadu_ps(p); }
MMK_INLINE void vstore(float *p, Vec v) { _mm512_storeu_ps(p, v); }
MMK_INLINE __mmask16 firstLanes(int64_t n) {
  return static_cast<__mmask16>((1u << n) - 1);
}
MMK_INLINE Vec vloadPart(const float *p, int64_t n) {
  return _mm512_maskz_loadu_ps(firstLanes(n), p);
}
MMK_INLINE void vstorePart(float *p, Vec v, int64_t n) {
  _mm512_mask_storeu_ps(p, firstLanes(n), v);
}
/// Lanes from n on become `fill`.
MMK_INLINE Vec vkeepPart(Vec v, Vec fill, int64_t n) {
  return _mm512_mask_blend_ps(firstLanes(n), fill, v);
}
MMK_INLINE Vec vfma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
MMK_INLINE Vec vadd(Vec a, Vec b) { return _mm512_add_ps(a, b); }
MMK_INLINE Vec vmul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
MMK_INLINE Vec vmax(Vec a, Vec b) { return _mm512_max_ps(a, b); }
MMK_INLINE Vec vsub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
/// The low bits of each lane as an exponent field.
MMK_INLINE Vec vexponent(Vec z) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(z), 23));
}
MMK_INLINE float vsum(Vec v) { return _mm512_reduce_add_ps(v); }
MMK_INLINE float vmaxAcross(Vec v) { return _mm512_reduce_max_ps(v); }
/// Bit i: a[i] > b[i], or one of them is NaN.
MMK_INLINE uint32_t vnotAtMost(Vec a, Vec b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_NLE_UQ);
}

#elif defined(__AVX2__)

using Vec = __m256;
constexpr int kLanes = 8;

MMK_INLINE Vec vzero() { return _mm256_setzero_ps(); }
MMK_INLINE Vec vset(float x) { return _mm256_set1_ps(x); }
MMK_INLINE Vec vload(const float *p) { return _mm256_loadu_ps(p); }
MMK_INLINE void vstore(float *p, Vec v) { _mm256_storeu_ps(p, v); }
MMK_INLINE __m256i firstLanes(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
MMK_INLINE Vec vloadPart(const float *p, int64_t n) {
  return _mm256_maskload_ps(p, firstLanes(n));
}
MMK_INLINE void vstorePart(float *p, Vec v, int64_t n) {
  _mm256_maskstore_ps(p, firstLanes(n), v);
}
MMK_INLINE Vec vkeepPart(Vec v, Vec fill, int64_t n) {
  return _mm256_blendv_ps(fill, v, _mm256_castsi256_ps(firstLanes(n)));
}
MMK_INLINE Vec vfma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
MMK_INLINE Vec vadd(Vec a, Vec b) { return _mm256_add_ps(a, b); }
MMK_INLINE Vec vmul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
MMK_INLINE Vec vmax(Vec a, Vec b) { return _mm256_max_ps(a, b); }
MMK_INLINE Vec vsub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
/// The low bits of each lane as an exponent field.
MMK_INLINE Vec vexponent(Vec z) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(z), 23));
}
MMK_INLINE float vsum(Vec v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
MMK_INLINE uint32_t vnotAtMost(Vec a, Vec b) {
  return static_cast<uint32_t>(
      _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_NLE_UQ)));
}
MMK_INLINE float vmaxAcross(Vec v) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

#else
#error "microkernels need AVX2 with FMA, or AVX-512"
#endif

/// 2^f for |f| <= 1/2 to about 2 ulp.
MMK_INLINE Vec vexp2Small(Vec f) {
  Vec p = vset(0x1.5f769ap-10f);
  p = vfma(p, f, vset(0x1.3ced92p-7f));
  p = vfma(p, f, vset(0x1.c6ae68p-5f));
  p = vfma(p, f, vset(0x1.ebf9b2p-3f));
  p = vfma(p, f, vset(0x1.62e432p-1f));
  return vfma(p, f, vset(1.0f));
}

/// To 8e-5, a twentieth of what rounding to bf16 may change.
MMK_INLINE Vec vexp2SmallCoarse(Vec f) {
  Vec p = vset(0x1.c3f70ap-5f);
  p = vfma(p, f, vset(0x1.f0de1cp-3f));
  p = vfma(p, f, vset(0x1.62f31cp-1f));
  return vfma(p, f, vset(0x1.fff692p-1f));
}

/// 2^t for t <= 0, with 2^f of the fraction; t under -126.5 (and -inf) gives
/// zero, NaN stays NaN.
template <typename Small>
MMK_INLINE Vec vexp2NonPositive(Vec t, const Small &small) {
  // Adding `magic` rounds t to an integer n and leaves n + 127 in the low bits,
  // which the shift makes the exponent field of 2^n; -127 makes it zero.
  const Vec magic = vset(12582912.0f + 127.0f);
  t = vmax(vset(-127.0f), t);
  Vec z = vadd(t, magic);
  Vec f = vsub(t, vsub(z, magic));
  return vmul(small(f), vexponent(z));
}

MMK_INLINE Vec vexp2NonPositive(Vec t) {
  return vexp2NonPositive(t, [](Vec f) { return vexp2Small(f); });
}

/// Copies n floats; neither side is touched beyond them.
MMK_INLINE void copyRun(float *to, const float *from, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    vstore(to + i, vload(from + i));
  if (i < n)
    vstorePart(to + i, vloadPart(from + i, n - i), n - i);
}

MMK_INLINE void zeroRun(float *to, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    vstore(to + i, vzero());
  if (i < n)
    vstorePart(to + i, vzero(), n - i);
}

MMK_INLINE int64_t minOf(int64_t a, int64_t b) { return a < b ? a : b; }
MMK_INLINE int64_t maxOf(int64_t a, int64_t b) { return a > b ? a : b; }
MMK_INLINE int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
MMK_INLINE int64_t roundUp(int64_t a, int64_t b) { return ceilDiv(a, b) * b; }

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_SIMD_H
