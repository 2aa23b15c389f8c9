//===- AttentionNarrow.h - Attention over rounded operands ------*- C++ -*-===//
//
// What many queries, keys and values are multiplied as (AttentionMany.h) where
// instructions multiply bf16, and bytes. Scores, the softmax and sums are f32.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_ATTENTIONNARROW_H
#define MMCC_CODEGEN_CPU_KERNELS_ATTENTIONNARROW_H

#include "codegen/cpu/kernels/AttentionMany.h"
#include "codegen/cpu/kernels/Int8Sums.h"
#include "codegen/cpu/kernels/RoundedTile.h"

namespace mmcc::cpu {

#if defined(__AVX512BF16__) && defined(__AVX512VNNI__)
/// Queries, keys, values and weights as bf16; scores and sums in f32.
struct Rounded : ByRegisters {
  /// Panels of f32 are rounded one after the other, values by kValueStep keys.
  template <typename Source>
  MMK_INLINE static void pack(const AttentionCell &c, const Areas &s,
                              const Source &source, int64_t first, int64_t end,
                              int64_t keys) {
    float *panel = s.panel;
    auto *to = reinterpret_cast<uint16_t *>(s.keys);
    for (int64_t j = first; j < end; j += kPanel) {
      source.keys(panel, j, minOf(kPanel, end - j));
      pairFloats(panel, c.D, c.D, to + (j - first) * roundUp(c.D, 2));
    }
    packValues(s, source, first, end, keys);
  }

  MMK_INLINE static void scores(const AttentionCell &c, const Areas &s,
                                const KeyTile &tile) {
    auto *rows = reinterpret_cast<uint16_t *>(s.q);
    const int64_t row = roundUp16(c.D);
    for (int64_t r = 0; r < tile.mr; ++r)
      roundRow(c.q + (tile.r0 + r) * c.qRow, c.D, rows + r * row,
               roundUp(c.D, 2));
    const auto *keys = reinterpret_cast<const uint16_t *>(s.keys);
    RoundedTile t = {rows, row, nullptr, c.D};
    for (int64_t j = 0; j < tile.len; j += kPanel) {
      t.panel = keys + (tile.p0 + j) * roundUp(c.D, 2);
      runRounded(tile.mr, t, s.scores + j, kScoreRow);
    }
  }

  MMK_INLINE static bool weigh(const AttentionCell &c, const Areas &s,
                               const KeyTile &tile, int64_t first, int64_t step,
                               float *carry) {
    return weighRows<Weights16>(c, s, tile, first, step, carry);
  }

  MMK_INLINE static void sums(const Areas &s, const KeyTile &tile,
                              const float *carry) {
    float *out = carry ? s.product : s.out + tile.r0 * s.dv;
    const auto *values = reinterpret_cast<const uint16_t *>(s.values);
    RoundedTile t = {reinterpret_cast<const uint16_t *>(s.scores),
                     2 * kScoreRow, nullptr, tile.len};
    for (int64_t p = 0; p < s.dv; p += kPanel) {
      t.panel = values + p * tile.blockKeys + tile.p0 * kPanel;
      runRounded(tile.mr, t, out + p, s.dv);
    }
    if (carry)
      addToCarried(s, tile, carry);
  }

protected:
  template <typename Source>
  MMK_INLINE static void packValues(const Areas &s, const Source &source,
                                    int64_t first, int64_t end, int64_t keys) {
    float *panel = s.panel;
    auto *to = reinterpret_cast<uint16_t *>(s.values);
    for (int64_t p = 0; p < s.dv; p += kPanel)
      for (int64_t j = first; j < end; j += kValueStep) {
        const int64_t count = minOf(kValueStep, end - j);
        source.values(panel, j, j + count, p);
        pairFloats(panel, count, count, to + p * keys + (j - first) * kPanel);
      }
  }

private:
  static constexpr int64_t kValueStep = 32;
};

/// Queries and keys as bytes, each token with a scale of its own; values and
/// weights as Rounded has them: with 8 bits what many small weights add up to
/// would be lost.
///
/// The mean of all keys comes off them before, since what they have in common
/// would take most of the range (Zhang et al., SageAttention, 2024), and what
/// it gives with each query is added to the scores again.
struct Bytes : Rounded {
  MMK_INLINE static void begin(const AttentionCell &c, const Areas &s) {
    float *mean = meanOf(c, s);
    for (int64_t d = 0; d < c.D; d += kLanes) {
      const int64_t n = minOf(kLanes, c.D - d);
      Vec sum = vzero();
      for (int64_t j = 0; j < c.Skv; ++j)
        sum = vadd(sum, vloadPart(c.k + j * c.kRow + d, n));
      vstore(mean + d, vmul(sum, vset(1.0f / float(maxOf(c.Skv, 1)))));
    }
  }

  template <typename Source>
  MMK_INLINE static void pack(const AttentionCell &c, const Areas &s,
                              const Source &source, int64_t first, int64_t end,
                              int64_t keys) {
    float *panel = s.panel, *scales = scalesOf(c, s);
    auto *to = reinterpret_cast<uint8_t *>(s.keys);
    for (int64_t j = first; j < end; j += kPanel) {
      source.keys(panel, j, minOf(kPanel, end - j));
      packKeys(c, panel, meanOf(c, s), to + (j - first) * depthOf(c),
               scales + (j - first));
    }
    packValues(s, source, first, end, keys);
  }

