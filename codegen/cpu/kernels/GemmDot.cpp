//===- GemmDot.cpp - A product whose rows become one number each ----------===//
//
// out[b, m] = sum over n of f(sum over k of a[b, m, k] * w[k, n]) * v[n]
//
//   a [B, M, K] f32, K contiguous, any alignment, read in place
//   w [ceil(N/16)][K][16] f32, zero-filled columns; v [N] f32, contiguous
//
// Nothing is read beyond the rows of a and the end of v. f is the score block,
// score((b), m, n); results leave through post((b), m, 0). This is how gates
// are made: two linear layers, of which the second has one output, and what
// lies between them exists only as a tile. Sums run in the order of k and of n.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Tile.h"

using namespace mmcc::cpu;

MMK_INLINE static float dot(const float *x, const float *y, int64_t n) {
  Vec sum = vzero();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    sum = vfma(vload(x + i), vload(y + i), sum);
  if (i < n)
    sum = vfma(vloadPart(x + i, n - i), vloadPart(y + i, n - i), sum);
  return vsum(sum);
}

extern "C" void mmk_gemm_dot_f32(const MicroCall *call) {
  const int64_t *p = call->params;
  enum { B, M, N, K, ABatch, ARow, MBlock };
  const int64_t depth = p[K], row = p[ARow];
  const int64_t m0 = call->y * p[MBlock], rows = minOf(p[MBlock], p[M] - m0);
  const auto *a = static_cast<const float *>(call->tensors[0]) +
                  call->z * p[ABatch] + m0 * row;
  const auto *w = static_cast<const float *>(call->tensors[1]);
  const auto *v = static_cast<const float *>(call->tensors[2]);
  auto *tile = static_cast<float *>(call->args->scratch);
  float *sums = tile + kScratchRows * kPostCols;
  const int64_t outer[1] = {call->z};

  for (int64_t r = 0; r < rows; ++r)
    sums[r] = 0.0f;
  const int64_t tiles = rowTiles(rows, row);
  const int64_t group = panelsPerGroup(depth) * kPanel;
  for (int64_t n = 0; n < p[N]; n += group) {
    const int64_t columns = minOf(group, p[N] - n);
    const int64_t panels = ceilDiv(columns, kPanel);
    const float *b = w + n * depth;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t r0 = tileBegin(rows, tiles, t);
      const int64_t mr = tileBegin(rows, tiles, t + 1) - r0;
      const float *pointers[kMaxRows];
      for (int64_t r = 0; r < mr; ++r)
        pointers[r] = a + (r0 + r) * row;
      runPanels(mr, panels, pointers, 1, depth, b, tile,
                {b + panels * depth * kPanel}, t, tiles, a + (r0 + mr) * row,
                mr * row);
      call->score(call->args, outer, m0 + r0, n, mr, columns, tile, kPostCols);
      for (int64_t r = 0; r < mr; ++r)
        sums[r0 + r] += dot(tile + r * kPostCols, v + n, columns);
    }
  }
  for (int64_t r = 0; r < rows; r += kScratchRows)
    call->post(call->args, outer, m0 + r, 0, minOf(kScratchRows, rows - r), 1,
               sums + r, 1);
}
