//===- Blocking.h - How work is cut into grid cells -------------*- C++ -*-===//
//
// Pure functions of the shape and the level: never of the number of threads.
// Cells are dealt to threads in contiguous runs, so that a cut is good when its
// cells are equal, when their number divides by 2, 3 and 4, and when each is
// worth a visit (20 us at the least; the fewest cells that balance are taken).
// A product that takes less than about 40 us is one cell.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_BLOCKING_H
#define MMCC_CODEGEN_CPU_KERNELS_BLOCKING_H

#include <cstdint>

namespace mmcc::cpu {

/// Extents of a grid cell: m_block rows by n_block columns.
struct Blocks {
  int64_t m_block, n_block;
};

namespace blocking {

constexpr int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Rows of the register tile that cells are cut along.
constexpr int64_t tileRows(bool avx512) { return avx512 ? 14 : 6; }
constexpr int64_t kTileColumns = 32;
/// Columns that one call of a post block sees at most.
constexpr int64_t kGroupColumns = 128;

/// Multiply-adds in about 20 us of one core: no cell has fewer.
constexpr int64_t kCellWork = 1000000;
constexpr int64_t kMostCells = 64;

/// Largest share of the work that one of `threads` threads gets when `cells`
/// cells of `per` units, covering `units`, are dealt in contiguous runs, in
/// 1/1024 of the ideal share.
constexpr int64_t imbalance(int64_t units, int64_t per, int64_t cells,
                            int64_t threads) {
  int64_t most = ceilDivide(cells, threads) * per;
  if (most > units)
    most = units;
  return most * threads * 1024 / units;
}

/// Units a cell, for `units` indivisible units and at most `most` cells: the
/// cut whose worst shares over one to four threads are smallest in sum.
/// Fewer cells win a tie.
constexpr int64_t cut(int64_t units, int64_t most) {
  if (units <= 1 || most <= 1)
    return units < 1 ? 1 : units;
  int64_t best = units, bestCost = INT64_MAX;
  for (int64_t cells = 1; cells <= most && cells <= units; ++cells) {
    int64_t per = ceilDivide(units, cells), count = ceilDivide(units, per);
    int64_t cost = count; // a cell's own price, against the imbalance
    for (int64_t threads = 2; threads <= 4; ++threads)
      cost += imbalance(units, per, count, threads);
    if (cost < bestCost) {
      bestCost = cost;
      best = per;
    }
  }
  return best;
}

constexpr int64_t cellsWorth(int64_t work) {
  int64_t cells = work / kCellWork;
  return cells < 1 ? 1 : cells > kMostCells ? kMostCells : cells;
}

} // namespace blocking

/// For products of a [M, K] and w [K, N]; `batch` is the extent of z. Of all
/// cuts into `columns` by `rows` equal cells this takes the one whose cost is
/// least, where the cost is the imbalance over two to four threads, plus what
/// reading a once a group of columns and w once a block of rows takes beside
/// the multiplications, plus a little for each cell. Rows are cut in whole
/// register tiles.
///
/// `weightWork`: multiply-adds in the time that one core takes to read a weight
/// from memory, which bounds a few rows. `rowWork`: those in the time that each
/// cell takes to prepare a number of its rows of a.
constexpr Blocks productBlocks(int64_t M, int64_t N, int64_t K, int64_t batch,
                               bool avx512, int64_t weightWork,
                               int64_t rowWork) {
  using namespace blocking;
  if (M < 1 || N < 1)
    return {1, kTileColumns};
  const int64_t work = M * N * (K < 1 ? 1 : K);
  int64_t most = cellsWorth(M < weightWork ? work / M * weightWork : work);
  if (batch > 1) // z divides among threads already
    most = ceilDivide(most, batch);
  const int64_t panels = ceilDivide(N, kTileColumns);
  const int64_t tiles = ceilDivide(M, tileRows(avx512));
  Blocks best = {M, panels * kTileColumns};
  int64_t bestCost = INT64_MAX;
  for (int64_t columns = 1; columns <= most && columns <= panels; ++columns)
    for (int64_t rows = 1; rows * columns <= most && rows <= tiles; ++rows) {
      int64_t perPanels = ceilDivide(panels, columns);
      int64_t perTiles = ceilDivide(tiles, rows);
      int64_t x = ceilDivide(panels, perPanels);
      int64_t y = ceilDivide(tiles, perTiles);
      int64_t n = perPanels * kTileColumns;
      int64_t m = y == 1 ? M : perTiles * tileRows(avx512);
      int64_t cells = x * y * batch;
      int64_t cost = x * y;
      for (int64_t threads = 2; threads <= 4; ++threads)
        cost += imbalance(panels * tiles * batch, perPanels * perTiles, cells,
                          threads) /
                2;
      // Beside 16 multiply-adds a cycle, 32 bytes of a (from the caches) and 8
      // bytes of w (from memory, at worst).
      int64_t group = n < kGroupColumns ? n : kGroupColumns;
      int64_t reads = 2 * M * K * ceilDivide(N, group) + 8 * N * K * y +
                      rowWork * M * K * x;
      cost += reads * 1024 / work;
      if (cost < bestCost) {
        bestCost = cost;
        best = {m, n};
      }
    }
  return best;
}

/// For gemm_f32, conv_f32 (M = OH*OW, N = N/G, K = KH*KW*C/G) and
/// batch_gemm_f32.
constexpr Blocks gemmBlocks(int64_t M, int64_t N, int64_t K, int64_t batch,
                            bool avx512) {
  return productBlocks(M, N, K, batch, avx512, /*weightWork=*/8, /*rowWork=*/0);
}

/// Products with narrow weights: as gemm_f32, but that the rows of a cell, of
/// which it may make a form of its own, are bounded: 128, or 256 with AVX-512,
/// whose products are fast enough for the weights' reading to count.
constexpr Blocks narrowBlocks(int64_t M, int64_t N, int64_t K, int64_t batch,
                              bool avx512, int64_t rowWork = 4) {
  Blocks blocks =
      productBlocks(M, N, K, batch, avx512, /*weightWork=*/2, rowWork);
  const int64_t most = avx512 ? 256 : 128;
  if (blocks.m_block > most)
    blocks.m_block = blocking::ceilDivide(
        blocks.m_block, blocking::ceilDivide(blocks.m_block, most));
  return blocks;
}

/// gemm_f16_f16: each cell splits its rows (SplitRows.h).
constexpr Blocks splitBlocks(int64_t M, int64_t N, int64_t K, int64_t batch,
                             bool avx512) {
  return narrowBlocks(M, N, K, batch, avx512, /*rowWork=*/64);
}

namespace blocking {

/// Results that a cell keeps: 2 MB, what a second level cache holds.
constexpr int64_t kCellResults = int64_t(1) << 19;

/// What a cut costs beside the multiplications, in 1/1024 of these: the
/// imbalance over two to four threads, a number of w once a block of rows, and
/// a little for each cell.
constexpr int64_t rowCutCost(int64_t M, int64_t N, int64_t batch,
                             const Blocks &blocks) {
  int64_t x = ceilDivide(N, blocks.n_block), y = ceilDivide(M, blocks.m_block);
  int64_t cost = x * y + 8 * 1024 * y / M;
  for (int64_t threads = 2; threads <= 4; ++threads)
    cost += imbalance(M * N * batch, blocks.m_block * blocks.n_block,
                      x * y * batch, threads) /
            2;
  return cost;
}

} // namespace blocking

/// Blocks in place of `blocks` for a product of whose rows each `piece` columns
/// are gone over once more, which its cell does while they are near: cells have
/// whole pieces. They stay as they are, and n_block is no multiple of piece and
/// below N then, where whole pieces cost more than to store each result and to
/// read it in a launch of its own: 8 bytes, which count as those of 8 numbers
/// of w do. (Of whole rows few make few cells, or each reads w anew.)
constexpr Blocks pieceBlocks(int64_t M, int64_t N, int64_t K, int64_t batch,
                             const Blocks &blocks, int64_t piece) {
  using namespace blocking;
  const bool fits = blocks.n_block >= N || blocks.n_block % piece == 0;
  if (M < 1 || N < 1 || K < 1 ||
      (fits && blocks.m_block * blocks.n_block <= kCellResults))
    return blocks;
  int64_t n = ceilDivide(N, kTileColumns) * kTileColumns;
  if (piece < N) {
    n = ceilDivide(blocks.n_block, piece) * piece;
    while (n % kTileColumns)
      n += piece;
  }
  int64_t least = rowCutCost(M, N, batch, blocks) + 8 * 8 * 1024 / K;
  Blocks best = blocks;
  const int64_t fewest = ceilDivide(M, blocks.m_block);
  const int64_t worth = ceilDivide(cellsWorth(M * N * K), batch);
  for (int64_t y = fewest; y <= fewest || y <= worth; ++y) {
    const Blocks whole = {ceilDivide(M, y), n};
    if (whole.m_block * n > kCellResults)
      continue;
    int64_t cost = rowCutCost(M, N, batch, whole);
    if (cost <= least) {
      least = cost - 1;
      best = whole;
    }
  }
  return best;
}

/// batch_gemm_f32 packs b anew in every cell, so that rows are never cut.
constexpr Blocks batchGemmBlocks(int64_t M, int64_t N, int64_t K, int64_t batch,
                                 bool avx512) {
  Blocks blocks = gemmBlocks(M, N, K, batch, avx512);
  blocks.m_block = M < 1 ? 1 : M;
  return blocks;
}

/// q_block of attention_f32; `heads` is B * H. Every cell packs the keys and
/// values of its head anew, which is worth about four query rows; scratch
/// bounds a cell to 1024 queries.
constexpr int64_t attentionBlock(int64_t Sq, int64_t heads) {
  using namespace blocking;
  if (Sq <= 4 || heads < 1)
    return Sq < 1 ? 1 : Sq;
  const int64_t least = ceilDivide(Sq, 1024);
  int64_t best = ceilDivide(Sq, least), bestCost = INT64_MAX;
  for (int64_t cells = least; cells < least + 4; ++cells) {
    int64_t block = ceilDivide(Sq, cells);
    if (cells > least && block < 48)
      break;
    int64_t count = ceilDivide(Sq, block) * heads;
    int64_t cost = 1024 * 16 * cells / Sq;
    for (int64_t threads = 2; threads <= 4; ++threads)
      cost += imbalance(Sq * heads, block, count, threads) / 2;
    if (cost < bestCost) {
      bestCost = cost;
      best = block;
    }
  }
  return best;
}

/// depthwise_f32: pixels by channels.
constexpr Blocks depthwiseBlocks(int64_t pixels, int64_t C, int64_t taps,
                                 int64_t batch) {
  using namespace blocking;
  int64_t n = C < 128 ? C : 128;
  if (pixels < 1 || C < 1)
    return {1, 1};
  // Loads bound it: a multiply-add costs four times a product's.
  int64_t most = cellsWorth(pixels * C * taps * 4);
  if (batch > 1)
    most = ceilDivide(most, batch);
  int64_t columns = ceilDivide(C, n);
  if (most <= 1)
    return {pixels, C};
  if (columns >= most)
    return {pixels, cut(columns, most) * n};
  int64_t rows = ceilDivide(pixels, 8);
  int64_t per = cut(rows, ceilDivide(most, columns));
  return {per >= rows ? pixels : per * 8, n};
}

/// Columns of a cell of token_merge_f32: whole lines, at most 128, so that the
/// sums of some hundred tokens stay in the second level cache.
constexpr int64_t tokenMergeBlock(int64_t C) {
  return C < 128 ? C < 1 ? 1 : C : 128;
}

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_BLOCKING_H
