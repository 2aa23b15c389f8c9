//===- Retrieve.cpp - The k best of a bank of embeddings ------------------===//
//
// scores[m, n] = sum over d of x[m, d] * w[d, n]; of each row m the k largest.
//
//   x [M, D] f32, rows strided, D contiguous, any alignment; nothing is read
//     beyond it
//   w [ceil(N/16)][D][16] f32, zero-filled columns
//
// A cell is m_block rows and one chunk of the bank (a multiple of 128). All row
// tiles pass over some panels of it while they are in the cache, and the scores
// go straight to each row's selector: they are never stored. One row is bound
// by reading the bank. What a cell has found leaves as in TopK.cpp.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Selector.h"
#include "codegen/cpu/kernels/Tile.h"

using namespace mmcc::cpu;

extern "C" void mmk_retrieve_f32(const MicroCall *call) {
  const int64_t *p = call->params;
  enum { M, N, D, K, XRow, Chunk, MBlock };
  const int64_t k = p[K], depth = p[D], row = p[XRow];
  const int64_t m0 = call->y * p[MBlock], rows = minOf(p[MBlock], p[M] - m0);
  const int64_t n0 = call->x * p[Chunk], n1 = minOf(n0 + p[Chunk], p[N]);
  const auto *x = static_cast<const float *>(call->tensors[0]) + m0 * row;
  const auto *w = static_cast<const float *>(call->tensors[1]);

  // Scores of one tile, answers of one row, then the selectors.
  auto *tile = static_cast<float *>(call->args->scratch);
  float *scores = tile + kScratchRows * kPostCols;
  float *places = scores + roundUp(k, 16);
  auto *selectors = reinterpret_cast<Selector *>(places + roundUp(k, 16));
  auto *keys = reinterpret_cast<uint64_t *>(selectors + rows);
  for (int64_t r = 0; r < rows; ++r)
    selectors[r] = Selector(keys + r * selectorKeys(k), k);

  const int64_t tiles = rowTiles(rows, row);
  const int64_t group = panelsPerGroup(depth) * kPanel;
  for (int64_t n = n0; n < n1; n += group) {
    const int64_t columns = minOf(group, n1 - n);
    const int64_t panels = ceilDiv(columns, kPanel);
    const float *b = w + n * depth;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t r0 = tileBegin(rows, tiles, t);
      const int64_t mr = tileBegin(rows, tiles, t + 1) - r0;
      const float *pointers[kMaxRows];
      for (int64_t r = 0; r < mr; ++r)
        pointers[r] = x + (r0 + r) * row;
      runPanels(mr, panels, pointers, 1, depth, b, tile,
                {b + panels * depth * kPanel}, t, tiles, x + (r0 + mr) * row,
                mr * row);
      for (int64_t r = 0; r < mr; ++r)
        selectors[r0 + r].take(tile + r * kPostCols, columns, n, nullptr, 1.0f);
    }
  }
  const int64_t planes[2] = {0, 1};
  for (int64_t r = 0; r < rows; ++r) {
    selectors[r].finish(scores, places, 1.0f, kNoPlace);
    for (int64_t i = 0; i < k; i += kPostCols) {
      const int64_t columns = minOf(kPostCols, k - i);
      call->post(call->args, planes, m0 + r, call->x * k + i, 1, columns,
                 scores + i, k);
      call->post(call->args, planes + 1, m0 + r, call->x * k + i, 1, columns,
                 places + i, k);
    }
  }
}
