//===- AttentionFew.h - Scores and sums of a few queries --------*- C++ -*-===//
//
// One to four query rows, as when a decoder makes one token: each key and each
// value is used so few times that packing would cost more than it saves. Both
// are streamed once, in place, which is bound by memory.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_ATTENTIONFEW_H
#define MMCC_CODEGEN_CPU_KERNELS_ATTENTIONFEW_H

#include "codegen/cpu/kernels/Attention.h"
#include "codegen/cpu/kernels/Stored.h"

namespace mmcc::cpu {

/// Keys between two updates of the online softmax.
constexpr int64_t kFewKeys = 512;
static_assert(kFewKeys <= kScoreRow, "scores of a block fit their scratch");

/// scores[r][j] = q_r . k_j for j < keys. q is [Rows, d], zero beyond D.
template <int Rows, typename Stored>
MMK_NOINLINE void fewScores(const float *q, int64_t d,
                            const typename Stored::Element *k, int64_t kRow,
                            int64_t D, int64_t keys, float *scores) {
  const int64_t full = D & ~int64_t(kLanes - 1), rest = D - full;
  constexpr int Keys = Rows == 1 ? 4 : 2;
  for (int64_t j = 0; j < keys; j += Keys) {
    const typename Stored::Element *key[Keys];
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
        Vec kv = Stored::load(key[u] + e);
#pragma clang loop unroll(full)
        for (int r = 0; r < Rows; ++r)
          sum[u][r] = vfma(kv, vload(q + r * d + e), sum[u][r]);
      }
    if (rest) {
#pragma clang loop unroll(full)
      for (int u = 0; u < Keys; ++u) {
        Vec kv = Stored::loadPart(key[u] + full, rest);
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
template <int Rows, int Vecs, bool Part, typename Stored>
MMK_NOINLINE void fewValues(const float *p, const typename Stored::Element *v,
                            int64_t vRow, int64_t keys, int64_t rest,
                            const float *carry, float *out, int64_t dv) {
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
      value[e] = Part && e == Vecs - 1 ? Stored::loadPart(v + e * kLanes, rest)
                                       : Stored::load(v + e * kLanes);
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

/// fewValues over all Dv columns; only what exists of v is read.
template <int Rows, typename Stored>
MMK_INLINE void fewSums(const float *p, const typename Stored::Element *v,
                        int64_t vRow, int64_t keys, const float *carry,
                        float *out, int64_t Dv, int64_t dv) {
  constexpr int Vecs = Rows * 4 + 5 > 16 && kLanes == 8 ? 2 : 4;
  int64_t e = 0;
  for (; e + Vecs * kLanes <= Dv; e += Vecs * kLanes)
    fewValues<Rows, Vecs, false, Stored>(p, v + e, vRow, keys, 0, carry,
                                         out + e, dv);
  for (; e + kLanes <= Dv; e += kLanes)
    fewValues<Rows, 1, false, Stored>(p, v + e, vRow, keys, 0, carry, out + e,
                                      dv);
  if (e < Dv)
    fewValues<Rows, 1, true, Stored>(p, v + e, vRow, keys, Dv - e, carry,
                                     out + e, dv);
}

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_ATTENTIONFEW_H
