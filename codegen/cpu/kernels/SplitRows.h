//===- SplitRows.h - Rows of f16 times weights of it ------------*- C++ -*-===//
//
// Tiles multiply bf16, whose 8 bits an f16 has 11 of. So each number is split
// into two bf16 that add up to it exactly, and of the four products of parts
// the three largest are made:
//
//     x = x.high + x.low        |x.low| <= 2^-8 |x|
//     x w = x.high w.high + x.low w.high + x.high w.low (+ x.low w.low)
//
// (G. Henry, P. T. P. Tang, A. Heinecke, 2019, arXiv 1904.06376). What is left
// out is below 2^-16 of the product, f16 itself rounds to 2^-11. That is three
// times the work of bf16, and a fraction of what f32 takes.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_SPLITROWS_H
#define MMCC_CODEGEN_CPU_KERNELS_SPLITROWS_H

#include "codegen/cpu/kernels/RoundedRows.h"

#if defined(__AMX_BF16__)

namespace mmcc::cpu {

/// 16 numbers, and their high parts in 16 bits and as they are. Of infinity the
/// low part is NaN.
struct SplitNumbers {
  __m256i high;
  IVec upper, lower; // in 32 bits, of which half are 0
  MMK_INLINE explicit SplitNumbers(__m256i halves) {
    const Vec x = _mm512_cvtph_ps(halves);
    high = (__m256i)_mm512_cvtneps_pbh(x);
    upper = ishl32<16>(_mm512_cvtepu16_epi32(high));
    lower = (IVec)vsub(x, iasFloat(upper)); // exact
  }
};

/// `depth` numbers as two rows of bf16, and zeros up to `padded`, a multiple of
/// 16.
MMK_INLINE void splitRow(const uint16_t *from, int64_t depth, int64_t padded,
                         uint16_t *high, uint16_t *low) {
  for (int64_t k = 0; k < padded; k += kLanes) {
    const auto there = firstLanes(minOf(maxOf(depth - k, 0), kLanes));
    const SplitNumbers x(_mm256_maskz_loadu_epi16(there, from + k));
    _mm256_storeu_si256((__m256i *)(high + k), x.high);
    _mm256_storeu_si256((__m256i *)(low + k),
                        (__m256i)_mm512_cvtneps_pbh((Vec)x.lower));
  }
}

/// A panel [depth][16] as lines of pairs (RoundedTile.h), likewise.
MMK_INLINE void splitPanel(const uint16_t *panel, int64_t depth, int64_t padded,
                           uint16_t *high, uint16_t *low) {
  auto row = [&](int64_t k) {
    return _mm256_loadu_si256((const __m256i *)(panel + k * kPanel));
  };
  auto store = [](uint16_t *to, IVec first, IVec second) {
    _mm512_storeu_si512(to,
                        _mm512_or_si512(_mm512_srli_epi32(first, 16), second));
  };
  int64_t k = 0;
  for (; k + 2 <= depth; k += 2) {
    const SplitNumbers first(row(k)), second(row(k + 1));
    store(high + k * kPanel, first.upper, second.upper);
    store(low + k * kPanel, first.lower, second.lower);
  }
  if (k < depth) {
    const SplitNumbers last(row(k));
    store(high + k * kPanel, last.upper, izero());
    store(low + k * kPanel, last.lower, izero());
    k += 2;
  }
  for (; k < padded; k += 2) {
    _mm512_storeu_si512(high + k * kPanel, izero());
    _mm512_storeu_si512(low + k * kPanel, izero());
  }
}

/// Rows and columns in both parts: the low one of A is lowRows bytes behind the
/// high one, that of B lowColumns.
struct SplitOperands {
  const char *a;
  int64_t aRow, lowRows; // bytes
  const uint8_t *b[2];
  int64_t lowColumns, chunks;
};

/// As multiplyBlock of AmxTiles.h, c being set. The tiles of A take turns:
/// while one is multiplied the other is loaded.
template <bool SecondRows, bool SecondCols>
MMK_INLINE void splitBlock(const SplitOperands &o, float *c) {
  constexpr int64_t cRow = kPostCols * 4;
  char *to = reinterpret_cast<char *>(c);
  beginBlock<SecondRows, SecondCols>(false, to, cRow);
  for (int64_t i = 0; i < o.chunks; ++i) {
    const char *a = o.a + i * kTileBytes;
    const int64_t line = i * kTileRows * kTileBytes;
    auto loadColumns = [&](int64_t part) {
      _tile_loadd(6, o.b[0] + line + part, kTileBytes);
      if constexpr (SecondCols)
        _tile_loadd(7, o.b[1] + line + part, kTileBytes);
    };
    auto meetRows = [&](int64_t part) {
      _tile_loadd(4, a + part, o.aRow);
      multiplyTiles<TileType::bf16, 0, 4, 6>();
      if constexpr (SecondCols)
        multiplyTiles<TileType::bf16, 1, 4, 7>();
      if constexpr (SecondRows) {
        _tile_loadd(5, a + part + kTileRows * o.aRow, o.aRow);
        multiplyTiles<TileType::bf16, 2, 5, 6>();
        if constexpr (SecondCols)
          multiplyTiles<TileType::bf16, 3, 5, 7>();
      }
    };
    loadColumns(o.lowColumns);
    meetRows(0);
    loadColumns(0);
    meetRows(0);
    meetRows(o.lowRows);
  }
  storeBlock<SecondRows, SecondCols>(to, cRow);
}

/// The least rows for which splitting weights is worth it.
constexpr int64_t kSplitLeastRows = 16;

/// All rows pass over 32 columns, and these fill a block of results. Scratch:
/// gemmSplitScratchBytes.
inline void multiplySplit(const MicroCall *call, const RoundedCell &cell) {
  constexpr int64_t step = kTileBytes / 2;
  const int64_t outer[1] = {call->z};
  const int64_t padded = roundUp(cell.depth, step);
  const int64_t aRow = roundedStride(padded), panelSize = padded * kPanel;
  auto *out = static_cast<float *>(call->args->scratch);
  auto *columns = reinterpret_cast<uint16_t *>(out + kAmxRows * kPostCols);
  uint16_t *rows = columns + 2 * kAmxCols * padded;
  // Both parts of a row lie side by side.
  for (int64_t r = 0; r < cell.rows; ++r)
    splitRow(cell.a + r * cell.aRow, cell.depth, padded, rows + 2 * r * aRow,
             rows + (2 * r + 1) * aRow);
  SplitOperands o;
  o.aRow = 2 * aRow * 2;
  o.lowRows = aRow * 2;
  o.lowColumns = 2 * panelSize * 2;
  for (int64_t i = 0; i < 2; ++i)
    o.b[i] = reinterpret_cast<const uint8_t *>(columns + i * panelSize);
  o.chunks = padded / step;
  int64_t shaped = 0;
  for (int64_t n = cell.n0; n < cell.n1; n += kAmxCols) {
    const int64_t cols = minOf(kAmxCols, cell.n1 - n);
    const int64_t panels = ceilDiv(cols, kPanel);
    for (int64_t i = 0; i < panels; ++i)
      splitPanel(cell.w + (n / kPanel + i) * cell.depth * kPanel, cell.depth,
                 padded, columns + i * panelSize,
                 columns + (2 + i) * panelSize);
    for (int64_t r0 = 0; r0 < cell.rows; r0 += kAmxRows) {
      const int64_t mr = minOf(kAmxRows, cell.rows - r0);
      if (mr != shaped)
        shapeTiles(shaped = mr, kTileBytes);
      o.a = reinterpret_cast<const char *>(rows + 2 * r0 * aRow);
      if (mr > kTileRows)
        panels > 1 ? splitBlock<true, true>(o, out)
                   : splitBlock<true, false>(o, out);
      else
        panels > 1 ? splitBlock<false, true>(o, out)
                   : splitBlock<false, false>(o, out);
      call->post(call->args, outer, cell.m0 + r0, n, mr, cols, out, kPostCols);
    }
  }
  releaseTiles();
}

} // namespace mmcc::cpu

#endif
#endif // MMCC_CODEGEN_CPU_KERNELS_SPLITROWS_H
