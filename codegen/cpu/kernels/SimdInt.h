//===- SimdInt.h - One vector of integers at the level compiled -*- C++ -*-===//
//
// As Simd.h for floats: an IVec is one register, seen as lanes of 32, 16 or 8
// bits. A panel of 16 columns is kPanelVecs vectors of 32-bit lanes.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_SIMDINT_H
#define MMCC_CODEGEN_CPU_KERNELS_SIMDINT_H

#include "codegen/cpu/kernels/Simd.h"

namespace mmcc::cpu {

constexpr int kPanelVecs = kPanel / kLanes;

#if defined(__AVX512F__)

using IVec = __m512i;

MMK_INLINE IVec izero() { return _mm512_setzero_si512(); }
MMK_INLINE IVec iset32(int32_t x) { return _mm512_set1_epi32(x); }
MMK_INLINE IVec iset16(int16_t x) { return _mm512_set1_epi16(x); }
MMK_INLINE IVec iload(const void *p) { return _mm512_loadu_si512(p); }
/// The four bytes at p, in every 32-bit lane.
MMK_INLINE IVec iquad(const void *p) {
  int32_t bits;
  __builtin_memcpy(&bits, p, 4);
  return _mm512_set1_epi32(bits);
}
/// The eight bytes at p, in every 64-bit lane.
MMK_INLINE IVec ioctet(const void *p) {
  int64_t bits;
  __builtin_memcpy(&bits, p, 8);
  return _mm512_set1_epi64(bits);
}
/// Signed bytes as 16-bit lanes.
MMK_INLINE IVec iwiden8(const void *p) {
  return _mm512_cvtepi8_epi16(
      _mm256_loadu_si256(static_cast<const __m256i *>(p)));
}
MMK_INLINE IVec iand(IVec a, IVec b) { return _mm512_and_si512(a, b); }
MMK_INLINE IVec ixor(IVec a, IVec b) { return _mm512_xor_si512(a, b); }
MMK_INLINE IVec iadd32(IVec a, IVec b) { return _mm512_add_epi32(a, b); }
MMK_INLINE IVec isub32(IVec a, IVec b) { return _mm512_sub_epi32(a, b); }
MMK_INLINE IVec iadd16(IVec a, IVec b) { return _mm512_add_epi16(a, b); }
template <int Bits> MMK_INLINE IVec ishr32(IVec a) {
  return _mm512_srli_epi32(a, Bits);
}
template <int Bits> MMK_INLINE IVec ishl32(IVec a) {
  return _mm512_slli_epi32(a, Bits);
}
template <int Bits> MMK_INLINE IVec ishr16(IVec a) {
  return _mm512_srli_epi16(a, Bits);
}
MMK_INLINE Vec iasFloat(IVec a) { return _mm512_castsi512_ps(a); }
/// 16-bit sums of two products of bytes, of a unsigned and b signed.
MMK_INLINE IVec imaddBytes(IVec a, IVec b) {
  return _mm512_maddubs_epi16(a, b);
}
/// 32-bit sums of two products of 16-bit lanes.
MMK_INLINE IVec imadd16(IVec a, IVec b) { return _mm512_madd_epi16(a, b); }
MMK_INLINE Vec itoFloat(IVec a) { return _mm512_cvtepi32_ps(a); }
/// Sums of neighbouring 32-bit lanes, of a and then of b.
MMK_INLINE IVec ijoin(IVec a, IVec b) {
  const IVec even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22,
                                      24, 26, 28, 30);
  const IVec odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  return _mm512_add_epi32(_mm512_permutex2var_epi32(a, even, b),
                          _mm512_permutex2var_epi32(a, odd, b));
}
MMK_INLINE int32_t isum32(IVec a) { return _mm512_reduce_add_epi32(a); }
#if defined(__AVX512VNNI__)
#define MMK_DOT(sum, a, b) _mm512_dpbusd_epi32(sum, a, b)
#endif

#else

using IVec = __m256i;

MMK_INLINE IVec izero() { return _mm256_setzero_si256(); }
MMK_INLINE IVec iset32(int32_t x) { return _mm256_set1_epi32(x); }
MMK_INLINE IVec iset16(int16_t x) { return _mm256_set1_epi16(x); }
MMK_INLINE IVec iload(const void *p) {
  return _mm256_loadu_si256(static_cast<const __m256i *>(p));
}
/// The four bytes at p, in every 32-bit lane.
MMK_INLINE IVec iquad(const void *p) {
  int32_t bits;
  __builtin_memcpy(&bits, p, 4);
  return _mm256_set1_epi32(bits);
}
/// The eight bytes at p, in every 64-bit lane.
MMK_INLINE IVec ioctet(const void *p) {
  int64_t bits;
  __builtin_memcpy(&bits, p, 8);
  return _mm256_set1_epi64x(bits);
}
/// Signed bytes as 16-bit lanes.
MMK_INLINE IVec iwiden8(const void *p) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(static_cast<const __m128i *>(p)));
}
MMK_INLINE IVec iand(IVec a, IVec b) { return _mm256_and_si256(a, b); }
MMK_INLINE IVec ixor(IVec a, IVec b) { return _mm256_xor_si256(a, b); }
MMK_INLINE IVec iadd32(IVec a, IVec b) { return _mm256_add_epi32(a, b); }
MMK_INLINE IVec isub32(IVec a, IVec b) { return _mm256_sub_epi32(a, b); }
MMK_INLINE IVec iadd16(IVec a, IVec b) { return _mm256_add_epi16(a, b); }
template <int Bits> MMK_INLINE IVec ishr32(IVec a) {
  return _mm256_srli_epi32(a, Bits);
}
template <int Bits> MMK_INLINE IVec ishl32(IVec a) {
  return _mm256_slli_epi32(a, Bits);
}
template <int Bits> MMK_INLINE IVec ishr16(IVec a) {
  return _mm256_srli_epi16(a, Bits);
}
MMK_INLINE Vec iasFloat(IVec a) { return _mm256_castsi256_ps(a); }
/// 16-bit sums of two products of bytes, of a unsigned and b signed.
MMK_INLINE IVec imaddBytes(IVec a, IVec b) {
  return _mm256_maddubs_epi16(a, b);
}
/// 32-bit sums of two products of 16-bit lanes.
MMK_INLINE IVec imadd16(IVec a, IVec b) { return _mm256_madd_epi16(a, b); }
MMK_INLINE Vec itoFloat(IVec a) { return _mm256_cvtepi32_ps(a); }
/// Sums of neighbouring 32-bit lanes, of a and then of b.
MMK_INLINE IVec ijoin(IVec a, IVec b) {
  return _mm256_permute4x64_epi64(_mm256_hadd_epi32(a, b), 0xd8);
}
MMK_INLINE int32_t isum32(IVec a) {
  __m128i s =
      _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

#if defined(__AVXVNNI__)
#define MMK_DOT(sum, a, b) _mm256_dpbusd_avx_epi32(sum, a, b)
#endif

#endif

/// sum plus, in each 32-bit lane, four products of bytes, of a unsigned and b
/// signed. Where there is no instruction for it the first two of a lane, and
/// the others, must add up to what 16 bits hold.
#if defined(MMK_DOT)
constexpr bool kHasDot = true;
MMK_INLINE IVec idot(IVec sum, IVec a, IVec b) { return MMK_DOT(sum, a, b); }
#undef MMK_DOT
#else
constexpr bool kHasDot = false;
MMK_INLINE IVec idot(IVec sum, IVec a, IVec b) {
  return iadd32(sum, imadd16(imaddBytes(a, b), iset16(1)));
}
#endif

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_SIMDINT_H
