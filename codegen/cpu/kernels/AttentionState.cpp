//===- AttentionState.cpp - Softmax attention over a state ----------------===//
//
// As attention_f32, with keys and values in the blocks of two states
// (StateBlocks.h). They become f32 in registers, or while they are packed.
//
// A cell has some heads of one group, which have their keys in common. With one
// query a head these are the rows of one pass, so that keys and values are read
// once for all of them.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/AttentionFew.h"
#include "codegen/cpu/kernels/AttentionMany.h"
#include "codegen/cpu/kernels/Pack.h"
#include "codegen/cpu/kernels/StateBlocks.h"

using namespace mmcc::cpu;

namespace {

/// x[j] *= by[j] for j < n.
MMK_INLINE void scaleEach(float *x, const float *by, int64_t n) {
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes)
    vstore(x + j, vmul(vload(x + j), vload(by + j)));
  if (j < n)
    vstorePart(x + j, vmul(vloadPart(x + j, n - j), vloadPart(by + j, n - j)),
               n - j);
}

/// The rows of a pass: queries of one head, or one query of several heads.
struct StateRows {
  int64_t headStep;  // from row to row: 0 or 1
  int64_t queryStep; // 1 or 0
  int64_t qStep;     // elements
};

template <int Rows, typename Stored>
MMK_NOINLINE void fewRows(const AttentionCell &c, const StateRows &rows,
                          const StateTokens<Stored> &k,
                          const StateTokens<Stored> &v, float *scratch) {
  const int64_t d = roundUp16(c.D), dv = roundUp16(c.Dv);
  float *scores = scratch, *q = scores + 4 * kScoreRow;
  float *out = q + Rows * d;
  RowState state[Rows];
  float ones[Rows], carry[Rows];
  for (int r = 0; r < Rows; ++r) {
    state[r] = {kMinusInfinity, 0.0f};
    ones[r] = 1.0f;
    scaleRow(q + r * d, c.q + r * rows.qStep, c.D, d, 1.0f);
    zeroRun(out + r * dv, dv);
  }
  auto query = [&](int64_t r) { return c.i0 + r * rows.queryStep; };
  const int64_t hi = c.keys(query(Rows - 1), 1).end;
  for (int64_t base = c.keys(c.i0, 1).begin; base < hi; base += kFewKeys) {
    const int64_t keys = minOf(kFewKeys, hi - base), end = base + keys;
    for (int64_t t = base, n; t < end; t += n) {
      n = k.run(t, end);
      float *s = scores + (t - base);
      fewScores<Rows, Stored>(q, d, k.at(t), k.width, c.D, n, s);
      if (Stored::scaled)
        for (int r = 0; r < Rows; ++r)
          scaleEach(s + r * kScoreRow, k.scale(t), n);
    }
    if (rows.headStep == 0) {
      finishScores(c, c.i0, base, Rows, keys, scores, 1);
    } else {
      AttentionCell one = c;
      for (int r = 0; r < Rows; ++r, ++one.outer[1])
        finishScores(one, c.i0, base, 1, keys, scores + r * kScoreRow, 1);
    }
    for (int r = 0; r < Rows; ++r)
      carry[r] = softmaxKeys(scores + r * kScoreRow, keys, base,
                             c.keys(query(r), 1), c.factor, state[r]);
    for (int64_t t = base, n; t < end; t += n) {
      n = v.run(t, end);
      float *p = scores + (t - base);
      if (Stored::scaled)
        for (int r = 0; r < Rows; ++r)
          scaleEach(p + r * kScoreRow, v.scale(t), n);
      fewSums<Rows, Stored>(p, v.at(t), v.width, n, t == base ? carry : ones,
                            out, c.Dv, dv);
    }
  }
  for (int r = 0; r < Rows; ++r) {
    float sum = state[r].sum;
    scaleRow(out + r * dv, out + r * dv, dv, dv,
             sum == 0.0f ? 0.0f : 1.0f / sum);
  }
  if (rows.headStep == 0) {
    c.call->post(c.call->args, c.outer, c.i0, 0, Rows, c.Dv, out, dv);
    return;
  }
  int64_t outer[2] = {c.outer[0], c.outer[1]};
  for (int r = 0; r < Rows; ++r, ++outer[1])
    c.call->post(c.call->args, outer, c.i0, 0, 1, c.Dv, out + r * dv, dv);
}

template <typename Stored>
MMK_INLINE void few(const AttentionCell &c, const StateRows &rows,
                    int64_t count, const StateTokens<Stored> &k,
                    const StateTokens<Stored> &v, float *scratch) {
  switch (count) {
  case 1:
    return fewRows<1, Stored>(c, rows, k, v, scratch);
  case 2:
    return fewRows<2, Stored>(c, rows, k, v, scratch);
  case 3:
    return fewRows<3, Stored>(c, rows, k, v, scratch);
  case 4:
    return fewRows<4, Stored>(c, rows, k, v, scratch);
  }
}

