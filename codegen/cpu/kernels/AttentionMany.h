//===- AttentionMany.h - Attention over packed keys and values --*- C++ -*-===//
//
// A cell is one head and q_block queries. Keys come in equal blocks of at most
// kKeyBlock; a block's keys are packed into panels [keys/16][D][16] and its
// values into [Dv/16][keys][16], and all row tiles of the cell pass over them:
//
//   q tile * key panels -> scores [14, keys] -> softmax -> * value panels
//
// Scores of one row tile are all that exists of the score matrix. Blocks and
// tiles that causality or the window leave out are skipped. Sums over j run in
// the order of j inside a block, blocks in order.
//
// Where keys and values come from is the caller's: a Source packs them. What
// they are multiplied as is said by Floats, or by what AttentionNarrow.h has.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_ATTENTIONMANY_H
#define MMCC_CODEGEN_CPU_KERNELS_ATTENTIONMANY_H

#include "codegen/cpu/kernels/Attention.h"

namespace mmcc::cpu {

/// Scratch areas of a cell.
struct Areas {
  float *keys, *values, *scores, *q, *product, *out;
  /// All queries of the cell in 16 bits, their depth in steps of 32.
  float *queries;
  /// A panel of floats before it is rounded, then a number each key and head
  /// dim.
  float *panel;
  RowState *state;
  int64_t dv; // row stride of product and out

  MMK_INLINE Areas(const AttentionCell &c, float *scratch) {
    const int64_t d = roundUp16(c.D);
    dv = roundUp16(c.Dv);
    keys = scratch;
    values = keys + kKeyBlock * d;
    scores = values + kKeyBlock * dv;
    q = scores + kScoreRows * kScoreRow;
    product = q + kScoreRows * d;
    panel = product + kScoreRows * dv;
    out = panel + kPanel * (d + 32) + kKeyBlock + d;
    queries = out + roundUp(c.rows, kScoreRows) * dv;
    state = reinterpret_cast<RowState *>(queries + roundUp(c.rows, kScoreRows) *
                                                       roundUp(c.D, 32) / 2);
  }
};

/// Some row tile of the cell and the packed keys that it meets: `len` from
/// place p0 of a block of blockKeys on.
struct KeyTile {
  int64_t r0, mr, p0, len, blockKeys;
};

/// Turns the scores of a tile's rows into weights, in their place; their
/// columns stand for the keys from `first` on, in steps. Returns whether
/// anything was carried, and what is left of it by row.
template <typename Weights>
MMK_INLINE bool weighRows(const AttentionCell &c, const Areas &s,
                          const KeyTile &tile, int64_t first, int64_t step,
                          float *carry) {
  bool carried = false;
  for (int64_t r = 0; r < tile.mr; ++r) {
    RowState &state = s.state[tile.r0 + r];
    carried = carried || !(state.sum < 0.0f);
    carry[r] =
        softmaxKeys<Weights>(s.scores + r * kScoreRow, tile.len, first,
                             c.keys(c.i0 + tile.r0 + r, step), c.factor, state);
  }
  return carried;
}

/// What was carried times `carry`, plus product.
MMK_INLINE void addToCarried(const Areas &s, const KeyTile &tile,
                             const float *carry) {
  float *out = s.out + tile.r0 * s.dv;
  const float *product = s.product;
  for (int64_t r = 0; r < tile.mr; ++r, out += s.dv, product += s.dv) {
    Vec f = vset(carry[r]);
    for (int64_t e = 0; e < s.dv; e += kLanes)
      vstore(out + e, vfma(vload(out + e), f, vload(product + e)));
  }
}

/// What forms of register tiles have in common.
struct ByRegisters {
  /// The most rows and keys of a tile; keys are packed by kKeyStep.
  static constexpr int64_t kRows = kMaxRows, kKeys = kKeyBlock,
                           kKeyStep = kPanel;
  MMK_INLINE static int64_t firstRow(int64_t rows, int64_t tiles, int64_t t) {
    return tileBegin(rows, tiles, t);
  }

  /// Before the first keys of a cell, and behind the last.
  MMK_INLINE static void begin(const AttentionCell &, const Areas &) {}
  MMK_INLINE static void end() {}
};

/// Keys, values and softmax in f32.
struct Floats : ByRegisters {
  template <typename Source>
  MMK_INLINE static void pack(const AttentionCell &c, const Areas &s,
                              const Source &source, int64_t first, int64_t end,
                              int64_t keys) {
    for (int64_t j = first; j < end; j += kPanel)
      source.keys(s.keys + (j - first) * c.D, j, minOf(kPanel, end - j));
    for (int64_t p = 0; p < s.dv; p += kPanel)
      source.values(s.values + p * keys, first, end, p);
  }

  MMK_INLINE static void scores(const AttentionCell &c, const Areas &s,
                                const KeyTile &tile) {
    const float *pointers[kMaxRows];
    const int64_t d = roundUp16(c.D);
    // Rows a page apart would crowd one set of the cache.
    const bool copy = c.qRow % 1024 == 0;
    for (int64_t r = 0; r < tile.mr; ++r) {
      pointers[r] = c.q + (tile.r0 + r) * c.qRow;
      if (copy) {
        copyRun(s.q + r * d, pointers[r], c.D);
        pointers[r] = s.q + r * d;
      }
    }
    TileArgs t = argsOf(s, pointers);
    t.segLen = c.D;
    t.panelStride = c.D * kPanel;
    t.outRow = kScoreRow;
    for (int64_t j = 0; j < tile.len; j += kTileCols) {
      t.b = s.keys + (tile.p0 + j) * c.D;
      t.out = s.scores + j;
      runTile(tile.mr, minOf(kTilePanels, ceilDiv(tile.len - j, kPanel)), t);
    }
  }

