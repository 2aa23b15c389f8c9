//===- GemmStored.cpp - Floats times weights stored as narrower floats ----===//
//
// out[b, m, n] = sum over k of a[b, m, k] * w[k, n] * scale[g, n],
//                g = k / group
//
//   a [B, M, K] f32, or bf16 (gemm_bf16_bf16), f16 (gemm_f16_f16), or f8e4m3
//     with a scale a row (gemm_f8_f8), K contiguous, any alignment
//   w panels [ceil(N/16)][K][16] of f16, f8e4m3 or f8e5m2 (Stored.h), or, of
//     bf16, pairs [ceil(N/16)][ceil(K/2)][16][2]
//   scale [ceil(N/16)][K/group][16] f32, for f8; else w has none
//
// Products and sums are of f32. Rows of bf16 become f32 a tile at a time
// where no instruction multiplies them (else RoundedRows.h), those of f16 where
// no tiles multiply their halves (else SplitRows.h), and so do those of f8,
// times their scale: no level has an instruction for these. For f8, K is a
// multiple of 32 and of group, group a multiple of 32. Nothing is read beyond
// the rows of a and the panels. n_block is a multiple of 32.
//
// 16 weights of one row of K lie together, which one or two widening loads
// want. Of bf16 two rows do, as the instructions want them: a shift makes f32
// of the one, a mask of the other. (The lines of NarrowPanel.h are for
// integers.)
//
// Few rows meet weights that are widened in registers beside the
// multiplications. 16 bits are so where they lie; 8 bits take more, and become
// f16 first, some rows of K at a time: a conversion reads f16 from memory for
// less than it takes to bring bytes into half a register. Many rows meet
// widened panels (WidenedPanels.h).
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/RoundedRows.h"
#include "codegen/cpu/kernels/SplitRows.h"
#include "codegen/cpu/kernels/Stored.h"
#include "codegen/cpu/kernels/WidenedPanels.h"

#include <type_traits>

using namespace mmcc::cpu;