/// Packs the tokens of two states as f32.
template <typename Stored> struct StateSource {
  const StateTokens<Stored> &k, &v;
  int64_t D, Dv;
  float *rows; // [16][roundUp16(D)]

  /// The panel lies in one block: both begin at multiples of 16.
  MMK_INLINE void keys(float *to, int64_t j, int64_t count) const {
    if constexpr (sizeof(typename Stored::Element) == 4) {
      packPanel(to, k.at(j), 1, k.width, D, count);
    } else {
      const int64_t d = roundUp16(D);
      for (int64_t i = 0; i < count; ++i) {
        const auto *from = k.at(j + i);
        const Vec scale = vset(Stored::scaled ? *k.scale(j + i) : 1.0f);
        for (int64_t e = 0; e < D; e += kLanes)
          vstore(rows + i * d + e, vmul(Stored::load(from + e), scale));
      }
      packPanel(to, rows, 1, d, D, count);
    }
  }
  MMK_INLINE void values(float *to, int64_t first, int64_t end,
                         int64_t p) const {
    for (int64_t t = first, n; t < end; t += n, to += n * kPanel) {
      n = v.run(t, end);
      const auto *from = v.at(t) + p;
      const float *scale = Stored::scaled ? v.scale(t) : nullptr;
      if (Dv - p >= kPanel)
        valueRows<true>(to, from, scale, n, kPanel);
      else
        valueRows<false>(to, from, scale, n, Dv - p);
    }
  }
  /// to[i][e] = from[i * width + e] for i < n and e < cols, zero for other e.
  template <bool Full>
  MMK_INLINE void valueRows(float *to, const typename Stored::Element *from,
                            const float *scale, int64_t n, int64_t cols) const {
    for (int64_t i = 0; i < n; ++i, from += v.width, to += kPanel)
      for (int64_t e = 0; e < kPanel; e += kLanes) {
        const int64_t there = minOf(maxOf(cols - e, 0), kLanes);
        Vec x = Full    ? Stored::load(from + e)
                : there ? Stored::loadPart(from + e, there)
                        : vzero();
        vstore(to + e, Stored::scaled ? vmul(x, vset(scale[i])) : x);
      }
  }
};

template <typename Stored>
MMK_NOINLINE void many(const AttentionCell &c, const StateTokens<Stored> &k,
                       const StateTokens<Stored> &v, float *scratch) {
  StateSource<Stored> source = {k, v, c.D, c.Dv, scratch};
  Areas s(c, scratch + kPanel * roundUp16(c.D));
  beginRows<Floats>(c, s);
  attendKeys<Floats>(c, s, source, 1, 0, c.Skv);
  finishRows<Floats>(c, s);
}

template <typename Stored> MMK_INLINE void attend(const MicroCall *call) {
  const int64_t *p = call->params;
  const int64_t heads = p[1], kvHeads = p[2], Sq = p[3], qBlock = p[14];
  const int64_t perCell = p[15];
  AttentionCell c;
  c.takeScores(call);
  c.stride = c.strideOffset = 0;
  c.kRow = c.vRow = 0;
  c.k = c.v = nullptr;
  c.qRow = p[13];
  c.i0 = call->x * qBlock;
  c.rows = minOf(qBlock, Sq - c.i0);
  const int64_t group = heads / kvHeads, cells = ceilDiv(group, perCell);
  const int64_t kvHead = call->y / cells, part = call->y % cells;
  const int64_t head = kvHead * group + part * perCell;
  const int64_t count = minOf(perCell, group - part * perCell);
  c.outer[0] = call->z;
  c.outer[1] = head;
  c.q = static_cast<const float *>(call->tensors[0]) + call->z * p[11] +
        head * p[12] + c.i0 * c.qRow;
  const int64_t place = call->z * kvHeads + kvHead;
  const StateTokens<Stored> k(call->tensors[1], c.D, place);
  const StateTokens<Stored> v(call->tensors[2], c.Dv, place);
  auto *scratch = static_cast<float *>(call->args->scratch);
  if (Sq == 1) {
    few<Stored>(c, {1, 0, p[12]}, count, k, v, scratch);
    return;
  }
  for (int64_t h = 0; h < count; ++h, ++c.outer[1], c.q += p[12]) {
    if (Sq <= 4)
      few<Stored>(c, {0, 1, c.qRow}, c.rows, k, v, scratch);
    else
      many<Stored>(c, k, v, scratch);
  }
}

} // namespace

extern "C" void mmk_attention_state_f32(const MicroCall *call) {
  attend<StoredF32>(call);
}
extern "C" void mmk_attention_state_f16(const MicroCall *call) {
  attend<StoredF16>(call);
}
extern "C" void mmk_attention_state_i8(const MicroCall *call) {
  attend<StoredI8>(call);
}
extern "C" void mmk_attention_state_f8(const MicroCall *call) {
  attend<StoredF8>(call);
}