  MMK_INLINE static void scores(const AttentionCell &c, const Areas &s,
                                const KeyTile &tile) {
    Queries queries;
    queries.take(c, s, tile);
    const auto *keys = reinterpret_cast<const uint8_t *>(s.keys);
    for (int64_t j = 0; j < tile.len; j += kPanel)
      run(tile.mr, queries, keys + (tile.p0 + j) * depthOf(c),
          vload(scalesOf(c, s) + tile.p0 + j), s.scores + j);
  }

private:
  /// Of queries and keys: whole lines, zeros behind.
  MMK_INLINE static int64_t depthOf(const AttentionCell &c) {
    return roundUp(c.D, 32);
  }
  MMK_INLINE static float *scalesOf(const AttentionCell &c, const Areas &s) {
    return s.panel + kPanel * (roundUp16(c.D) + 32);
  }
  MMK_INLINE static float *meanOf(const AttentionCell &c, const Areas &s) {
    return scalesOf(c, s) + kKeyBlock;
  }

  static constexpr float kLargest = 127.0f;
  /// What numbers of so large a magnitude are multiplied by; 0 for 0.
  MMK_INLINE static Vec inverseOf(Vec largest) {
    const __mmask16 some = _mm512_cmp_ps_mask(largest, vzero(), _CMP_GT_OQ);
    return _mm512_maskz_div_ps(some, vset(kLargest), largest);
  }
  MMK_INLINE static Vec absolute(Vec x) { return _mm512_abs_ps(x); }

  /// A panel [D][16] less the mean as lines of bytes with 128 added, and the
  /// scale of each column.
  static MMK_NOINLINE void packKeys(const AttentionCell &c, float *panel,
                                    const float *mean, uint8_t *lines,
                                    float *scales) {
    Vec largest = vzero();
    for (int64_t d = 0; d < c.D; ++d) {
      const Vec x = vsub(vload(panel + d * kPanel), vset(mean[d]));
      vstore(panel + d * kPanel, x);
      largest = vmax(largest, absolute(x));
    }
    vstore(scales, vmul(largest, vset(1.0f / kLargest)));
    const Vec inverse = inverseOf(largest);
    for (int64_t d = 0; d < depthOf(c); d += 4, lines += kLineBytes) {
      IVec line = iset32(int32_t(0x80808080));
      for (int64_t i = 0; i < minOf(4, c.D - d); ++i) {
        const IVec number =
            _mm512_cvtps_epi32(vmul(vload(panel + (d + i) * kPanel), inverse));
        line = ixor(line, _mm512_sllv_epi32(iand(number, iset32(255)),
                                            iset32(int32_t(8 * i))));
      }
      _mm512_storeu_si512(lines, line);
    }
  }

  /// A row tile's queries: bytes, what they are multiplied by, 128 times their
  /// sum, and their products with the mean key.
  struct Queries {
    const int8_t *bytes;
    int64_t depth;
    float scale[kMaxRows], common[kMaxRows];
    int32_t over[kMaxRows];

    MMK_INLINE void take(const AttentionCell &c, const Areas &s,
                         const KeyTile &tile) {
      depth = depthOf(c);
      auto *to = reinterpret_cast<int8_t *>(s.q);
      bytes = to;
      for (int64_t r = 0; r < tile.mr; ++r, to += depth)
        takeRow(c, c.q + (tile.r0 + r) * c.qRow, meanOf(c, s), to, r);
    }

    MMK_INLINE void takeRow(const AttentionCell &c, const float *q,
                            const float *mean, int8_t *to, int64_t r) {
      Vec largest = vzero(), product = vzero();
      for (int64_t d = 0; d < c.D; d += kLanes) {
        const int64_t n = minOf(kLanes, c.D - d);
        const Vec x = vloadPart(q + d, n);
        largest = vmax(largest, absolute(x));
        product = vfma(x, vloadPart(mean + d, n), product);
      }
      const float most = vmaxAcross(largest);
      const Vec inverse = inverseOf(vset(most));
      IVec sum = izero();
      for (int64_t d = 0; d < depth; d += kLanes) {
        const int64_t n = minOf(maxOf(c.D - d, 0), kLanes);
        const IVec number =
            _mm512_cvtps_epi32(vmul(vloadPart(q + d, n), inverse));
        sum = iadd32(sum, number);
        _mm_storeu_si128((__m128i *)(to + d), _mm512_cvtepi32_epi8(number));
      }
      scale[r] = most * (1.0f / kLargest);
      over[r] = 128 * isum32(sum);
      common[r] = vsum(product);
    }
  };

  template <int Rows>
  static MMK_NOINLINE void scorePanel(const Queries &q, const uint8_t *lines,
                                      Vec scales, float *out) {
    PanelSums<Rows> sum;
    Sums<Form::Plain, Rows>::add(lines, q.bytes, q.depth, 0, q.depth, sum);
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r) {
      const Vec all = itoFloat(isub32(sum[r][0], iset32(q.over[r])));
      vstore(out + r * kScoreRow,
             vfma(all, vmul(scales, vset(q.scale[r])), vset(q.common[r])));
    }
  }

  template <int Rows = kMaxRows>
  MMK_INLINE static void run(int64_t rows, const Queries &q,
                             const uint8_t *lines, Vec scales, float *out) {
    if constexpr (Rows > 1)
      if (rows < Rows)
        return run<Rows - 1>(rows, q, lines, scales, out);
    scorePanel<Rows>(q, lines, scales, out);
  }
};

#else
using Rounded = Floats;
using Bytes = Floats;
#endif

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_ATTENTIONNARROW_H
