//===- RoundedRows.h - Rows rounded to bf16 times weights of it -*- C++ -*-===//
//
// The rows of a cell are rounded once, and meet all its panels.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_ROUNDEDROWS_H
#define MMCC_CODEGEN_CPU_KERNELS_ROUNDEDROWS_H

#include "codegen/cpu/kernels/RoundedTile.h"

#if defined(__AVX512BF16__)

#include "codegen/cpu/kernels/AmxTiles.h"
#include "codegen/cpu/kernels/WidenedPanels.h"

namespace mmcc::cpu {

#if defined(__AMX_BF16__)
/// A panel as rows of tiles, zeros behind its depth.
inline void pairPanel(const uint16_t *row, int64_t depth, int64_t padded,
                      uint16_t *to) {
  for (int64_t k = 0; k < padded; k += 2, row += 2 * kPanel, to += 2 * kPanel) {
    const __mmask16 there = k + 1 < depth ? 0xffff : k < depth ? 0x00ff : 0;
    _mm512_storeu_si512(to,
                        (IVec)pairsOf(_mm512_maskz_loadu_epi32(there, row)));
  }
}

/// Two panels at a time meet all rows of the cell.
inline void multiplyRoundedTiled(const MicroCall *call, const NarrowCell &cell,
                                 const uint16_t *w) {
  const int64_t outer[1] = {call->z};
  const int64_t padded = roundUp(cell.depth, kTileBytes / 2);
  const int64_t row = roundedStride(padded);
  auto *block = static_cast<float *>(call->args->scratch);
  float *out = block + kAmxRows * kAmxCols;
  auto *pairs = reinterpret_cast<uint16_t *>(out + cell.rows * kAmxCols);
  uint16_t *rounded = pairs + 2 * kPanel * padded;
  for (int64_t r = 0; r < cell.rows; ++r)
    roundRow(cell.a + r * cell.aRow, cell.depth, rounded + r * row, padded);
  TileOperands o;
  o.aRow = row * 2;
  o.chunk = kTileBytes;
  o.chunks = padded * 2 / kTileBytes;
  int64_t shaped = 0;
  for (int64_t n = cell.n0; n < cell.n1; n += kAmxCols) {
    const int64_t cols = minOf(kAmxCols, cell.n1 - n);
    const int64_t panels = ceilDiv(cols, kPanel);
    for (int64_t i = 0; i < panels; ++i) {
      uint16_t *to = pairs + i * kPanel * padded;
      pairPanel(w + (n / kPanel + i) * cell.depth * kPanel, cell.depth, padded,
                to);
      o.b[i] = reinterpret_cast<const uint8_t *>(to);
    }
    for (int64_t r0 = 0; r0 < cell.rows; r0 += kAmxRows) {
      const int64_t rows = minOf(kAmxRows, cell.rows - r0);
      if (rows != shaped)
        shapeTiles(shaped = rows, o.chunk);
      o.a = rounded + r0 * row;
      multiplyBlock<TileType::bf16>(rows, panels, o, out + r0 * kAmxCols);
    }
    call->post(call->args, outer, cell.m0, n, cell.rows, cols, out, kAmxCols);
  }
  releaseTiles();
}
#endif

/// Scratch: gemmRoundedScratchBytes.
inline void multiplyRounded(const MicroCall *call, const NarrowCell &cell,
                            const uint16_t *w) {
#if defined(__AMX_BF16__)
  if (cell.rows >= kAmxLeastRows)
    return multiplyRoundedTiled(call, cell, w);
#endif
  const int64_t outer[1] = {call->z};
  auto *out = static_cast<float *>(call->args->scratch);
  auto *rounded = reinterpret_cast<uint16_t *>(out + kScratchRows * kPostCols);
  RoundedTile tile;
  tile.depth = cell.depth;
  tile.aRow = roundedStride(cell.depth);
  for (int64_t r = 0; r < cell.rows; ++r)
    roundRow(cell.a + r * cell.aRow, cell.depth, rounded + r * tile.aRow,
             roundUp(cell.depth, 2));
  // Panels of a group stay in the second level cache while all rows pass.
  const int64_t panelBytes = maxOf(cell.depth, 1) * kPanel * 2;
  const int64_t group =
      minOf(maxOf((int64_t(192) << 10) / panelBytes, 1) * kPanel, kPostCols);
  const int64_t tiles = ceilDiv(cell.rows, kScratchRows);
  for (int64_t n = cell.n0; n < cell.n1; n += group) {
    const int64_t cols = minOf(group, cell.n1 - n);
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t r0 = tileBegin(cell.rows, tiles, t);
      const int64_t mr = tileBegin(cell.rows, tiles, t + 1) - r0;
      tile.a = rounded + r0 * tile.aRow;
      for (int64_t c = 0; c < cols; c += kPanel) {
        tile.panel = w + (n + c) / kPanel * cell.depth * kPanel;
        runRounded(mr, tile, out + c, kPostCols);
      }
      call->post(call->args, outer, cell.m0 + r0, n, mr, cols, out, kPostCols);
    }
  }
}

} // namespace mmcc::cpu

#endif
#endif // MMCC_CODEGEN_CPU_KERNELS_ROUNDEDROWS_H
