//===- AttentionFew.cpp - Softmax attention of a few queries --------------===//
//
// One to four query rows. Keys come in blocks of kFewKeys with an online
// softmax between them; see AttentionFew.h.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/AttentionFew.h"

using namespace mmcc::cpu;

namespace {

template <int Rows>
MMK_INLINE void few(const AttentionCell &c, float *scratch) {
  const int64_t d = roundUp16(c.D), dv = roundUp16(c.Dv);
  float *scores = scratch, *q = scores + 4 * kScoreRow;
  float *out = q + Rows * d;
  RowState state[Rows];
  for (int r = 0; r < Rows; ++r) {
    state[r] = {kMinusInfinity, 0.0f};
    scaleRow(q + r * d, c.q + r * c.qRow, c.D, d, 1.0f);
    zeroRun(out + r * dv, dv);
  }
  // Every key of the window, then the strided ones.
  const int64_t steps[2] = {1, c.stride};
  for (int s = 0; s < (c.stride > 0 ? 2 : 1); ++s) {
    const int64_t step = steps[s];
    const int64_t hi = c.keys(c.i0 + Rows - 1, step).end;
    const int64_t kRow = c.kRow * step, vRow = c.vRow * step;
    for (int64_t base = c.keys(c.i0, step).begin; base < hi; base += kFewKeys) {
      const int64_t keys = minOf(kFewKeys, hi - base);
      fewScores<Rows, StoredF32>(q, d, c.k + base * kRow, kRow, c.D, keys,
                                 scores);
      finishScores(c, c.i0, base * step, Rows, keys, scores, step);
      float carry[Rows];
      for (int r = 0; r < Rows; ++r) {
        carry[r] = softmaxKeys(scores + r * kScoreRow, keys, base,
                               c.keys(c.i0 + r, step), c.factor, state[r]);
      }
      fewSums<Rows, StoredF32>(scores, c.v + base * vRow, vRow, keys, carry,
                               out, c.Dv, dv);
    }
  }
  for (int r = 0; r < Rows; ++r) {
    float sum = state[r].sum;
    scaleRow(out + r * dv, out + r * dv, dv, dv,
             sum == 0.0f ? 0.0f : 1.0f / sum);
  }
  c.call->post(c.call->args, c.outer, c.i0, 0, Rows, c.Dv, out, dv);
}

} // namespace

namespace mmcc::cpu {

MMK_NOINLINE void attendFew(const AttentionCell &cell, float *scratch) {
  switch (cell.rows) {
  case 1:
    return few<1>(cell, scratch);
  case 2:
    return few<2>(cell, scratch);
  case 3:
    return few<3>(cell, scratch);
  case 4:
    return few<4>(cell, scratch);
  }
}

} // namespace mmcc::cpu
