//===- Attention.cpp - Softmax attention over packed keys and values ------===//
//
// out[b, h, i, :] = sum over j of softmax_j(scale * q_i . k_j) v_j
//
//   q [.., Sq, D], k [.., Skv, D], v [.., Skv, Dv] f32; D and Dv contiguous,
//   tokens and heads strided, any alignment; nothing is read beyond them.
//
// A cell is one head and q_block queries. Keys come in equal blocks of at most
// kKeyBlock; a block's keys are packed into panels [keys/16][D][16] and its
// values into [Dv/16][keys][16], and all row tiles of the cell pass over them:
//
//   q tile * key panels -> scores [14, keys] -> softmax -> * value panels
//
// Scores of one row tile are all that exists of the score matrix. Blocks and
// tiles that causality, the window or a table of spans leave out are skipped.
// Sums over j run in the order of j inside a block, blocks in order; strided
// keys, which are packed side by side like any others, come after those of the
// window.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Attention.h"
#include "codegen/cpu/kernels/Pack.h"

using namespace mmcc::cpu;

namespace {

/// Scratch areas of a cell.
struct Areas {
  float *keys, *values, *scores, *q, *product, *out;
  RowState *state;
  int64_t dv; // row stride of product and out

  MMK_INLINE Areas(const AttentionCell &c, float *scratch) {
    dv = roundUp16(c.Dv);
    keys = scratch;
    values = keys + kKeyBlock * roundUp16(c.D);
    scores = values + kKeyBlock * dv;
    q = scores + kScratchRows * kScoreRow;
    product = q + kScratchRows * roundUp16(c.D);
    out = product + kScratchRows * dv;
    state = reinterpret_cast<RowState *>(out + roundUp16(c.rows) * dv);
  }
};

/// Row tile [r0, r0 + mr) of the cell over keys [k0, k1) of the packed block
/// that begins at key `base`, all counted in steps.
MMK_NOINLINE void attendTile(const AttentionCell &c, const Areas &s, int64_t r0,
                             int64_t mr, int64_t base, int64_t k0, int64_t k1,
                             int64_t blockKeys, int64_t step) {
  const int64_t i0 = c.i0 + r0;
  // Begin at a pair of panels.
  const int64_t p0 = (k0 - base) / kTileCols * kTileCols;
  const int64_t len = k1 - base - p0;
  const float *pointers[kMaxRows];
  const int64_t d = roundUp16(c.D);
  // Rows a page apart would crowd one set of the cache.
  const bool copy = c.qRow % 1024 == 0;
  for (int64_t r = 0; r < mr; ++r) {
    pointers[r] = c.q + (r0 + r) * c.qRow;
    if (copy) {
      copyRun(s.q + r * d, pointers[r], c.D);
      pointers[r] = s.q + r * d;
    }
  }

  TileArgs t;
  t.rows = pointers;
  t.segs = 1;
  t.segLen = c.D;
  t.bRow = kPanel;
  t.panelStride = c.D * kPanel;
  t.outRow = kScoreRow;
  t.far = reinterpret_cast<const char *>(s.scores);
  t.farStep = 0;
  t.nextRows = t.far;
  t.nextRowsStep = 0;
  for (int64_t j = 0; j < len; j += kTileCols) {
    t.b = s.keys + (p0 + j) * c.D;
    t.out = s.scores + j;
    runTile(mr, minOf(kTilePanels, ceilDiv(len - j, kPanel)), t);
  }
  finishScores(c, i0, (base + p0) * step, mr, len, s.scores, step);

  float carry[kMaxRows];
  bool first = true;
  for (int64_t r = 0; r < mr; ++r) {
    float *row = s.scores + r * kScoreRow;
    RowState &state = s.state[r0 + r];
    first = first && state.sum < 0.0f;
    carry[r] =
        softmaxKeys(row, len, base + p0, c.keys(i0 + r, step), c.factor, state);
    pointers[r] = row;
  }

  float *out = s.out + r0 * s.dv;
  t.segLen = len;
  t.panelStride = blockKeys * kPanel;
  t.outRow = s.dv;
  for (int64_t p = 0; p < s.dv; p += kTileCols) {
    t.b = s.values + p * blockKeys + p0 * kPanel;
    t.out = (first ? out : s.product) + p;
    runTile(mr, minOf(kTilePanels, (s.dv - p) / kPanel), t);
  }
  if (first)
    return;
  const float *product = s.product;
  for (int64_t r = 0; r < mr; ++r, out += s.dv, product += s.dv) {
    Vec f = vset(carry[r]);
    for (int64_t e = 0; e < s.dv; e += kLanes)
      vstore(out + e, vfma(vload(out + e), f, vload(product + e)));
  }
}

/// All row tiles of the cell over the keys [from, to) that they see, in steps
/// of `step`. `from` is a multiple of 32.
MMK_NOINLINE void attendKeys(const AttentionCell &c, const Areas &s,
                             int64_t step, int64_t from, int64_t to) {
  const int64_t count = to - from;
  const int64_t lo = c.keys(c.i0, step).begin;
  const int64_t hi = minOf(c.keys(c.i0 + c.rows - 1, step).end, to);
  const int64_t kRow = c.kRow * step, vRow = c.vRow * step;
  const int64_t blocks = ceilDiv(count, kKeyBlock);
  const int64_t each = roundUp(ceilDiv(count, maxOf(blocks, 1)), 32);
  const int64_t tiles = rowTiles(c.rows, 1);
  for (int64_t base = from; base < hi; base += each) {
    const int64_t end = minOf(base + each, hi);
    // Panels are laid out from the first pair that any row needs.
    int64_t first = base;
    if (lo > base)
      first = base + (lo - base) / 32 * 32;
    if (first >= end)
      continue;
    const int64_t keys = roundUp(end - first, kPanel);
    for (int64_t j = first; j < end; j += kPanel)
      packPanel(s.keys + (j - first) * c.D, c.k + j * kRow, 1, kRow, c.D,
                minOf(kPanel, end - j));
    for (int64_t p = 0; p < s.dv; p += kPanel)
      packPanel(s.values + p * keys, c.v + first * vRow + p, vRow, 1,
                end - first, minOf(kPanel, c.Dv - p));
    for (int64_t t = 0; t < tiles; ++t) {
      int64_t r0 = tileBegin(c.rows, tiles, t);
      int64_t r1 = tileBegin(c.rows, tiles, t + 1);
      int64_t k0 = maxOf(c.keys(c.i0 + r0, step).begin, first);
      int64_t k1 = minOf(c.keys(c.i0 + r1 - 1, step).end, end);
      if (k0 < k1)
        attendTile(c, s, r0, r1 - r0, first, k0, k1, keys, step);
    }
  }
}

/// The keys of the cell's spans only.
MMK_NOINLINE void attendSpans(const AttentionCell &c, const Areas &s,
                              const int32_t *spans, int64_t count) {
  AttentionCell part = c;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t *span = spans + i * 3;
    part.masked = !span[2];
    // A table that is wrong costs sense, never memory.
    const int64_t begin = maxOf(span[0], 0) / 32 * 32;
    attendKeys(part, s, 1, begin, minOf(span[1], c.Skv));
  }
}

