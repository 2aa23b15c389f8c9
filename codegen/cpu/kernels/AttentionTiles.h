//===- AttentionTiles.h - Attention with AMX --------------------*- C++ -*-===//
//
// Queries, keys, values and weights are bf16 and meet in tiles, 32 queries at a
// time. Each of the products takes about as long as the softmax, whose rows
// must therefore stay in the first level cache: a tile has 256 keys.
//
//     scores [32, 256] = q [32, D] . pairs of key rows d      [D/2][16][2]
//     out    [32, Dv] += weights [32, 256] . pairs of values  [keys/2][16][2]
//
// What is carried is scaled where it lies, and is what products are added to.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_ATTENTIONTILES_H
#define MMCC_CODEGEN_CPU_KERNELS_ATTENTIONTILES_H

#include "codegen/cpu/kernels/AmxTiles.h"
#include "codegen/cpu/kernels/AttentionMany.h"
#include "codegen/cpu/kernels/RoundedTile.h"
#include "codegen/cpu/kernels/SoftmaxRows.h"

#if defined(__AMX_BF16__)

namespace mmcc::cpu {

struct Tiled {
  static constexpr int64_t kRows = kAmxRows, kKeys = 256, kKeyStep = 32;
  static_assert(kRows <= kScoreRows && kKeyBlock % kKeyStep == 0);
  /// All tiles have 32 rows: those that a last one lacks lie behind the cell's,
  /// and what they hold meets no other row.
  MMK_INLINE static int64_t firstRow(int64_t rows, int64_t, int64_t t) {
    return minOf(t * kRows, rows);
  }

  MMK_INLINE static void begin(const AttentionCell &c, const Areas &s) {
    const int64_t depth = depthOf(c);
    for (int64_t r = 0; r < c.rows; ++r)
      roundRow(c.q + r * c.qRow, c.D, queriesOf(s) + r * depth, depth);
    shapeTiles(kAmxRows, kTileBytes);
  }
  MMK_INLINE static void end() { releaseTiles(); }

  template <typename Source>
  MMK_INLINE static void pack(const AttentionCell &c, const Areas &s,
                              const Source &source, int64_t first, int64_t end,
                              int64_t keys) {
    const int64_t depth = depthOf(c);
    auto *to = reinterpret_cast<uint16_t *>(s.keys);
    for (int64_t j = 0; j < keys; j += kPanel, to += kPanel * depth) {
      const int64_t count = minOf(kPanel, end - first - j);
      if (count > 0)
        source.keys(s.panel, first + j, count);
      pairFloats(s.panel, count > 0 ? c.D : 0, depth, to);
    }
    to = reinterpret_cast<uint16_t *>(s.values);
    for (int64_t p = 0; p < s.dv; p += kPanel)
      for (int64_t j = first; j < first + keys; j += kKeyStep, to += kLine) {
        const int64_t count = minOf(kKeyStep, end - j);
        source.values(s.panel, j, j + count, p);
        pairFloats(s.panel, count, kKeyStep, to);
      }
  }

  MMK_INLINE static void scores(const AttentionCell &c, const Areas &s,
                                const KeyTile &tile) {
    const int64_t depth = depthOf(c), cols = roundUp(tile.len, kPanel);
    const auto *rows = queriesOf(s) + tile.r0 * depth;
    const auto *keys = reinterpret_cast<const uint8_t *>(s.keys);
    if (depth == kTileBytes)
      return scoresHeld(rows, tile.mr, keys + tile.p0 * depth * 2, cols,
                        s.scores);
    TileOperands o;
    o.a = rows;
    o.aRow = depth * 2;
    o.chunk = kTileBytes;
    o.chunks = depth * 2 / kTileBytes;
    for (int64_t j = 0; j < cols; j += kAmxCols) {
      for (int i = 0; i < 2; ++i)
        o.b[i] = keys + (tile.p0 + j + i * kPanel) * depth * 2;
      multiplyBlock<TileType::bf16>(tile.mr, (cols - j) / kPanel, o,
                                    s.scores + j, kScoreRow);
    }
  }

  MMK_INLINE static bool weigh(const AttentionCell &c, const Areas &s,
                               const KeyTile &tile, int64_t first, int64_t step,
                               float *carry) {
    const int64_t keys = roundUp(tile.len, kKeyStep);
    for (int64_t r = 0; r < tile.mr; ++r)
      leaveOut(s.scores + r * kScoreRow, tile.len, keys, first,
               c.keys(c.i0 + tile.r0 + r, step));
    return softmaxTile(s.scores, tile.mr, keys, c.factor, s.state + tile.r0,
                       carry);
  }

