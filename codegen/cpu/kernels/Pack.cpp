//===- Pack.cpp - Panels made at run time ---------------------------------===//

#include "codegen/cpu/kernels/Pack.h"

using namespace mmcc::cpu;

namespace {

#if defined(__AVX512F__)
constexpr int kSquare = 16;

/// Transposes 16 rows in registers: pairs, quads, then 128-bit blocks.
MMK_INLINE void transpose(Vec *r) {
  Vec a[16], b[16];
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    a[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i += 4) {
    b[i] = _mm512_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm512_shuffle_ps(a[i], a[i + 2], 0xee);
    b[i + 2] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0xee);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; ++i) {
    Vec even01 = _mm512_shuffle_f32x4(b[i], b[i + 4], 0x88);
    Vec odd01 = _mm512_shuffle_f32x4(b[i], b[i + 4], 0xdd);
    Vec even23 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0x88);
    Vec odd23 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0xdd);
    r[i] = _mm512_shuffle_f32x4(even01, even23, 0x88);
    r[i + 8] = _mm512_shuffle_f32x4(even01, even23, 0xdd);
    r[i + 4] = _mm512_shuffle_f32x4(odd01, odd23, 0x88);
    r[i + 12] = _mm512_shuffle_f32x4(odd01, odd23, 0xdd);
  }
}
#else
constexpr int kSquare = 8;

MMK_INLINE void transpose(Vec *r) {
  Vec a[8], b[8];
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    a[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
    b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
  }
}
#endif

/// Columns c0 .. c0 + kSquare of a panel whose columns are contiguous in k.
MMK_INLINE void packSquares(float *to, const float *from, int64_t cStride,
                            int64_t depth, int64_t cols) {
  for (int64_t k = 0; k < depth; k += kSquare) {
    int64_t n = minOf(kSquare, depth - k);
    Vec r[kSquare];
    if (n == kSquare && cols >= kSquare) {
#pragma clang loop unroll(full)
      for (int c = 0; c < kSquare; ++c)
        r[c] = vload(from + c * cStride + k);
    } else {
#pragma clang loop unroll(full)
      for (int c = 0; c < kSquare; ++c)
        r[c] = c < cols ? vloadPart(from + c * cStride + k, n) : vzero();
    }
    transpose(r);
    if (n == kSquare) {
#pragma clang loop unroll(full)
      for (int i = 0; i < kSquare; ++i)
        vstore(to + (k + i) * kPanel, r[i]);
    } else {
#pragma clang loop unroll(full)
      for (int i = 0; i < kSquare; ++i)
        if (i < n)
          vstore(to + (k + i) * kPanel, r[i]);
    }
  }
}

} // namespace

namespace mmcc::cpu {

MMK_NOINLINE void packPanel(float *to, const float *from, int64_t kStride,
                            int64_t cStride, int64_t depth, int64_t cols) {
  if (cStride == 1) {
    for (int64_t k = 0; k < depth; ++k, to += kPanel, from += kStride) {
      for (int c = 0; c < kPanel; c += kLanes) {
        int64_t n = cols - c;
        Vec v = n >= kLanes ? vload(from + c)
                : n > 0     ? vloadPart(from + c, n)
                            : vzero();
        vstore(to + c, v);
      }
    }
    return;
  }
  if (kStride == 1) {
    for (int64_t c = 0; c < kPanel; c += kSquare)
      packSquares(to + c, from + c * cStride, cStride, depth, cols - c);
    return;
  }
#pragma clang loop unroll(disable)
  for (int64_t k = 0; k < depth; ++k)
#pragma clang loop unroll(disable)
    for (int64_t c = 0; c < kPanel; ++c)
      to[k * kPanel + c] = c < cols ? from[k * kStride + c * cStride] : 0.0f;
}

} // namespace mmcc::cpu
