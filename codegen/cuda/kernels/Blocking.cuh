//===- Blocking.cuh - How work is cut for a GPU ---------------------------===//
//
// The sizes that lowering and templates must agree on, or that lowering chooses
// by what a block of threads can do.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_BLOCKING_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_BLOCKING_CUH

#include <cstdint>

namespace mmcc::cuda {

/// Threads of a block.
constexpr int kThreads = 256;
/// Columns of a panel of weights.
constexpr int64_t kPanelColumns = 16;
/// Most rows of a product that is bound by reading its weights (FewRows.cuh).
constexpr int kFewRows = 8;
/// Multiprocessors that tiles are counted against: with fewer tiles than these,
/// smaller ones are taken (an A100 has 108, an H100 132).
constexpr int64_t kMultiprocessors = 108;

/// Stages of a product on tensor cores that are in shared memory at once.
constexpr int kTensorStages = 3;
/// Columns of such a tile in cells of n_block: a grid of panels has tiles
/// of 64.
constexpr int tileColumns(int64_t n_block) {
  return n_block == kPanelColumns ? 64 : int(n_block);
}
/// Shared memory of its stages: rows and columns of 16 words 20 apart
/// (TensorTile.cuh).
constexpr int64_t tensorSharedBytes(int64_t m_block, int64_t n_block) {
  if (m_block <= kFewRows)
    return 0;
  return kTensorStages * 4 * 20 * (m_block + tileColumns(n_block));
}

/// Stages of such a tile on Hopper (WarpgroupTile.cuh), whose rows and columns
/// are lines of 128 bytes: at most four, and what lets two blocks share a
/// multiprocessor, which has 227 KiB.
constexpr int warpgroupStages(int64_t rows, int64_t columns) {
  const int64_t most = (96 << 10) / ((rows + columns) * 128);
  return most < 4 ? int(most) : 4;
}
/// Their shared memory, what aligns the first to 1024 bytes, and barriers.
constexpr int64_t warpgroupSharedBytes(int64_t m_block, int64_t n_block) {
  if (m_block <= kFewRows)
    return 0;
  const int64_t columns = tileColumns(n_block);
  return 64 + 1024 +
         warpgroupStages(m_block, columns) * (m_block + columns) * 128;
}

/// Rows and columns of a cell.
struct Cell {
  int64_t rows, columns;
};

/// The cells of a product, a tile each, where neither operand is read by few
/// rows: the largest tiles that are enough for a GPU. Those of f32
/// (Product.cuh) are squares.
constexpr Cell tileCell(int64_t rows, int64_t columns, int64_t batch,
                        bool onTensorCores) {
  auto tiles = [&](int64_t height, int64_t width) {
    return (rows + height - 1) / height * ((columns + width - 1) / width) *
           batch;
  };
  if (tiles(128, 128) >= kMultiprocessors)
    return {128, 128};
  if (onTensorCores && tiles(128, 64) >= kMultiprocessors)
    return {128, 64};
  return {64, 64};
}

/// The cells of `rows` rows (0: not known before the call) times a weight of
/// `columns`, `batch` times. What is bound by the weight has a cell a panel;
/// where that shows at the call only, the grid is of panels, too.
constexpr Cell productCell(int64_t rows, int64_t columns, int64_t batch,
                           bool onTensorCores) {
  if (rows > 0 && rows <= kFewRows)
    return {kFewRows, kPanelColumns};
  if (rows == 0)
    return {64, kPanelColumns};
  return tileCell(rows, columns, batch, onTensorCores);
}

/// Queries that a block of attention takes (Attention.cuh).
constexpr int64_t kQueryTile = 32;
/// Of attention on tensor cores (TensorAttention.cuh): the widest heads that it
/// has registers for; queries that a block takes, of so many (0: not known) of
/// each head; and its shared memory, two tiles of 64 keys and values.
constexpr int64_t kTensorWidest = 128;
constexpr int64_t tensorQueries(int64_t queries, int64_t heads) {
  return (queries + 127) / 128 * heads >= kMultiprocessors ? 128 : 64;
}
constexpr int64_t attentionSharedBytes(int64_t depth, int64_t width) {
  return 2 * 64 * 2 * (depth + 8 + width + 8);
}
/// The same of a block of Hopper's warpgroups, of four tiles: those that take
/// `queries` queries, and heads of whole 64s (WarpgroupAttention.cuh).
constexpr bool isAttentionOfWarpgroups(int64_t depth, int64_t width,
                                       int64_t queries) {
  return queries == 128 && depth % 64 == 0 && width % 64 == 0;
}
constexpr int64_t warpgroupAttentionSharedBytes(int64_t depth, int64_t width) {
  return 4 * 64 * 2 * (depth + width) + 1024;
}
/// Attention of so many queries and fewer is a step of a decoder
/// (StepAttention.cuh): its keys are cut. Heads that are wider are not.
constexpr int64_t kStepQueries = 8, kStepWidest = 512;
/// Keys that are worth a block, parts that keys are cut in at most, and blocks
/// that keep a GPU busy.
constexpr int64_t kKeysOfSplit = 128, kMostKeySplits = 128,
                  kStepBlocks = 2 * kMultiprocessors;
/// Rows of heads of some width that a pass over the keys serves: as many as
/// registers hold.
constexpr int64_t stepRows(int64_t width) {
  return width <= 128 ? 8 : width <= 256 ? 4 : 2;
}
/// Shared memory of a step: tiles of 32 tokens of 144 bytes and weights of
/// eight warps, queries, and what each warp found.
constexpr int64_t stepSharedBytes(int64_t depth, int64_t width) {
  const int64_t rows = stepRows(width), warps = kThreads / 32;
  return warps * (32 * 144 + rows * 32 * 4) +
         rows * (depth + 15) / 16 * 16 * 4 + warps * rows * 2 * 4 + 16;
}

/// Pixels and channels of a cell of a depthwise convolution: neighbouring
/// threads have neighbouring channels.
constexpr int64_t kDepthwisePixels = 16, kDepthwiseChannels = 128;

/// Rows of either side of a cell of cosines (Similarity.cuh).
constexpr int64_t kUnitTile = 128;
/// Rows of this length and less are a warp's each when the best of them are
/// wanted (TopK.cuh).
constexpr int64_t kShortRow = 256;
/// A search of a bank keeps at most so many of the best (Retrieve.cuh): the
/// queries of a cell and the keys that each has room for are by how many.
constexpr int64_t kRetrieveMost = 96;
constexpr int64_t retrieveKeys(int64_t k) { return k <= 32 ? 64 : 128; }
constexpr int64_t retrieveRows(int64_t k) { return 2048 / retrieveKeys(k); }
/// Columns of a cell of merged tokens: neighbouring lanes have neighbours.
constexpr int64_t kMergeColumns = 256;
/// Cells that keep a GPU busy where a row is cut for no other reason, and the
/// elements of a row, or columns of a bank, that are worth one.
constexpr int64_t kBusyCells = 512, kChunkOfRow = 2048, kChunkOfBank = 256;

/// Points of a cell of loops: four a thread, or as many rows as warps.
constexpr int64_t kPointsPerCell = 1024, kRowsPerCell = kThreads / 32;
/// Numbers that a cell of reductions goes over, if rows are short.
constexpr int64_t kNumbersPerCell = 4096;

} // namespace mmcc::cuda

#endif // MMCC_CODEGEN_CUDA_KERNELS_BLOCKING_CUH
