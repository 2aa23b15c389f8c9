//===- RoundedTile.h - The register tile of bf16 ----------------*- C++ -*-===//
//
// A lane of a dot product takes two numbers of a row of a and of a column of b,
// whose products and sum are of f32. Panels of b have two rows of K side by
// side in a line of 64 bytes, which is a row of an AMX tile, too:
//
//     c0: k+0 k+1 | c1: k+0 k+1 | .. | c15: k+0 k+1
//
// The instruction takes numbers below the normal range for zero, in a, b and
// the sums.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_ROUNDEDTILE_H
#define MMCC_CODEGEN_CPU_KERNELS_ROUNDEDTILE_H

#include "codegen/cpu/kernels/Scratch.h"
#include "codegen/cpu/kernels/SimdInt.h"

#if defined(__AVX512BF16__)

namespace mmcc::cpu {

/// The row stride of `depth` numbers of bf16 in scratch: even, and not such
/// that a tile's rows crowd a few sets of the first level cache.
MMK_INLINE int64_t roundedStride(int64_t depth) {
  const int64_t row = roundUp(depth, 2);
  return row % 512 == 0 ? row + 32 : row;
}

/// n floats as bf16, and zeros up to `padded`.
MMK_INLINE void roundRow(const float *from, int64_t n, uint16_t *to,
                         int64_t padded) {
  auto round = [](Vec v) { return (__m256i)_mm512_cvtneps_pbh(v); };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    _mm256_storeu_si256((__m256i *)(to + i), round(vload(from + i)));
  for (; i < padded; i += kLanes)
    _mm256_mask_storeu_epi16(to + i, firstLanes(minOf(padded - i, kLanes)),
                             round(vloadPart(from + i, maxOf(n - i, 0))));
}

/// Two rows of 16 floats, the second if it is there, as a line of pairs.
MMK_INLINE void storePairs(uint16_t *to, const float *rows, bool second) {
  alignas(64) static constexpr uint16_t order[32] = {
      0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const Vec after = second ? vload(rows + kPanel) : vzero();
  const IVec both = (IVec)_mm512_cvtne2ps_pbh(after, vload(rows));
  _mm512_storeu_si512(to,
                      _mm512_permutexvar_epi16(_mm512_load_si512(order), both));
}

/// A panel [depth][16] of floats as lines of pairs, zeros up to `padded`.
MMK_INLINE void pairFloats(const float *panel, int64_t depth, int64_t padded,
                           uint16_t *to) {
  int64_t k = 0;
  for (; k < depth; k += 2, panel += 2 * kPanel, to += 2 * kPanel)
    storePairs(to, panel, k + 1 < depth);
  for (; k < padded; k += 2, to += 2 * kPanel)
    _mm512_storeu_si512(to, izero());
}

/// Some rows of a, rounded, and a panel.
struct RoundedTile {
  const uint16_t *a; // [rows][aRow], aRow even
  int64_t aRow;
  const uint16_t *panel; // [ceil(depth/2)][16][2]
  int64_t depth;
};

template <int Rows>
MMK_INLINE void meetPair(const uint16_t *a, int64_t aRow, __m512bh w,
                         Vec (&sum)[Rows]) {
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
    sum[r] = _mm512_dpbf16_ps(sum[r], w, (__m512bh)iquad(a + r * aRow));
}

template <int Rows>
MMK_NOINLINE void roundedTile(const RoundedTile &t, float *out,
                              int64_t outRow) {
  constexpr int Unroll = 4, Split = Rows == 1 ? 4 : Rows <= 3 ? 2 : 1;
  Vec sum[Split][Rows];
#pragma clang loop unroll(full)
  for (int s = 0; s < Split; ++s)
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r)
      sum[s][r] = vzero();
  const uint16_t *a = t.a, *row = t.panel;
  int64_t k = 0;
  for (; k + 2 * Unroll <= t.depth; k += 2 * Unroll)
#pragma clang loop unroll(full)
    for (int u = 0; u < Unroll; ++u, a += 2, row += 2 * kPanel) {
      _mm_prefetch((const char *)row + 2048, _MM_HINT_T0);
      meetPair<Rows>(a, t.aRow, (__m512bh)iload(row), sum[u % Split]);
    }
#pragma clang loop unroll(disable)
  for (; k < t.depth; k += 2, a += 2, row += 2 * kPanel)
    meetPair<Rows>(a, t.aRow, (__m512bh)iload(row), sum[0]);
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r) {
#pragma clang loop unroll(full)
    for (int s = 1; s < Split; ++s)
      sum[0][r] = vadd(sum[0][r], sum[s][r]);
    vstore(out + r * outRow, sum[0][r]);
  }
}

/// out [rows, 16], row stride outRow, of at most 14 rows.
template <int Rows = kScratchRows>
MMK_INLINE void runRounded(int64_t rows, const RoundedTile &t, float *out,
                           int64_t outRow) {
  if constexpr (Rows > 1)
    if (rows < Rows)
      return runRounded<Rows - 1>(rows, t, out, outRow);
  roundedTile<Rows>(t, out, outRow);
}

} // namespace mmcc::cpu

#endif
#endif // MMCC_CODEGEN_CPU_KERNELS_ROUNDEDTILE_H