  MMK_INLINE static bool weigh(const AttentionCell &c, const Areas &s,
                               const KeyTile &tile, int64_t first, int64_t step,
                               float *carry) {
    return weighRows<Weights32>(c, s, tile, first, step, carry);
  }

  /// Adds the values times the weights to what is carried, of which `carry`
  /// says what is left; null if there is nothing yet.
  MMK_INLINE static void sums(const Areas &s, const KeyTile &tile,
                              const float *carry) {
    float *out = carry ? s.product : s.out + tile.r0 * s.dv;
    const float *pointers[kMaxRows];
    for (int64_t r = 0; r < tile.mr; ++r)
      pointers[r] = s.scores + r * kScoreRow;
    TileArgs t = argsOf(s, pointers);
    t.segLen = tile.len;
    t.panelStride = tile.blockKeys * kPanel;
    t.outRow = s.dv;
    for (int64_t p = 0; p < s.dv; p += kTileCols) {
      t.b = s.values + p * tile.blockKeys + tile.p0 * kPanel;
      t.out = out + p;
      runTile(tile.mr, minOf(kTilePanels, (s.dv - p) / kPanel), t);
    }
    if (carry)
      addToCarried(s, tile, carry);
  }

private:
  MMK_INLINE static TileArgs argsOf(const Areas &s, const float **pointers) {
    TileArgs t;
    t.rows = pointers;
    t.segs = 1;
    t.bRow = kPanel;
    t.far = reinterpret_cast<const char *>(s.scores);
    t.farStep = 0;
    t.nextRows = t.far;
    t.nextRowsStep = 0;
    return t;
  }
};

/// Row tile [r0, r0 + mr) of the cell over keys [k0, k1) of the packed block
/// that begins at key `base`, all counted in steps.
template <typename Numbers>
MMK_NOINLINE inline void attendTile(const AttentionCell &c, const Areas &s,
                                    int64_t r0, int64_t mr, int64_t base,
                                    int64_t k0, int64_t k1, int64_t blockKeys,
                                    int64_t step) {
  const int64_t i0 = c.i0 + r0;
  // Begin at a pair of panels.
  const int64_t p0 = (k0 - base) / kTileCols * kTileCols;
  const int64_t len = k1 - base - p0;
  const KeyTile tile = {r0, mr, p0, len, blockKeys};
  Numbers::scores(c, s, tile);
  finishScores(c, i0, (base + p0) * step, mr, len, s.scores, step);

  float carry[Numbers::kRows];
  const bool carried = Numbers::weigh(c, s, tile, base + p0, step, carry);
  Numbers::sums(s, tile, carried ? carry : nullptr);
}

/// All row tiles of the cell over the keys [from, to) that they see, in steps
/// of `step`. `from` is a multiple of 32. A Source has
///
///   keys(to, j, count)            keys j to j + count, at most 16, as a panel
///                                 [D][16] that is zero beyond them
///   values(to, first, end, p)     columns [p, p + 16) of the values of keys
///                                 first to end as [end - first][16], likewise
///
/// with keys counted in steps, j a multiple of 16 from a multiple of 32 on.
template <typename Numbers, typename Source>
MMK_NOINLINE void attendKeys(const AttentionCell &c, const Areas &s,
                             const Source &source, int64_t step, int64_t from,
                             int64_t to) {
  const int64_t count = to - from;
  const int64_t lo = c.keys(c.i0, step).begin;
  const int64_t hi = minOf(c.keys(c.i0 + c.rows - 1, step).end, to);
  const int64_t blocks = ceilDiv(count, kKeyBlock);
  const int64_t each = roundUp(ceilDiv(count, maxOf(blocks, 1)), 32);
  const int64_t tiles = ceilDiv(c.rows, Numbers::kRows);
  for (int64_t base = from; base < hi; base += each) {
    const int64_t end = minOf(base + each, hi);
    // Panels are laid out from the first pair that any row needs.
    int64_t first = base;
    if (lo > base)
      first = base + (lo - base) / 32 * 32;
    if (first >= end)
      continue;
    const int64_t keys = roundUp(end - first, Numbers::kKeyStep);
    Numbers::pack(c, s, source, first, end, keys);
    for (int64_t t = 0; t < tiles; ++t) {
      int64_t r0 = Numbers::firstRow(c.rows, tiles, t);
      int64_t r1 = Numbers::firstRow(c.rows, tiles, t + 1);
      int64_t k0 = maxOf(c.keys(c.i0 + r0, step).begin, first);
      int64_t k1 = minOf(c.keys(c.i0 + r1 - 1, step).end, end);
      for (int64_t k = k0; k < k1;) {
        // Cut where a pair of panels begins.
        const int64_t next =
            minOf(first + roundUp(k + 1 - first, 32) - 32 + Numbers::kKeys, k1);
        attendTile<Numbers>(c, s, r0, r1 - r0, first, k, next, keys, step);
        k = next;
      }
    }
  }
}

/// Before the first keys: a negative sum says that nothing has been carried,
/// out is not written yet.
template <typename Numbers>
MMK_INLINE void beginRows(const AttentionCell &c, const Areas &s) {
  Numbers::begin(c, s);
  for (int64_t r = 0; r < c.rows; ++r)
    s.state[r] = {kMinusInfinity, -1.0f};
}

/// After the last: divides by the sums and hands the rows over.
template <typename Numbers>
MMK_INLINE void finishRows(const AttentionCell &c, const Areas &s) {
  Numbers::end();
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

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_ATTENTIONMANY_H
