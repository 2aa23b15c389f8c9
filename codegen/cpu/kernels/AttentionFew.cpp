//===- AttentionFew.cpp - Softmax attention of a few queries --------------===//
//
// One to four query rows, as when a decoder makes one token: each key and each
// value is used so few times that packing would cost more than it saves. Both
// are streamed once, in place, which is bound by memory. Keys come in blocks of
// kFewKeys with an online softmax between them.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Attention.h"

using namespace mmcc::cpu;

namespace {

constexpr int64_t kFewKeys = 512;
static_assert(kFewKeys <= kScoreRow, "scores of a block fit their scratch");

/// scores[r][j] = q_r . k_j for j < keys. q is [Rows, d], zero beyond D.
template <int Rows>
MMK_NOINLINE void fewScores(const float *q, int64_t d, const float *k,
                            int64_t kRow, int64_t D, int64_t keys,
                            float *scores) {
  const int64_t full = D & ~int64_t(kLanes - 1), rest = D - full;
  constexpr int Keys = Rows == 1 ? 4 : 2;
  for (int64_t j = 0; j < keys; j += Keys) {
    const float *key[Keys];
#pragma clang loop unroll(full)
    for (int u = 0; u < Keys; ++u)
      key[u] = k + minOf(j + u, keys - 1) * kRow;
    Vec sum[Keys][Rows];
#pragma clang loop unroll(full)
    for (int u = 0; u < Keys; ++u)
#pragma clang loop unroll(full)
      for (int r = 0; r < Rows; ++r)
        sum[u][r] = vzero();
#pragma clang loop unroll(disable)
    for (int64_t e = 0; e < full; e += kLanes)
#pragma clang loop unroll(full)
      for (int u = 0; u < Keys; ++u) {
        Vec kv = vload(key[u] + e);
#pragma clang loop unroll(full)
        for (int r = 0; r < Rows; ++r)
          sum[u][r] = vfma(kv, vload(q + r * d + e), sum[u][r]);
      }
    if (rest) {
#pragma clang loop unroll(full)
      for (int u = 0; u < Keys; ++u) {
        Vec kv = vloadPart(key[u] + full, rest);
#pragma clang loop unroll(full)
        for (int r = 0; r < Rows; ++r)
          sum[u][r] = vfma(kv, vload(q + r * d + full), sum[u][r]);
      }
    }
    // Keys past the last repeat it, into columns that nobody reads.
#pragma clang loop unroll(full)
    for (int u = 0; u < Keys; ++u)
#pragma clang loop unroll(full)
      for (int r = 0; r < Rows; ++r)
        scores[r * kScoreRow + j + u] = vsum(sum[u][r]);
  }
}

/// out[r][e] = out[r][e] * carry[r] + sum over j of p[r][j] * v[j][e], for Vecs
/// vectors of e; Part: of the last only the first `rest` lanes exist.
template <int Rows, int Vecs, bool Part>
MMK_NOINLINE void fewValues(const float *p, const float *v, int64_t vRow,
                            int64_t keys, int64_t rest, const float *carry,
                            float *out, int64_t dv) {
  Vec sum[Rows][Vecs];
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
    for (int e = 0; e < Vecs; ++e)
      sum[r][e] = vmul(vload(out + r * dv + e * kLanes), vset(carry[r]));
#pragma clang loop unroll_count(2)
  for (int64_t j = 0; j < keys; ++j, v += vRow) {
    Vec value[Vecs];
#pragma clang loop unroll(full)
    for (int e = 0; e < Vecs; ++e)
      value[e] = Part && e == Vecs - 1 ? vloadPart(v + e * kLanes, rest)
                                       : vload(v + e * kLanes);
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r) {
      Vec weight = vset(p[r * kScoreRow + j]);
#pragma clang loop unroll(full)
      for (int e = 0; e < Vecs; ++e)
        sum[r][e] = vfma(weight, value[e], sum[r][e]);
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
    for (int e = 0; e < Vecs; ++e)
      vstore(out + r * dv + e * kLanes, sum[r][e]);
}

template <int Rows>
MMK_INLINE void few(const AttentionCell &c, float *scratch) {
  constexpr int Vecs = Rows * 4 + 5 > 16 && kLanes == 8 ? 2 : 4;
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
      fewScores<Rows>(q, d, c.k + base * kRow, kRow, c.D, keys, scores);
      finishScores(c, c.i0, base * step, Rows, keys, scores, step);
      float carry[Rows];
      for (int r = 0; r < Rows; ++r) {
        carry[r] = softmaxKeys(scores + r * kScoreRow, keys, base,
                               c.keys(c.i0 + r, step), c.factor, state[r]);
      }
      const float *v = c.v + base * vRow;
      int64_t e = 0;
      for (; e + Vecs * kLanes <= c.Dv; e += Vecs * kLanes)
        fewValues<Rows, Vecs, false>(scores, v + e, vRow, keys, 0, carry,
                                     out + e, dv);
      for (; e + kLanes <= c.Dv; e += kLanes)
        fewValues<Rows, 1, false>(scores, v + e, vRow, keys, 0, carry, out + e,
                                  dv);
      if (e < c.Dv)
        fewValues<Rows, 1, true>(scores, v + e, vRow, keys, c.Dv - e, carry,
                                 out + e, dv);
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
