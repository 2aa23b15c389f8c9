//===- WidenedPanels.h - Many rows times narrow weights ---------*- C++ -*-===//
//
// Many rows are bound by arithmetic: two panels at a time are widened to f32 in
// chunks of K that the second level cache holds, once for all rows of the cell,
// and the f32 tile runs over them.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_WIDENEDPANELS_H
#define MMCC_CODEGEN_CPU_KERNELS_WIDENEDPANELS_H

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Tile.h"

namespace mmcc::cpu {

/// Adds what a chunk of K gave to the sums of the chunks before it.
MMK_INLINE void addTile(float *sums, const float *tile, int64_t rows) {
  for (int64_t i = 0; i < rows * kNarrowCols; i += kLanes)
    vstore(sums + i, vadd(vload(sums + i), vload(tile + i)));
}

/// What a grid cell multiplies: rows of a from the cell's first, columns
/// [n0, n1).
struct NarrowCell {
  const float *a;
  int64_t aRow, m0, rows, n0, n1, depth;
};

/// `weights` gives of its panels
///
///     widen(panel, k0, chunk, to)   rows [k0, k0 + chunk) as f32 [chunk][16]
///     at(panel, k)                  the address of row k
///     kRowBytes                     of a row of 16
///
/// Scratch: gemmNarrowScratchBytes.
template <typename Weights>
MMK_INLINE void multiplyWidened(const MicroCall *call, const NarrowCell &cell,
                                const Weights &weights) {
  const int64_t outer[1] = {call->z};
  auto *tile = static_cast<float *>(call->args->scratch);
  float *panels = tile + kScratchRows * kPostCols;
  float *sums = panels + kNarrowCols * kNarrowDepth;
  const int64_t tiles = rowTiles(cell.rows, cell.aRow);
  for (int64_t n = cell.n0; n < cell.n1; n += kNarrowCols) {
    const int64_t cols = minOf(kNarrowCols, cell.n1 - n);
    const int64_t count = ceilDiv(cols, kPanel), first = n / kPanel;
    for (int64_t k0 = 0; k0 < cell.depth; k0 += kNarrowDepth) {
      const int64_t k1 = minOf(k0 + kNarrowDepth, cell.depth), chunk = k1 - k0;
      for (int64_t i = 0; i < count; ++i)
        weights.widen(first + i, k0, chunk, panels + i * chunk * kPanel);
      for (int64_t t = 0; t < tiles; ++t) {
        const int64_t r0 = tileBegin(cell.rows, tiles, t);
        const int64_t mr = tileBegin(cell.rows, tiles, t + 1) - r0;
        const float *pointers[kMaxRows];
        for (int64_t r = 0; r < mr; ++r)
          pointers[r] = cell.a + (r0 + r) * cell.aRow + k0;
        TileArgs args;
        args.rows = pointers;
        args.segs = 1;
        args.segLen = chunk;
        args.bRow = kPanel;
        args.panelStride = chunk * kPanel;
        args.outRow = kNarrowCols;
        args.nextRows =
            reinterpret_cast<const char *>(cell.a + (r0 + mr) * cell.aRow + k0);
        args.nextRowsStep = mr * 4 / count;
        // Each tile fetches its part of what is widened next.
        args.farStep = ceilDiv(Weights::kRowBytes, tiles);
        float *to = k0 ? tile : sums + r0 * kNarrowCols;
        for (int64_t i = 0; i < count; i += kTilePanels) {
          const void *next = k1 < cell.depth ? weights.at(first + i, k1)
                                             : weights.at(first + count + i, 0);
          args.far = static_cast<const char *>(next) + t * args.farStep * chunk;
          args.b = panels + i * chunk * kPanel;
          args.out = to + i * kPanel;
          runTile(mr, minOf(kTilePanels, count - i), args);
        }
        if (k0)
          addTile(sums + r0 * kNarrowCols, tile, mr);
      }
    }
    call->post(call->args, outer, cell.m0, n, cell.rows, cols, sums,
               kNarrowCols);
  }
}

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_WIDENEDPANELS_H