namespace {

constexpr int kVecs = kPanel / kLanes;
/// Rows whose sums stay in registers. Pairs give two rows of weights at once.
template <bool Pairs>
constexpr int kDirectTile = kVecs == 1 ? 8
                            : Pairs    ? 5
                                       : 6;
/// Rows of K that become f16 at a time: half of the first level cache.
constexpr int64_t kStagedRows = 256;

template <typename Stored> struct Weights {
  using Element = typename Stored::Element;
  const Element *w;
  const float *scale; // unused if not scaled
  int64_t K, group;   // not scaled: one group

  static constexpr int64_t kRowBytes = kPanel * sizeof(Element);
  static constexpr bool kPairs = std::is_same_v<Stored, StoredBF16>;
  /// k is even if rows are in pairs.
  const Element *at(int64_t panel, int64_t k) const {
    return w + (panel * (kPairs ? roundUp(K, 2) : K) + k) * kPanel;
  }
  void widen(int64_t panel, int64_t k0, int64_t chunk, float *to) const;
  /// The factor of group g of a panel, vector v of its columns.
  MMK_INLINE Vec factor(int64_t panel, int64_t g, int v) const {
    if constexpr (Stored::scaled)
      return vmul(
          vload(scale + (panel * (K / group) + g) * kPanel + v * kLanes),
          vset(Stored::kUnit));
    else
      return vset(1.0f);
  }
};

//===----------------------------------------------------------------------===//
// Widened panels
//===----------------------------------------------------------------------===//

/// Both rows of a line of pairs, one vector of its columns.
struct PairRows {
  Vec first, second;
  MMK_INLINE explicit PairRows(const void *line) {
    const IVec both = iload(line);
    first = iasFloat(ishl32<16>(both));
    second = iasFloat(iand(both, iset32(int32_t(0xffff0000))));
  }
};

template <>
void Weights<StoredBF16>::widen(int64_t panel, int64_t k0, int64_t chunk,
                                float *to) const {
  const uint16_t *line = at(panel, k0);
  for (int64_t k = 0; k < chunk; k += 2, line += 2 * kPanel, to += 2 * kPanel)
#pragma clang loop unroll(full)
    for (int v = 0; v < kVecs; ++v) {
      const PairRows rows(line + v * 2 * kLanes);
      vstore(to + v * kLanes, rows.first);
      if (k + 1 < chunk)
        vstore(to + kPanel + v * kLanes, rows.second);
    }
}

template <typename Stored>
void Weights<Stored>::widen(int64_t panel, int64_t k0, int64_t chunk,
                            float *to) const {
  const Element *row = at(panel, k0);
  for (int64_t k = k0; k < k0 + chunk;) {
    const int64_t g = k / group, end = minOf((g + 1) * group, k0 + chunk);
    Vec scales[kVecs];
#pragma clang loop unroll(full)
    for (int v = 0; v < kVecs; ++v)
      scales[v] = factor(panel, g, v);
#pragma clang loop unroll_count(4)
    for (; k < end; ++k, row += kPanel, to += kPanel)
#pragma clang loop unroll(full)
      for (int v = 0; v < kVecs; ++v) {
        Vec weight = Stored::load(row + v * kLanes);
        vstore(to + v * kLanes,
               Stored::scaled ? vmul(weight, scales[v]) : weight);
      }
  }
}

//===----------------------------------------------------------------------===//
// Tiles that widen
//===----------------------------------------------------------------------===//

/// Some rows of K of a panel, in 16 bits, and what they meet.
struct Direct {
  const uint16_t *panel;
  /// Fetched meanwhile, aheadStep bytes a row.
  const char *ahead;
  int64_t aheadStep;
  const float *const *rows;
  int64_t k0, depth;
  Vec factor[kVecs];
  /// Whether the sums begin.
  bool first;
};

/// Adds a row of K, `weight`, times Rows elements of a.
template <int Rows>
MMK_INLINE void meetRow(const Vec (&weight)[kVecs], const float *const *a,
                        int64_t k, Vec (&sum)[Rows][kVecs]) {
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r) {
    Vec x = vset(a[r][k]);
#pragma clang loop unroll(full)
    for (int v = 0; v < kVecs; ++v)
      sum[r][v] = vfma(x, weight[v], sum[r][v]);
  }
}

/// Rows k and k+1 of a panel.
template <typename Half>
MMK_INLINE void loadRows(const uint16_t *rows, Vec (&first)[kVecs],
                         Vec (&second)[kVecs]) {
#pragma clang loop unroll(full)
  for (int v = 0; v < kVecs; ++v)
    if constexpr (Weights<Half>::kPairs) {
      const PairRows both(rows + v * 2 * kLanes);
      first[v] = both.first;
      second[v] = both.second;
    } else {
      first[v] = Half::load(rows + v * kLanes);
      second[v] = Half::load(rows + kPanel + v * kLanes);
    }
}

/// Row k, the last of an odd number.
template <typename Half>
MMK_INLINE void loadLast(const uint16_t *row, Vec (&last)[kVecs]) {
#pragma clang loop unroll(full)
  for (int v = 0; v < kVecs; ++v)
    if constexpr (Weights<Half>::kPairs)
      last[v] = PairRows(row + v * 2 * kLanes).first;
    else
      last[v] = Half::load(row + v * kLanes);
}

