//===- TokenMerge.cpp - Adds up the tokens that became one ----------------===//
//
// out[b, t, c] = sum over i with successor[b, i] = t of w[b, i] * x[b, i, c]
//
// divided, with `average`, by the sum of these w. Without `average` w is 1:
// this is how the sizes of tokens themselves add up.
//
//   x [B, N, C] f32, C contiguous; successor [B, N] i64, tokens contiguous,
//   values in [0, M) (others are taken for the nearest of these); w [B, N] f32,
//   tokens contiguous, read with `average` only. Nothing is read beyond them.
//   Results leave through post((b), t, c).
//
// Tokens are added in their order. A cell is n_block columns of one batch
// element, whose sums stay in scratch.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "codegen/cpu/kernels/Simd.h"

using namespace mmcc::cpu;

extern "C" void mmk_token_merge_f32(const MicroCall *call) {
  const int64_t *p = call->params;
  enum {
    B,
    N,
    M,
    C,
    XBatch,
    XRow,
    SBatch,
    WBatch,
    Average,
    NBlock,
  };
  const int64_t tokens = p[N], left = p[M];
  const int64_t c0 = call->x * p[NBlock], columns = minOf(p[NBlock], p[C] - c0);
  const bool average = p[Average];
  const float *x =
      static_cast<const float *>(call->tensors[0]) + call->z * p[XBatch] + c0;
  const int64_t *successor =
      static_cast<const int64_t *>(call->tensors[1]) + call->z * p[SBatch];
  const float *weights =
      static_cast<const float *>(call->tensors[2]) + call->z * p[WBatch];
  const int64_t row = roundUp16(p[NBlock]);
  float *sums = static_cast<float *>(call->args->scratch);
  float *total = sums + left * row;
  zeroRun(sums, left * row + left);
  for (int64_t i = 0; i < tokens; ++i, x += p[XRow]) {
    const int64_t t = minOf(maxOf(successor[i], 0), left - 1);
    const float w = average ? weights[i] : 1.0f;
    float *to = sums + t * row;
    int64_t c = 0;
    for (; c + kLanes <= columns; c += kLanes)
      vstore(to + c, vfma(vload(x + c), vset(w), vload(to + c)));
    if (c < columns)
      vstore(to + c,
             vfma(vloadPart(x + c, columns - c), vset(w), vload(to + c)));
    total[t] += w;
  }
  if (average)
    for (int64_t t = 0; t < left; ++t) {
      const Vec factor = vset(1.0f / total[t]);
      for (int64_t c = 0; c < columns; c += kLanes)
        vstore(sums + t * row + c, vmul(vload(sums + t * row + c), factor));
    }
  const int64_t outer[1] = {call->z};
  for (int64_t t = 0; t < left; t += kScratchRows)
    for (int64_t c = 0; c < columns; c += kPostCols)
      call->post(call->args, outer, t, c0 + c, minOf(kScratchRows, left - t),
                 minOf(kPostCols, columns - c), sums + t * row + c, row);
}
