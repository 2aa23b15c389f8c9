//===- RoundedRows.h - Rows of bf16 times weights of it ---------*- C++ -*-===//
//
// Where an instruction multiplies bf16. Rows are read where they lie, unless
// they end within what is read at a time, or a register tile's would crowd a
// few sets of the first level cache.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_ROUNDEDROWS_H
#define MMCC_CODEGEN_CPU_KERNELS_ROUNDEDROWS_H

#include "codegen/cpu/kernels/RoundedTile.h"

#if defined(__AVX512BF16__)

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Tile.h"
#include "codegen/cpu/kernels/TileProduct.h"

namespace mmcc::cpu {

/// What a grid cell multiplies: rows of a from the cell's first, columns
/// [n0, n1). `w` are panels of pairs (RoundedTile.h).
struct RoundedCell {
  const uint16_t *a;
  int64_t aRow, m0, rows, n0, n1, depth;
  const uint16_t *w;

  int64_t panelSize() const { return roundUp(depth, 2) * kPanel; }

  /// Copies the rows, with zeros behind up to a multiple of `step` numbers.
  MMK_INLINE void copyRows(int64_t step, uint16_t *to) {
    const int64_t padded = roundUp(depth, step), row = roundedStride(padded);
    for (int64_t r = 0; r < rows; ++r) {
      const uint16_t *from = a + r * aRow;
      for (int64_t k = 0; k < padded; k += 32) {
        const auto there = uint32_t((uint64_t(1) << minOf(depth - k, 32)) - 1);
        const auto kept = uint32_t((uint64_t(1) << minOf(padded - k, 32)) - 1);
        _mm512_mask_storeu_epi16(to + r * row + k, kept,
                                 _mm512_maskz_loadu_epi16(there, from + k));
      }
    }
    a = to;
    aRow = row;
  }
};

#if defined(__AMX_BF16__)
inline void multiplyRoundedTiled(const MicroCall *call, RoundedCell cell) {
  constexpr int64_t step = kTileBytes / 2;
  const int64_t outer[1] = {call->z};
  const bool ragged = cell.depth % step;
  const int64_t padded = roundUp(cell.depth, step);
  const int64_t groupCols =
      ragged ? kAmxCols : tileGroup(padded * 2, cell.n1 - cell.n0);
  auto *sums = static_cast<int32_t *>(call->args->scratch);
  auto *pairs = reinterpret_cast<uint16_t *>(sums + kAmxRows * kPostCols);
  if (ragged)
    cell.copyRows(step, pairs + kAmxCols * padded);
  auto panels = [&](int64_t n, int64_t cols) {
    const uint16_t *group = cell.w + n / kPanel * cell.panelSize();
    const auto *ahead = reinterpret_cast<const char *>(
        group + groupCols / kPanel * cell.panelSize());
    const int64_t bytes = cell.panelSize() * 2;
    if (!ragged)
      return TilePanels{reinterpret_cast<const uint8_t *>(group), ahead, bytes};
    // Whole tiles, so that nothing is read behind a panel.
    for (int64_t c = 0; c < cols; c += kPanel) {
      uint16_t *to = pairs + c * padded;
      zeroRun(reinterpret_cast<float *>(to), kPanel * padded / 2);
      copyRun(reinterpret_cast<float *>(to),
              reinterpret_cast<const float *>(group) +
                  c / kPanel * cell.panelSize() / 2,
              cell.panelSize() / 2);
    }
    return TilePanels{reinterpret_cast<const uint8_t *>(pairs), ahead, bytes};
  };
  auto finish = [&](const TileBlock &block, int64_t first, int64_t count) {
    auto *tile = reinterpret_cast<float *>(block.sums) + first * kAmxCols;
    call->post(call->args, outer, cell.m0 + block.row + first, block.n, count,
               block.cols, tile, kAmxCols);
  };
  const int64_t bytes = padded * 2;
  multiplyCell<TileType::bf16>({reinterpret_cast<const char *>(cell.a),
                                cell.aRow * 2, cell.rows, cell.n0, cell.n1,
                                bytes, bytes, kTileBytes},
                               groupCols, sums, panels, finish);
}
#endif

/// Scratch: gemmRoundedScratchBytes.
inline void multiplyRounded(const MicroCall *call, RoundedCell cell) {
#if defined(__AMX_BF16__)
  if (cell.rows >=
      (cell.depth % (kTileBytes / 2) ? kAmxLeastForCopies : kAmxLeastRows))
    return multiplyRoundedTiled(call, cell);
#endif
  const int64_t outer[1] = {call->z};
  auto *out = static_cast<float *>(call->args->scratch);
  if (cell.depth % 2 || (cell.aRow % 1024 == 0 && cell.rows > 8))
    cell.copyRows(2,
                  reinterpret_cast<uint16_t *>(out + kScratchRows * kPostCols));
  RoundedTile tile;
  tile.depth = cell.depth;
  tile.aRow = cell.aRow;
  // Panels of a group stay in the second level cache while all rows pass.
  const int64_t panelBytes = maxOf(cell.panelSize(), 1) * 2;
  const int64_t group =
      minOf(maxOf((int64_t(192) << 10) / panelBytes, 1) * kPanel, kPostCols);
  const int64_t tiles = ceilDiv(cell.rows, kScratchRows);
  for (int64_t n = cell.n0; n < cell.n1; n += group) {
    const int64_t cols = minOf(group, cell.n1 - n);
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t r0 = tileBegin(cell.rows, tiles, t);
      const int64_t mr = tileBegin(cell.rows, tiles, t + 1) - r0;
      tile.a = cell.a + r0 * tile.aRow;
      for (int64_t c = 0; c < cols; c += kPanel) {
        tile.panel = cell.w + (n + c) / kPanel * cell.panelSize();
        runRounded(mr, tile, out + c, kPostCols);
      }
      call->post(call->args, outer, cell.m0 + r0, n, mr, cols, out, kPostCols);
    }
  }
}

} // namespace mmcc::cpu

#endif
#endif // MMCC_CODEGEN_CPU_KERNELS_ROUNDEDROWS_H
