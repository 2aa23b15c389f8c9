//===- Attention.h - What both forms of attention share ---------*- C++ -*-===//
//
// The online softmax. Keys come in blocks; for each query row three things are
// carried from block to block: the largest score so far (max), the sum of
// exp(score - max) and the same sum weighted by the values (out). When a block
// raises max by d, what was carried is first multiplied by exp(-d). Example,
// one value column, scores 1, 3 | 2 with values 10, 20 | 30:
//
//   after block 1: max 3, sum e^-2 + 1,        out 10 e^-2 + 20
//   after block 2: max 3, sum e^-2 + 1 + e^-1, out 10 e^-2 + 20 + 30 e^-1
//
// and out / sum is the answer. A row none of whose keys takes part ends with
// sum 0 and is set to zero.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_ATTENTION_H
#define MMCC_CODEGEN_CPU_KERNELS_ATTENTION_H

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Tile.h"

namespace mmcc::cpu {

constexpr float kMinusInfinity = -__builtin_inff();
constexpr float kLog2E = 0x1.715476p+0f;

/// Keys that a row sees, in steps of `step` from key 0: [begin, end) without
/// [holeBegin, holeEnd).
struct RowKeys {
  int64_t begin, end, holeBegin, holeEnd;
};

/// One cell's view of the call.
struct AttentionCell {
  const MicroCall *call;
  int64_t outer[2]; // b, h
  int64_t D, Dv;
  int64_t i0, rows; // queries of the cell
  bool causal;
  int64_t causalOffset, window, Skv;
  int64_t stride, strideOffset; // of the keys that every row sees; 0: none
  bool masked = true;           // the score block is asked
  int64_t qRow, kRow, vRow;
  const float *q, *k, *v; // q at row i0; k, v at key 0
  float scale;            // what scores are multiplied by before the softmax
  float factor;           // what remains of it there, times log2(e)

  /// Takes over the parameters that all forms have in one place: Skv, D, Dv,
  /// scale, causal, causal_offset, window.
  MMK_INLINE void takeScores(const MicroCall *from) {
    const int64_t *p = from->params;
    call = from;
    Skv = p[4], D = p[5], Dv = p[6];
    double given;
    __builtin_memcpy(&given, &p[7], sizeof given);
    // The softmax takes the scale along, unless a block must see its result or
    // it would turn maxima into minima.
    const bool apart = from->score || !(given > 0.0);
    scale = apart ? static_cast<float>(given) : 1.0f;
    factor = apart ? kLog2E : static_cast<float>(given) * kLog2E;
    causal = p[8] != 0;
    causalOffset = p[9], window = p[10];
  }