template <typename Half, int Rows>
void directTile(const Direct &d, float *out) {
  constexpr int Split = Rows == 1 ? 4 : Rows <= 3 ? 2 : 1, Step = 4;
  const float *a[Rows];
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
    a[r] = d.rows[r] + d.k0;
  Vec sum[Split][Rows][kVecs];
#pragma clang loop unroll(full)
  for (int s = 0; s < Split; ++s)
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
      for (int v = 0; v < kVecs; ++v)
        sum[s][r][v] = vzero();
  const uint16_t *row = d.panel;
  const char *ahead = d.ahead;
  int64_t k = 0;
  for (; k + Step <= d.depth; k += Step, row += Step * kPanel) {
    _mm_prefetch(ahead, _MM_HINT_T0);
    _mm_prefetch(ahead + 2 * d.aheadStep, _MM_HINT_T0);
    ahead += Step * d.aheadStep;
#pragma clang loop unroll(full)
    for (int u = 0; u < Step; u += 2) {
      Vec first[kVecs], second[kVecs];
      loadRows<Half>(row + u * kPanel, first, second);
      meetRow<Rows>(first, a, k + u, sum[u % Split]);
      meetRow<Rows>(second, a, k + u + 1, sum[(u + 1) % Split]);
    }
  }
#pragma clang loop unroll(disable)
  for (; k + 2 <= d.depth; k += 2, row += 2 * kPanel) {
    Vec first[kVecs], second[kVecs];
    loadRows<Half>(row, first, second);
    meetRow<Rows>(first, a, k, sum[0]);
    meetRow<Rows>(second, a, k + 1, sum[0]);
  }
  if (k < d.depth) {
    Vec last[kVecs];
    loadLast<Half>(row, last);
    meetRow<Rows>(last, a, k, sum[0]);
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
    for (int v = 0; v < kVecs; ++v) {
      Vec all = sum[0][r][v];
#pragma clang loop unroll(full)
      for (int s = 1; s < Split; ++s)
        all = vadd(all, sum[s][r][v]);
      float *to = out + r * kPostCols + v * kLanes;
      vstore(to, vfma(d.factor[v], all, d.first ? vzero() : vload(to)));
    }
}

template <typename Half>
void runDirect(int64_t rows, const Direct &d, float *out) {
  switch (rows) {
#define MMK_ROWS(R)                                                            \
  case R:                                                                      \
    return directTile<Half, R>(d, out);
    MMK_ROWS(1)
    MMK_ROWS(2)
    MMK_ROWS(3)
    MMK_ROWS(4)
    MMK_ROWS(5)
    MMK_ROWS(6)
#if defined(__AVX512F__)
    MMK_ROWS(7)
    MMK_ROWS(8)
#endif
#undef MMK_ROWS
  }
}

/// Bytes of a panel's rows as f16.
template <typename Stored>
void stageHalves(const uint8_t *from, int64_t rows, uint16_t *to) {
#pragma clang loop unroll_count(4)
  for (int64_t k = 0; k < rows; ++k, from += kPanel, to += kPanel)
    _mm256_storeu_si256((__m256i *)to,
                        Stored::halves(_mm_loadu_si128((const __m128i *)from)));
}

/// All `count` rows times one panel. `stage` holds kStagedRows of f16.
template <typename Stored>
void directPanel(const Weights<Stored> &w, int64_t panel,
                 const float *const *rows, int64_t count, uint16_t *stage,
                 float *out) {
  constexpr int64_t most = kDirectTile<Weights<Stored>::kPairs>;
  const int64_t tiles = ceilDiv(count, most);
  Direct d;
  d.aheadStep = Weights<Stored>::kRowBytes;
  int64_t k = 0;
  do {
    const int64_t g = k / w.group;
    const auto *row = w.at(panel, k);
    d.k0 = k;
    d.first = k == 0;
    d.depth = minOf((g + 1) * w.group, w.K) - k;
    int64_t aheadBytes = 2048;
#pragma clang loop unroll(full)
    for (int v = 0; v < kVecs; ++v)
      d.factor[v] = w.factor(panel, g, v);
    if constexpr (Stored::scaled) {
      d.depth = minOf(d.depth, kStagedRows);
      stageHalves<Stored>(row, d.depth, stage);
      d.panel = stage;
      aheadBytes = d.depth * kPanel; // what is staged next
    } else {
      d.panel = row;
    }
    d.ahead = reinterpret_cast<const char *>(row) + aheadBytes;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t r0 = tileBegin(count, tiles, t);
      d.rows = rows + r0;
      using Half = std::conditional_t<Stored::scaled, StoredF16, Stored>;
      runDirect<Half>(tileBegin(count, tiles, t + 1) - r0, d,
                      out + r0 * kPostCols);
    }
    k += d.depth;
  } while (k < w.K);
}

