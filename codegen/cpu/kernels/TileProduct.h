//===- TileProduct.h - The products of a cell with AMX ----------*- C++ -*-===//
//
// Rows of a cell meet panels by blocks of 32 x 32 results. A core multiplies 4
// KiB of operands in 74 cycles, and what keeps it from that is everything else:
//
// * What becomes of a block (scales, the post block) is done a few rows at a
//   time between the products of the next. Vectors and tiles have ports of
//   their own, but a core does not look so far ahead that it would find a whole
//   block's products behind a whole block's epilogue.
// * Rows of a stay in the first level cache while panels pass: K goes by parts,
//   and panels are loaded past that cache.
// * The next group of panels is fetched meanwhile, a few lines after each
//   product: more at once would fill the buffers that tiles are loaded by.
//
//     for each group of columns      its panels stay in the second level cache
//       for each 32 rows
//         for each part of K         32 rows of it stay in the first
//           for each 32 columns      C += A B; between: the block before
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_TILEPRODUCT_H
#define MMCC_CODEGEN_CPU_KERNELS_TILEPRODUCT_H

#include "codegen/cpu/kernels/AmxTiles.h"

#if defined(__AMX_TILE__)

namespace mmcc::cpu {

/// Rows of a, and columns [n0, n1). Sizes along K are in bytes of a.
struct TileCell {
  const char *a;
  int64_t aRow;
  int64_t rows, n0, n1;
  int64_t depth;
  /// Sums are complete, and begin anew, after so many: all of `depth`, or a
  /// part of it.
  int64_t step;
  int64_t chunk; // 64 or 32; divides step
};

/// A group of panels as tiles want them, each of depth * 16 bytes, and where
/// the next group is fetched from, so many bytes a panel.
struct TilePanels {
  const uint8_t *lines;
  const char *ahead;
  int64_t aheadBytes;
};

/// A block whose sums are complete: rows from `row` of the cell, columns from
/// n, the step.
struct TileBlock {
  int64_t row, rows, n, cols, step;
  int32_t *sums; // [32][32] of 32-bit lanes
};

/// The most bytes of K that 32 rows stay in the first level cache with, and
/// bytes of a group of panels in the second.
constexpr int64_t kTilePart = 1024, kTileGroupBytes = int64_t(400) << 10;

/// Columns that all rows of a cell pass over before the next: at least two
/// groups a cell, so that the second is fetched while the first is multiplied.
MMK_INLINE int64_t tileGroup(int64_t columnBytes, int64_t cellCols) {
  const int64_t most = kTileGroupBytes / maxOf(columnBytes, 1);
  const int64_t cols = minOf(minOf(most, kPostCols), ceilDiv(cellCols, 2));
  return maxOf(cols / kAmxCols, 1) * kAmxCols;
}

/// The block before, of which finish(block, first row, rows) is still to be
/// called for some rows.
template <typename Finish> class UnfinishedBlock {
public:
  explicit UnfinishedBlock(Finish &finish) : finish(finish) {}

  /// The one before has been finished; some() is called `calls` times for this.
  MMK_INLINE void begin(const TileBlock &next, int64_t calls) {
    block = next;
    done = 0;
    wait = period = maxOf(calls / (kAmxRows / kSlice), 1);
  }
  /// A slice of whole rows, of which the compiler knows the number.
  MMK_INLINE void some() {
    if (--wait || done + kSlice > block.rows)
      return;
    finish(block, done, kSlice);
    done += kSlice;
    wait = period;
  }
  MMK_INLINE void rest() {
    for (; done + kSlice <= block.rows; done += kSlice)
      finish(block, done, kSlice);
    if (done < block.rows)
      finish(block, done, block.rows - done);
    done = block.rows;
  }

private:
  static constexpr int64_t kSlice = 8;
  Finish &finish;
  TileBlock block = {};
  int64_t done = 0, wait = 1, period = 1;
};

/// What happens between products: lines of the next group are fetched, and rows
/// of the block before finished.
template <typename Finish> struct Meanwhile {
  UnfinishedBlock<Finish> &before;
  const char *ahead;
  int64_t lines; // a chunk

  MMK_INLINE void operator()(int product) {
    const int64_t some = lines * (product + 1) / 4 - lines * product / 4;
    for (const char *end = ahead + some * 64; ahead < end; ahead += 64)
      _mm_prefetch(ahead, _MM_HINT_T1);
    if (product == 1)
      before.some();
  }
  MMK_INLINE void end() { before.rest(); }
};

/// panels(n, cols) makes a group ready. `sums`: a block, or as many as a group
/// has.
template <TileType T, typename Panels, typename Finish>
MMK_INLINE void multiplyCell(const TileCell &cell, int64_t groupCols,
                             int32_t *sums, Panels panels, Finish finish) {
  const int64_t chunks = cell.depth / cell.chunk;
  const bool whole = cell.step == cell.depth;
  // Rows that meet 32 columns are read once in any case.
  const int64_t parts =
      whole && groupCols > kAmxCols ? ceilDiv(cell.depth, kTilePart) : 1;
  const int64_t steps = whole ? 1 : cell.depth / cell.step;
  const int64_t rowBlocks = ceilDiv(cell.rows, kAmxRows);
  UnfinishedBlock<Finish> before(finish);
  TileOperands o;
  o.aRow = cell.aRow;
  o.chunk = cell.chunk;
  int64_t shaped = 0;
  for (int64_t n = cell.n0; n < cell.n1; n += groupCols) {
    const int64_t cols = minOf(groupCols, cell.n1 - n);
    const TilePanels group = panels(n, cols);
    // Lines of two panels, divided among the chunks that meet them.
    Meanwhile<Finish> meanwhile = {
        before, group.ahead,
        ceilDiv(2 * group.aheadBytes, chunks * rowBlocks * 64)};
    for (int64_t r0 = 0; r0 < cell.rows; r0 += kAmxRows) {
      const int64_t rows = minOf(kAmxRows, cell.rows - r0);
      if (rows != shaped)
        shapeTiles(shaped = rows, cell.chunk);
      for (int64_t part = 0; part < parts; ++part) {
        const int64_t first = chunks * part / parts;
        for (int64_t c = 0; c < cols; c += kAmxCols) {
          const int64_t there = minOf(kAmxCols, cols - c);
          int32_t *block = parts > 1 ? sums + c * kAmxRows : sums;
          for (int64_t s = 0; s < steps; ++s) {
            const int64_t k = first * cell.chunk + s * cell.step;
            o.a = cell.a + r0 * cell.aRow + k;
            o.chunks = whole ? chunks * (part + 1) / parts - first
                             : cell.step / cell.chunk;
            o.add = part > 0;
            for (int64_t i = 0; i < 2; ++i)
              o.b[i] = group.lines + (c + i * kPanel) * cell.depth + k * kPanel;
            const int64_t panelCount = ceilDiv(there, kPanel);
            // The first rows bring panels into the second level cache, which
            // loads past the first would leave out, too.
            if (r0 == 0)
              multiplyBlock<T, /*Once=*/false>(rows, panelCount, o, block,
                                               kAmxCols, meanwhile);
            else
              multiplyBlock<T, /*Once=*/true>(rows, panelCount, o, block,
                                              kAmxCols, meanwhile);
            if (part + 1 == parts)
              before.begin({r0, rows, n + c, there, s, block}, o.chunks);
          }
        }
      }
    }
  }
  before.rest();
  releaseTiles();
}

} // namespace mmcc::cpu

#endif
#endif // MMCC_CODEGEN_CPU_KERNELS_TILEPRODUCT_H
