//===- Stored.h - Element types that keys and values are kept in -*- C++
//-*-===//
//
// A Stored type says how elements become f32 in a register. Types that are
// `scaled` have an f32 scale for each token of each head, and x = element *
// scale. An f8 element (e4m3: sign, four bits of exponent, three of mantissa,
// no infinity) is read as the f16 with the same exponent field, which is 1/256
// of it; the factor is in the scale.
//
// loadPart touches the first n elements in the result only, but may read as far
// as load does.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_STORED_H
#define MMCC_CODEGEN_CPU_KERNELS_STORED_H

#include "codegen/cpu/kernels/Simd.h"

namespace mmcc::cpu {

struct StoredF32 {
  using Element = float;
  static constexpr bool scaled = false;
  MMK_INLINE static Vec load(const Element *p) { return vload(p); }
  MMK_INLINE static Vec loadPart(const Element *p, int64_t n) {
    return vloadPart(p, n);
  }
};

/// loadPart by way of load.
template <typename Stored, typename ElementType> struct WholeLoads {
  using Element = ElementType;
  MMK_INLINE static Vec loadPart(const Element *p, int64_t n) {
    return vkeepPart(Stored::load(p), vzero(), n);
  }
};

struct StoredF16 : WholeLoads<StoredF16, uint16_t> {
  static constexpr bool scaled = false;
  MMK_INLINE static Vec load(const uint16_t *p) {
#if defined(__AVX512F__)
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
#else
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
#endif
  }
};

struct StoredI8 : WholeLoads<StoredI8, int8_t> {
  static constexpr bool scaled = true;
  MMK_INLINE static Vec load(const int8_t *p) {
#if defined(__AVX512F__)
    return _mm512_cvtepi32_ps(
        _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
#else
    return _mm256_cvtepi32_ps(
        _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
#endif
  }
};

struct StoredF8 : WholeLoads<StoredF8, uint8_t> {
  static constexpr bool scaled = true;
  MMK_INLINE static Vec load(const uint8_t *p) {
#if defined(__AVX512F__)
    __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p));
    __m256i magnitude = _mm256_and_si256(x, _mm256_set1_epi16(0x7f));
    __m256i sign = _mm256_and_si256(x, _mm256_set1_epi16(0x80));
    return _mm512_cvtph_ps(_mm256_or_si256(_mm256_slli_epi16(magnitude, 7),
                                           _mm256_slli_epi16(sign, 8)));
#else
    __m128i x = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)p));
    __m128i magnitude = _mm_and_si128(x, _mm_set1_epi16(0x7f));
    __m128i sign = _mm_and_si128(x, _mm_set1_epi16(0x80));
    return _mm256_cvtph_ps(
        _mm_or_si128(_mm_slli_epi16(magnitude, 7), _mm_slli_epi16(sign, 8)));
#endif
  }
};

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_STORED_H
