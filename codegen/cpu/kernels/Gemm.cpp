//===- Gemm.cpp - Product with a packed constant matrix -------------------===//
//
// out[b, m, n] = sum over k of a[b, m, k] * w[k, n].
//
//   a  [B, M, K] f32, K contiguous, any alignment, read in place
//   w  [ceil(N/16)][K][16] f32, zero-filled columns
//
// Nothing is read beyond the rows of a. Accumulates in f32 in the order of k
// (see Tile.h). n_block is a multiple of 32.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Tile.h"

using namespace mmcc::cpu;

extern "C" void mmk_gemm_f32(const MicroCall *call) {
  const int64_t *p = call->params;
  const int64_t M = p[1], N = p[2], K = p[3], aBatch = p[4], aRow = p[5];
  const int64_t mBlock = p[6], nBlock = p[7];
  const auto *a = static_cast<const float *>(call->tensors[0]);
  const auto *w = static_cast<const float *>(call->tensors[1]);
  auto *out = static_cast<float *>(call->args->scratch);

  const int64_t m0 = call->y * mBlock, rows = minOf(mBlock, M - m0);
  const int64_t n0 = call->x * nBlock, n1 = minOf(n0 + nBlock, N);
  const int64_t outer[1] = {call->z};
  a += call->z * aBatch + m0 * aRow;

  const int64_t tiles = rowTiles(rows, aRow);
  const int64_t groupCols = panelsPerGroup(K) * kPanel;
  for (int64_t n = n0; n < n1; n += groupCols) {
    int64_t cols = minOf(groupCols, n1 - n);
    int64_t panels = ceilDiv(cols, kPanel);
    const float *b = w + n * K;
    for (int64_t t = 0; t < tiles; ++t) {
      int64_t r0 = tileBegin(rows, tiles, t);
      int64_t mr = tileBegin(rows, tiles, t + 1) - r0;
      const float *pointers[kMaxRows];
      for (int64_t r = 0; r < mr; ++r)
        pointers[r] = a + (r0 + r) * aRow;
      runPanels(mr, panels, pointers, 1, K, b, out, {b + panels * K * kPanel},
                t, tiles, a + (r0 + mr) * aRow, mr * aRow);
      call->post(call->args, outer, m0 + r0, n, mr, cols, out, kPostCols);
    }
  }
}
