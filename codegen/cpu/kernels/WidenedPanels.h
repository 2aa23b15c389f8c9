//===- WidenedPanels.h - Many rows times narrow weights ---------*- C++ -*-===//
//
// Many rows are bound by arithmetic: a group of panels is widened to f32, as
// many as the second level cache holds, once for all rows of the cell, and the
// f32 tiles run over it as gemm_f32's do. A deep product goes by chunks of K,
// so that groups stay broad, and the rows of a tile in the first level cache.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_WIDENEDPANELS_H
#define MMCC_CODEGEN_CPU_KERNELS_WIDENEDPANELS_H

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Tile.h"

namespace mmcc::cpu {

/// Adds what a chunk of K gave to the sums of the chunks before it.
MMK_INLINE void addTile(float *sums, const float *tile, int64_t rows) {
  for (int64_t i = 0; i < rows * kPostCols; i += kLanes)
    vstore(sums + i, vadd(vload(sums + i), vload(tile + i)));
}

/// Rows of f32, multiplied where they lie.
struct RowsInPlace {
  const float *a;
  int64_t aRow;

  static constexpr int64_t kBytes = 4;
  const float *at(int64_t r, int64_t k) const { return a + r * aRow + k; }

  /// Addresses of elements [k0, k0 + chunk) of rows [r0, r0 + mr).
  MMK_INLINE void take(int64_t r0, int64_t mr, int64_t k0, int64_t,
                       const float **pointers) const {
    for (int64_t r = 0; r < mr; ++r)
      pointers[r] = at(r0 + r, k0);
  }
  /// How far apart these are.
  int64_t stride(int64_t) const { return aRow; }
};

/// What a grid cell multiplies: its first row and their number, columns
/// [n0, n1).
struct NarrowCell {
  int64_t m0, rows, n0, n1, depth;
};

/// Rows of K that are widened at a time: equal parts, whole lines of any form.
MMK_INLINE int64_t widenedChunk(int64_t depth) {
  return roundUp(ceilDiv(depth, maxOf(ceilDiv(depth, kWidenedDepth), 1)), 32);
}

/// `rows`: as RowsInPlace. `weights` gives of its panels
///
///     widen(panel, k0, chunk, to)   rows [k0, k0 + chunk) as f32 [chunk][16]
///     at(panel, k)                  the address of row k
///     kRowBytes                     of a row of 16
///
/// Scratch: gemmNarrowScratchBytes.
template <typename Rows, typename Weights>
MMK_INLINE void multiplyWidened(const MicroCall *call, const NarrowCell &cell,
                                const Rows &rows, const Weights &weights) {
  const int64_t outer[1] = {call->z};
  auto *tile = static_cast<float *>(call->args->scratch);
  float *widened = tile + kScratchRows * kPostCols;
  float *sums = widened + kGroupRows * kPanel;
  const int64_t most = widenedChunk(cell.depth);
  const int64_t tiles = rowTiles(cell.rows, rows.stride(most));
  const int64_t groupCols = panelsPerGroup(most) * kPanel;
  for (int64_t n = cell.n0; n < cell.n1; n += groupCols) {
    const int64_t cols = minOf(groupCols, cell.n1 - n);
    const int64_t panels = ceilDiv(cols, kPanel), first = n / kPanel;
    int64_t k0 = 0;
    do {
      const int64_t k1 = minOf(k0 + most, cell.depth), chunk = k1 - k0;
      const bool last = k1 == cell.depth;
      for (int64_t i = 0; i < panels; ++i)
        weights.widen(first + i, k0, chunk, widened + i * chunk * kPanel);
      const NextPanels next = {last ? weights.at(first + panels, 0)
                                    : weights.at(first, k1),
                               Weights::kRowBytes};
      for (int64_t t = 0; t < tiles; ++t) {
        const int64_t r0 = tileBegin(cell.rows, tiles, t);
        const int64_t mr = tileBegin(cell.rows, tiles, t + 1) - r0;
        const float *pointers[kMaxRows];
        rows.take(r0, mr, k0, chunk, pointers);
        float *sumsHere = sums + r0 * kPostCols;
        float *to = k0 || last ? tile : sumsHere;
        runPanels(mr, panels, pointers, 1, chunk, widened, to, next, t, tiles,
                  reinterpret_cast<const float *>(rows.at(r0 + mr, k0)),
                  mr * chunk * Rows::kBytes / 4);
        if (k0)
          addTile(sumsHere, tile, mr);
        if (last)
          call->post(call->args, outer, cell.m0 + r0, n, mr, cols,
                     k0 ? sumsHere : tile, kPostCols);
      }
      k0 = k1;
    } while (k0 < cell.depth);
  }
}

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_WIDENEDPANELS_H