  /// Keys [lo, hi) that query i may see, before any score block.
  MMK_INLINE int64_t lo(int64_t i) const {
    return window > 0 ? maxOf(i + causalOffset - window + 1, 0) : 0;
  }
  MMK_INLINE int64_t hi(int64_t i) const {
    return causal ? maxOf(minOf(i + causalOffset + 1, Skv), 0) : Skv;
  }
  /// Keys of query i among every key (step 1), or among the strided ones, of
  /// which those that it sees anyway are left out.
  MMK_INLINE RowKeys keys(int64_t i, int64_t step) const {
    if (step == 1)
      return {lo(i), hi(i), 0, 0};
    int64_t end = minOf(ceilDiv(Skv, step), stridedEnd(i));
    return {0, end, minOf(ceilDiv(lo(i), step), end),
            minOf(ceilDiv(hi(i), step), end)};
  }
  MMK_INLINE int64_t stridedEnd(int64_t i) const {
    return i + strideOffset < 0 ? 0 : (i + strideOffset) / stride + 1;
  }
};

/// What is carried for one row.
struct RowState {
  float max, sum;
};

/// Keeps what becomes of a row's scores, in their place: as f32, or as bf16,
/// the last of an odd number of which has a zero behind it.
struct Weights32 {
  float *row;
  MMK_INLINE static Vec exp2(Vec t) { return vexp2NonPositive(t); }
  MMK_INLINE void store(int64_t j, Vec e) const { vstore(row + j, e); }
  MMK_INLINE void storePart(int64_t j, Vec e, int64_t n) const {
    vstorePart(row + j, e, n);
  }
};
#if defined(__AVX512BF16__)
struct Weights16 {
  uint16_t *row;
  explicit Weights16(float *scores)
      : row(reinterpret_cast<uint16_t *>(scores)) {}
  MMK_INLINE static Vec exp2(Vec t) {
    return vexp2NonPositive(t, [](Vec f) { return vexp2SmallCoarse(f); });
  }
  MMK_INLINE void store(int64_t j, Vec e) const {
    _mm256_storeu_si256((__m256i *)(row + j), (__m256i)_mm512_cvtneps_pbh(e));
  }
  MMK_INLINE void storePart(int64_t j, Vec e, int64_t n) const {
    _mm256_mask_storeu_epi16(row + j, firstLanes(roundUp(n, 2)),
                             (__m256i)_mm512_cvtneps_pbh(e));
  }
};
#endif

/// Turns scores [0, len) of a row, of which [a, b) take part, into
/// 2^(factor * (score - max)), updates the state and returns the factor for
/// what was carried before. factor > 0.
template <typename Weights>
MMK_INLINE float softmaxRow(float *s, int64_t len, int64_t a, int64_t b,
                            float factor, RowState &state) {
  const Weights weights{s};
  Vec none = vset(kMinusInfinity);
  for (int64_t j = 0; j < a; j += kLanes)
    vstorePart(s + j, none, minOf(kLanes, a - j));
  for (int64_t j = b; j < len; j += kLanes)
    vstorePart(s + j, none, minOf(kLanes, len - j));

  int64_t full = len & ~int64_t(kLanes - 1), rest = len - full;
  Vec m0 = none, m1 = none;
  int64_t j = 0;
  for (; j + 2 * kLanes <= full; j += 2 * kLanes) {
    m0 = vmax(vload(s + j), m0);
    m1 = vmax(vload(s + j + kLanes), m1);
  }
  if (j < full)
    m0 = vmax(vload(s + j), m0);
  if (rest)
    m1 = vmax(vkeepPart(vloadPart(s + full, rest), none, rest), m1);
  const float before = state.max;
  float max = vmaxAcross(vmax(m0, m1));
  max = max > before ? max : before;
  // Without any key so far, 2^(-inf - 0) gives the zeros that are wanted. The
  // difference comes before the factor: a mask that adds the lowest float to a
  // whole row must not overflow.
  const float shift = max == kMinusInfinity ? 0.0f : max;

  Vec f = vset(factor), d = vset(shift), s0 = vzero(), s1 = vzero();
  for (j = 0; j + 2 * kLanes <= full; j += 2 * kLanes) {
    Vec e0 = Weights::exp2(vmul(vsub(vload(s + j), d), f));
    Vec e1 = Weights::exp2(vmul(vsub(vload(s + j + kLanes), d), f));
    weights.store(j, e0);
    weights.store(j + kLanes, e1);
    s0 = vadd(s0, e0);
    s1 = vadd(s1, e1);
  }
  if (j < full) {
    Vec e0 = Weights::exp2(vmul(vsub(vload(s + j), d), f));
    weights.store(j, e0);
    s0 = vadd(s0, e0);
  }
  if (rest) {
    Vec e1 = Weights::exp2(vmul(vsub(vloadPart(s + full, rest), d), f));
    e1 = vkeepPart(e1, vzero(), rest);
    weights.storePart(full, e1, rest);
    s1 = vadd(s1, e1);
  }
  float sum = vsum(vadd(s0, s1)), carry = 0.0f;
  if (before != kMinusInfinity) {
    carry = vexp2NonPositive(vset((before - shift) * factor))[0];
    sum += state.sum * carry;
  }
  state.max = max;
  state.sum = sum;
  return carry;
}

/// to[d] = from[d] * factor for d < n; zero up to the padded length.
MMK_INLINE void scaleRow(float *to, const float *from, int64_t n,
                         int64_t padded, float factor) {
  Vec f = vset(factor);
  int64_t d = 0;
  for (; d + kLanes <= n; d += kLanes)
    vstore(to + d, vmul(vload(from + d), f));
  if (d < n) {
    vstore(to + d, vmul(vloadPart(from + d, n - d), f));
    d += kLanes;
  }
  for (; d < padded; d += kLanes)
    vstore(to + d, vzero());
}

/// Multiplies scores [rows, cols] by the scale, when the factor does not hold
/// it, and applies the score block. Columns stand for keys j0, j0 + step, ...
MMK_INLINE void finishScores(const AttentionCell &c, int64_t i0, int64_t j0,
                             int64_t rows, int64_t cols, float *scores,
                             int64_t step) {
  if (c.scale != 1.0f)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < cols; j += kLanes) {
        float *s = scores + r * kScoreRow + j;
        vstore(s, vmul(vload(s), vset(c.scale)));
      }
  if (!c.call->score || !c.masked)
    return;
  if (step == 1)
    c.call->score(c.call->args, c.outer, i0, j0, rows, cols, scores, kScoreRow);
  else
    for (int64_t j = 0; j < cols; ++j)
      c.call->score(c.call->args, c.outer, i0, j0 + j * step, rows, 1,
                    scores + j, kScoreRow);
}

/// softmaxRow over the columns [0, len) of a row's scores, which stand for the
/// keys from `first` on, in steps.
template <typename Weights = Weights32>
MMK_INLINE float softmaxKeys(float *s, int64_t len, int64_t first,
                             const RowKeys &keys, float factor,
                             RowState &state) {
  int64_t a = minOf(maxOf(keys.begin - first, 0), len);
  int64_t b = minOf(maxOf(keys.end - first, a), len);
  int64_t hole = maxOf(keys.holeBegin - first, a);
  int64_t holeEnd = minOf(keys.holeEnd - first, b);
  for (; hole < holeEnd; ++hole)
    s[hole] = kMinusInfinity;
  return softmaxRow<Weights>(s, len, a, b, factor, state);
}

/// The form for at most four query rows: keys and values are streamed where
/// they lie.
void attendFew(const AttentionCell &cell, float *scratch);

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_ATTENTION_H