/// A cell of at most kScratchRows rows.
template <typename Rows, typename Stored>
void multiplyDirect(const MicroCall *call, const NarrowCell &cell,
                    const Rows &a, const Weights<Stored> &w) {
  const int64_t outer[1] = {call->z};
  auto *tile = static_cast<float *>(call->args->scratch);
  auto *stage = reinterpret_cast<uint16_t *>(tile + kScratchRows * kPostCols);
  const float *rows[kScratchRows];
  a.take(0, cell.rows, 0, cell.depth, rows);
  for (int64_t n = cell.n0; n < cell.n1; n += kPostCols) {
    const int64_t cols = minOf(kPostCols, cell.n1 - n);
    for (int64_t c = 0; c < cols; c += kPanel)
      directPanel(w, (n + c) / kPanel, rows, cell.rows, stage, tile + c);
    call->post(call->args, outer, cell.m0, n, cell.rows, cols, tile, kPostCols);
  }
}

/// Rows of 16 bits or f8, widened where a tile is about to meet them.
template <typename Stored> struct RowsWidened {
  using Element = typename Stored::Element;
  const Element *a;
  int64_t aRow;
  float *wide; // [kScratchRows][K + 16]
  /// One a row, sRow apart; not read if not scaled.
  const float *scale = nullptr;
  int64_t sRow = 0;

  static constexpr int64_t kBytes = sizeof(Element);
  const Element *at(int64_t r, int64_t k) const { return a + r * aRow + k; }
  void take(int64_t r0, int64_t mr, int64_t k0, int64_t chunk,
            const float **pointers) const {
    for (int64_t r = 0; r < mr; ++r) {
      float *to = wide + r * stride(chunk);
      pointers[r] = to;
      if constexpr (Stored::scaled)
        widenRow(at(r0 + r, k0), chunk, scale[(r0 + r) * sRow] * Stored::kUnit,
                 to);
      else
        widenRow(at(r0 + r, k0), chunk, to);
    }
  }
  int64_t stride(int64_t chunk) const {
    return chunk + (chunk % 1024 ? 0 : 16);
  }

private:
  static void widenRow(const uint8_t *from, int64_t n, float factor,
                       float *to) {
    for (int64_t i = 0; i < n; i += kLanes)
      vstore(to + i, vmul(Stored::loadAny(from + i), vset(factor)));
  }
  static void widenRow(const uint16_t *from, int64_t n, float *to) {
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes)
      vstore(to + i, Stored::load(from + i));
    if (i == n)
      return;
    alignas(64) uint16_t last[kLanes] = {};
    __builtin_memcpy(last, from + i, (n - i) * 2);
    vstorePart(to + i, Stored::load(last), n - i);
  }
};

/// What every row of the table begins with, and gemm_f8_f8 goes on with.
enum { B, M, N, K, ABatch, ARow, SBatch, SRow };

NarrowCell cellOf(const MicroCall *call, int64_t mBlock, int64_t nBlock) {
  const int64_t *p = call->params;
  const int64_t m0 = call->y * mBlock, n0 = call->x * nBlock;
  return {m0, minOf(mBlock, p[M] - m0), n0, minOf(n0 + nBlock, p[N]), p[K]};
}

/// The cell's first element of a.
template <typename Element>
const Element *rowsOf(const MicroCall *call, const NarrowCell &cell) {
  const int64_t *p = call->params;
  return static_cast<const Element *>(call->tensors[0]) + call->z * p[ABatch] +
         cell.m0 * p[ARow];
}

template <typename Rows, typename Stored>
void multiply(const MicroCall *call, const NarrowCell &cell, const Rows &rows,
              const Weights<Stored> &w) {
  if (cell.rows <= kScratchRows)
    multiplyDirect(call, cell, rows, w);
  else
    multiplyWidened(call, cell, rows, w);
}

template <typename Stored>
void multiplyFloats(const MicroCall *call, const NarrowCell &cell,
                    const Weights<Stored> &w) {
  multiply(call, cell,
           RowsInPlace{rowsOf<float>(call, cell), call->params[ARow]}, w);
}