MMK_NOINLINE void attendMany(const AttentionCell &c, float *scratch,
                             const int32_t *spans, int64_t count) {
  Areas s(c, scratch);
  // A negative sum: nothing has been carried, out is not written yet.
  for (int64_t r = 0; r < c.rows; ++r)
    s.state[r] = {kMinusInfinity, -1.0f};
  if (count > 0)
    attendSpans(c, s, spans, count);
  else
    attendKeys(c, s, 1, 0, c.Skv);
  if (c.stride > 0)
    attendKeys(c, s, c.stride, 0, ceilDiv(c.Skv, c.stride));
  const int64_t tiles = rowTiles(c.rows, 1);
  for (int64_t t = 0; t < tiles; ++t) {
    int64_t r0 = tileBegin(c.rows, tiles, t);
    int64_t r1 = tileBegin(c.rows, tiles, t + 1);
    for (int64_t r = r0; r < r1; ++r) {
      float sum = s.state[r].sum, *out = s.out + r * s.dv;
      if (sum <= 0.0f)
        zeroRun(out, s.dv);
      else
        scaleRow(out, out, s.dv, s.dv, 1.0f / sum);
    }
    c.call->post(c.call->args, c.outer, c.i0 + r0, 0, r1 - r0, c.Dv,
                 s.out + r0 * s.dv, s.dv);
  }
}

} // namespace

extern "C" void mmk_attention_f32(const MicroCall *call) {
  const int64_t *p = call->params;
  const int64_t group = p[2], Sq = p[3], qBlock = p[20];
  AttentionCell c;
  c.call = call;
  c.outer[0] = call->z;
  c.outer[1] = call->y;
  c.Skv = p[4], c.D = p[5], c.Dv = p[6];
  double scale;
  __builtin_memcpy(&scale, &p[7], sizeof scale);
  // The softmax takes the scale along, unless a block must see its result or
  // it would turn maxima into minima.
  const bool apart = call->score || !(scale > 0.0);
  c.scale = apart ? static_cast<float>(scale) : 1.0f;
  c.factor = apart ? kLog2E : static_cast<float>(scale) * kLog2E;
  c.causal = p[8] != 0;
  c.causalOffset = p[9], c.window = p[10];
  c.qRow = p[13], c.kRow = p[16], c.vRow = p[19];
  c.i0 = call->x * qBlock;
  c.rows = minOf(qBlock, Sq - c.i0);
  const int64_t kvHead = call->y / group;
  c.q = static_cast<const float *>(call->tensors[0]) + call->z * p[11] +
        call->y * p[12] + c.i0 * c.qRow;
  c.k = static_cast<const float *>(call->tensors[1]) + call->z * p[14] +
        kvHead * p[15];
  c.v = static_cast<const float *>(call->tensors[2]) + call->z * p[17] +
        kvHead * p[18];
  c.stride = p[21], c.strideOffset = p[22];
  const int64_t spans = p[23];
  const int32_t *span =
      static_cast<const int32_t *>(call->tensors[3]) + call->x * spans * 3;
  auto *scratch = static_cast<float *>(call->args->scratch);
  if (Sq <= 4)
    attendFew(c, scratch);
  else
    attendMany(c, scratch, span, spans);
}