  MMK_INLINE static void sums(const Areas &s, const KeyTile &tile,
                              const float *carry) {
    float *out = s.out + tile.r0 * s.dv;
    for (int64_t r = 0; carry && r < tile.mr; ++r)
      if (carry[r] != 1.0f)
        scaleRow(out + r * s.dv, out + r * s.dv, s.dv, s.dv, carry[r]);
    const int64_t keys = roundUp(tile.len, kKeyStep);
    const auto *values = reinterpret_cast<const uint8_t *>(s.values);
    TileOperands o;
    o.a = s.scores;
    o.aRow = kScoreRow * 4;
    o.chunk = kTileBytes;
    o.chunks = keys * 2 / kTileBytes;
    o.add = carry;
    for (int64_t p = 0; p < s.dv; p += kAmxCols) {
      for (int i = 0; i < 2; ++i)
        o.b[i] =
            values + ((p + i * kPanel) * tile.blockKeys + tile.p0 * kPanel) * 2;
      multiplyBlock<TileType::bf16>(tile.mr, (s.dv - p) / kPanel, o, out + p,
                                    s.dv);
    }
  }

private:
  /// All of the cell's, as bf16.
  MMK_INLINE static uint16_t *queriesOf(const Areas &s) {
    return reinterpret_cast<uint16_t *>(s.queries);
  }

  /// Scores of heads of 33 to 64 dims. Two panels of keys stay in four tiles
  /// for all queries, so that each comes from the second level cache once.
  MMK_NOINLINE static void scoresHeld(const uint16_t *queries, int64_t rows,
                                      const uint8_t *keys, int64_t cols,
                                      float *scores) {
    constexpr int64_t row = 2 * kTileBytes, panel = kPanel * row,
                      half = panel / 2, cRow = kScoreRow * 4;
    for (int64_t j = 0; j < cols; j += 2 * kPanel, keys += 2 * panel) {
      const bool two = j + kPanel < cols;
      _tile_loadd(2, keys, kTileBytes);
      _tile_loadd(3, keys + half, kTileBytes);
      if (two) {
        _tile_loadd(4, keys + panel, kTileBytes);
        _tile_loadd(5, keys + panel + half, kTileBytes);
      }
      for (int64_t r = 0; r < rows; r += kTileRows) {
        const uint16_t *q = queries + r * kTileBytes;
        float *to = scores + r * kScoreRow + j;
        _tile_loadd(6, q, row);
        _tile_loadd(7, q + kTileBytes / 2, row);
        _tile_zero(0);
        _tile_dpbf16ps(0, 6, 2);
        _tile_dpbf16ps(0, 7, 3);
        if (two) {
          _tile_zero(1);
          _tile_dpbf16ps(1, 6, 4);
          _tile_dpbf16ps(1, 7, 5);
        }
        _tile_stored(0, to, cRow);
        if (two)
          _tile_stored(1, to + kPanel, cRow);
      }
    }
  }

  /// Scores of what takes no part: -inf, also behind the last key.
  MMK_INLINE static void leaveOut(float *scores, int64_t len, int64_t padded,
                                  int64_t first, const RowKeys &keys) {
    auto clear = [&](int64_t from, int64_t to) {
      for (int64_t j = from; j < to; j += kLanes)
        vstorePart(scores + j, vset(kMinusInfinity), minOf(kLanes, to - j));
    };
    const int64_t a = minOf(maxOf(keys.begin - first, 0), len);
    const int64_t b = minOf(maxOf(keys.end - first, a), len);
    clear(0, a);
    clear(maxOf(keys.holeBegin - first, a), minOf(keys.holeEnd - first, b));
    clear(b, padded);
  }

  static constexpr int64_t kLine = kKeyStep * kPanel;
  /// Of queries and keys: whole chunks, zeros behind.
  MMK_INLINE static int64_t depthOf(const AttentionCell &c) {
    return roundUp(c.D, kTileBytes / 2);
  }
};

} // namespace mmcc::cpu

#endif
#endif // MMCC_CODEGEN_CPU_KERNELS_ATTENTIONTILES_H
