//===- Stored.h - Element types that numbers are kept in --------*- C++ -*-===//
//
// A Stored type says how elements become f32 in a register: keys and values of
// a state, and weights. Types that are `scaled` have an f32 scale for each
// token of each head, or group of a column, and x = element * scale.
//
//     bf16    the upper half of an f32
//     f8e5m2  the upper half of an f16
//     f8e4m3  sign, four bits of exponent, three of mantissa, no infinity: read
//             as the f16 with the same exponent field, which is 1/256 of it.
//             The factor, kUnit, goes into the scale. (NaN reads as 480.)
//
// An f16 of any size, also one below its normal range, becomes an f32 exactly,
// whatever the mode says of denormal numbers.
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

struct StoredBF16 : WholeLoads<StoredBF16, uint16_t> {
  static constexpr bool scaled = false;
  MMK_INLINE static Vec load(const uint16_t *p) {
#if defined(__AVX512F__)
    __m512i x = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16));
#else
    __m256i x = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16));
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

/// The first lanes of `halves`, 16 f16, as a Vec: all with AVX-512.
MMK_INLINE Vec fromHalves(__m256i halves) {
#if defined(__AVX512F__)
  return _mm512_cvtph_ps(halves);
#else
  return _mm256_cvtph_ps(_mm256_castsi256_si128(halves));
#endif
}

/// As many bytes as a Vec has lanes; the rest is of no concern.
MMK_INLINE __m128i loadBytes(const uint8_t *p) {
#if defined(__AVX512F__)
  return _mm_loadu_si128((const __m128i *)p);
#else
  return _mm_loadl_epi64((const __m128i *)p);
#endif
}

struct StoredF8 : WholeLoads<StoredF8, uint8_t> {
  static constexpr bool scaled = true;
  static constexpr float kUnit = 256.0f;
  /// 16 elements as f16. The sign, which fills the upper byte, stays in the
  /// first bit only.
  MMK_INLINE static __m256i halves(__m128i bytes) {
    return _mm256_and_si256(_mm256_slli_epi16(_mm256_cvtepi8_epi16(bytes), 7),
                            _mm256_set1_epi16(int16_t(0xbf80)));
  }
  MMK_INLINE static Vec load(const uint8_t *p) {
    return fromHalves(halves(loadBytes(p)));
  }
  /// NaN stays NaN, too: numbers of a call may be.
  MMK_INLINE static Vec loadAny(const uint8_t *p) {
    const __m256i h = halves(loadBytes(p));
    const __m256i isNaN =
        _mm256_cmpeq_epi16(_mm256_and_si256(h, _mm256_set1_epi16(0x7fff)),
                           _mm256_set1_epi16(0x7f << 7));
    return fromHalves(
        _mm256_or_si256(h, _mm256_and_si256(isNaN, _mm256_set1_epi16(0x7c00))));
  }
};

struct StoredF8E5M2 : WholeLoads<StoredF8E5M2, uint8_t> {
  static constexpr bool scaled = true;
  static constexpr float kUnit = 1.0f;
  MMK_INLINE static __m256i halves(__m128i bytes) {
    return _mm256_slli_epi16(_mm256_cvtepu8_epi16(bytes), 8);
  }
  MMK_INLINE static Vec load(const uint8_t *p) {
    return fromHalves(halves(loadBytes(p)));
  }
};

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_STORED_H