/// B, M, N, K, a_batch, a_row, m_block, n_block
template <typename Stored> void plain(const MicroCall *call) {
  const int64_t *p = call->params;
  const auto *w = static_cast<const uint16_t *>(call->tensors[1]);
  multiplyFloats<Stored>(call, cellOf(call, p[6], p[7]),
                         {w, nullptr, p[K], maxOf(p[K], 1)});
}

/// B, M, N, K, a_batch, a_row, group, m_block, n_block
template <typename Stored> void scaled(const MicroCall *call) {
  const int64_t *p = call->params;
  const auto *w = static_cast<const uint8_t *>(call->tensors[1]);
  const auto *scale = static_cast<const float *>(call->tensors[2]);
  multiplyFloats<Stored>(call, cellOf(call, p[7], p[8]),
                         {w, scale, p[K], p[6]});
}

/// Rows and weights of 16 bits, both widened.
template <typename Stored>
void multiplyRows16(const MicroCall *call, const NarrowCell &cell,
                    const uint16_t *a, const uint16_t *w) {
  const int64_t *p = call->params;
  auto *wide = static_cast<float *>(call->args->scratch) +
               gemmNarrowScratchBytes(cell.depth, p[6]) / 4;
  multiply(call, cell, RowsWidened<Stored>{a, p[ARow], wide},
           Weights<Stored>{w, nullptr, cell.depth, maxOf(cell.depth, 1)});
}

} // namespace

extern "C" void mmk_gemm_f32_bf16(const MicroCall *call) {
  plain<StoredBF16>(call);
}
extern "C" void mmk_gemm_bf16_bf16(const MicroCall *call) {
  const int64_t *p = call->params;
  const NarrowCell cell = cellOf(call, p[6], p[7]);
  const auto *a = rowsOf<uint16_t>(call, cell);
  const auto *w = static_cast<const uint16_t *>(call->tensors[1]);
#if defined(__AVX512BF16__)
  multiplyRounded(
      call, {a, p[ARow], cell.m0, cell.rows, cell.n0, cell.n1, cell.depth, w});
#else
  multiplyRows16<StoredBF16>(call, cell, a, w);
#endif
}
extern "C" void mmk_gemm_f32_f16(const MicroCall *call) {
  plain<StoredF16>(call);
}
extern "C" void mmk_gemm_f16_f16(const MicroCall *call) {
  const int64_t *p = call->params;
  const NarrowCell cell = cellOf(call, p[6], p[7]);
  const auto *a = rowsOf<uint16_t>(call, cell);
  const auto *w = static_cast<const uint16_t *>(call->tensors[1]);
#if defined(__AMX_BF16__)
  if (cell.rows >= kSplitLeastRows)
    return multiplySplit(call, {a, p[ARow], cell.m0, cell.rows, cell.n0,
                                cell.n1, cell.depth, w});
#endif
  multiplyRows16<StoredF16>(call, cell, a, w);
}
extern "C" void mmk_gemm_f32_f8e4m3(const MicroCall *call) {
  scaled<StoredF8>(call);
}
extern "C" void mmk_gemm_f8_f8(const MicroCall *call) {
  const int64_t *p = call->params;
  const NarrowCell cell = cellOf(call, p[8], p[9]);
  const auto *w = static_cast<const uint8_t *>(call->tensors[2]);
  const auto *scale = static_cast<const float *>(call->tensors[3]);
  const auto *rowScale = static_cast<const float *>(call->tensors[1]) +
                         call->z * p[SBatch] + cell.m0 * p[SRow];
  auto *wide = static_cast<float *>(call->args->scratch) +
               gemmNarrowScratchBytes(cell.depth, p[8]) / 4;
  multiply(call, cell,
           RowsWidened<StoredF8>{rowsOf<uint8_t>(call, cell), p[ARow], wide,
                                 rowScale, p[SRow]},
           Weights<StoredF8>{w, scale, cell.depth, cell.depth});
}
extern "C" void mmk_gemm_f32_f8e5m2(const MicroCall *call) {
  scaled<StoredF8E5M2>(call);
}
