//===- Tile.h - The register tile under every product -----------*- C++ -*-===//
//
// One routine multiplies a few rows of A by one weight panel (AVX2) or two
// (AVX-512) and keeps all sums in registers over the whole of K:
//
//     out[r, c] = sum over s, k of rows[s][r][k] * b[s*segLen + k, c]
//
//                       panels * 16
//                     +-------------+
//                     |      b      |  segs * segLen
//                     +-------------+
//           segLen
//          +------+   +-------------+
//     mr   | rows |   |     out     |  mr <= kMaxRows
//          +------+   +-------------+
//
// A is read in place through one pointer a row and segment, so that the same
// routine serves matrices (one segment), convolutions (a segment a filter tap,
// or a filter row) and attention. A 14x32 tile of AVX-512 does 28 FMAs for 16
// loads, a 6x16 tile of AVX2 12 FMAs for 8 loads: both are bound by the FMAs.
// Fewer rows have their own instantiation each; no masked full tile is run.
//
// The order of summation is that of k. Tiles of at most kSplitRows rows, which
// have too few sums to hide the latency of an FMA, add even and odd k (or four
// classes of k) apart and join them at the end of each tile.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_TILE_H
#define MMCC_CODEGEN_CPU_KERNELS_TILE_H

#include "codegen/cpu/kernels/Scratch.h"
#include "codegen/cpu/kernels/Simd.h"

namespace mmcc::cpu {

#if defined(__AVX512F__)
constexpr int kMaxRows = 14;
constexpr int kTilePanels = 2;
#else
constexpr int kMaxRows = 6;
constexpr int kTilePanels = 1;
#endif
constexpr int kTileCols = kTilePanels * kPanel;

struct TileArgs {
  /// [segs][mr] addresses of segLen contiguous floats.
  const float *const *rows;
  int64_t segs;
  int64_t segLen;
  /// First panel, row k at b + k * bRow; the second at b + panelStride.
  const float *b;
  int64_t bRow;
  int64_t panelStride;
  /// [mr, panels * 16], row stride outRow.
  float *out;
  int64_t outRow;
  /// Address of what a later tile needs: every step of K fetches its line into
  /// the second level cache and moves on by farStep bytes. Need not be valid.
  const char *far;
  int64_t farStep;
  /// Likewise for the rows of the next tile.
  const char *nextRows;
  int64_t nextRowsStep;
};

/// How many floats ahead of its own panel a tile fetches.
constexpr int64_t kAhead = 512;

/// mr in [1, kMaxRows], panels in [1, kTilePanels].
void runTile(int64_t mr, int64_t panels, const TileArgs &args);

/// Number of row tiles of a block of `rows` rows whose addresses lie `stride`
/// floats apart. The rows are dealt evenly: 50 rows are 13 + 13 + 12 + 12, not
/// 14 + 14 + 14 + 8. Rows a multiple of 4096 bytes apart share one set of the
/// L1 cache, whose eight ways then bound the tile.
MMK_INLINE int64_t rowTiles(int64_t rows, int64_t stride) {
  int64_t most = stride % 1024 == 0 && kMaxRows > 8 ? 8 : kMaxRows;
  return ceilDiv(rows, most);
}

/// First row of tile t of `tiles`.
MMK_INLINE int64_t tileBegin(int64_t rows, int64_t tiles, int64_t t) {
  int64_t each = rows / tiles, more = rows % tiles;
  return t * each + minOf(t, more);
}

/// Panels whose columns go to one call of post: as many as stay in the second
/// level cache while all row tiles of the cell pass over them.
MMK_INLINE int64_t panelsPerGroup(int64_t depth) {
  int64_t panels = kGroupRows / maxOf(depth, 1) & ~int64_t(1);
  return minOf(maxOf(panels, 2), kPostCols / kPanel);
}

/// The panels of the group after this, as they lie in memory.
struct NextPanels {
  const void *at;
  /// Of a row of 16 numbers.
  int64_t rowBytes = kPanel * 4;
};

/// Multiplies `mr` rows by `panels` adjacent panels of depth segs * segLen into
/// out [mr, kPostCols]. When several row tiles pass over these panels, each
/// fetches its part of `next`. A single tile over panels that are multiplied
/// where they lie is bound by their stream and fetches ahead in it.
MMK_INLINE void runPanels(int64_t mr, int64_t panels, const float *const *rows,
                          int64_t segs, int64_t segLen, const float *b,
                          float *out, NextPanels next, int64_t tile,
                          int64_t tiles, const float *nextRows,
                          int64_t nextFloats) {
  const int64_t depth = segs * segLen;
  TileArgs t;
  t.rows = rows;
  t.segs = segs;
  t.segLen = segLen;
  t.bRow = kPanel;
  t.panelStride = depth * kPanel;
  t.outRow = kPostCols;
  const bool alone = tiles == 1 && next.rowBytes == kPanel * 4;
  t.farStep = alone ? 64 : next.rowBytes * kTilePanels / tiles;
  const int64_t steps = maxOf(ceilDiv(panels, kTilePanels) * depth, 1);
  t.nextRowsStep = nextFloats * 4 / steps;
  t.nextRows = reinterpret_cast<const char *>(nextRows);
  for (int64_t p = 0; p < panels;
       p += kTilePanels, t.nextRows += depth * t.nextRowsStep) {
    t.b = b + p * t.panelStride;
    t.out = out + p * kPanel;
    t.far = alone ? reinterpret_cast<const char *>(
                        t.b + (kTilePanels - 1) * t.panelStride + kAhead)
                  : static_cast<const char *>(next.at) +
                        (p * next.rowBytes + tile * t.farStep) * depth;
    runTile(mr, minOf(kTilePanels, panels - p), t);
  }
}

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_TILE_H
