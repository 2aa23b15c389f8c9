//===- GemmNarrow.cpp - Floats times 4-bit and 8-bit weights --------------===//
//
// out[b, m, n] = sum over k of a[b, m, k] * (w[k, n] - zero[g, n]) *
//                scale[g, n],   g = k / group
//
//   a [B, M, K] f32, K contiguous, any alignment, read in place
//   w panels of NarrowPanel.h; scale, zero [ceil(N/16)][K/group][16] f32
//
// K is a multiple of 32 and of group, group a multiple of 32. Nothing is read
// beyond the rows of a. n_block is a multiple of 32.
//
// A few rows are bound by the stream of weights: each line is unpacked in
// registers and meets the rows at once, and scales apply to the sums of a
// group. Many rows are bound by arithmetic, and meet panels that were unpacked
// to f32 (WidenedPanels.h).
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/NarrowPanel.h"
#include "codegen/cpu/kernels/WidenedPanels.h"

using namespace mmcc::cpu;

namespace {

struct Weights {
  const uint8_t *w;
  const float *scale, *zero; // zero: null if implied
  int64_t K, group;

  int64_t groups() const { return K / group; }
  template <int Bits> const uint8_t *panel(int64_t index) const {
    return w + index * (K / kLineRows<Bits>)*kLineBytes;
  }
};

/// A row of a as its fields want it, and the sums of its groups.
template <int Bits>
void prepareRow(const float *a, const Weights &w, float *fields, float *sums) {
  constexpr int64_t rows = kLineRows<Bits>;
  for (int64_t k = 0; k < w.K; k += rows)
#pragma clang loop unroll(full)
    for (int64_t i = 0; i < rows; ++i)
      fields[k + i] = a[k + rowOfField<Bits>(i)] * powerOfField<Bits>(i);
  for (int64_t g = 0; g < w.groups(); ++g) {
    Vec sum = vzero();
    for (int64_t k = 0; k < w.group; k += kLanes)
      sum = vadd(sum, vload(a + g * w.group + k));
    sums[g] = vsum(sum);
  }
}

template <int Bits, int Rows, int Split, int I>
MMK_INLINE void meetFields(const float *const *fields, int64_t k, IVec lanes,
                           Vec (&sum)[Split][Rows]) {
  if constexpr (I < kLineRows<Bits>) {
    Vec weight = fieldTimesPower<Bits, I>(lanes);
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r)
      sum[I % Split][r] =
          vfma(vset(fields[r][k + I]), weight, sum[I % Split][r]);
    meetFields<Bits, Rows, Split, I + 1>(fields, k, lanes, sum);
  }
}

/// One panel times Rows prepared rows.
template <int Bits, int Rows>
void fewPanel(const Weights &w, int64_t panel, const float *const *fields,
              const float *const *sums, float *out) {
  constexpr int Split = Rows == 1 ? 4 : Rows == 2 ? 2 : 1;
  const uint8_t *line = w.panel<Bits>(panel);
  const float *scale = w.scale + panel * w.groups() * kPanel;
  const float *zero = w.zero ? w.zero + panel * w.groups() * kPanel : nullptr;
  Vec total[Rows][kPanelVecs];
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
    for (int v = 0; v < kPanelVecs; ++v)
      total[r][v] = vzero();
  for (int64_t g = 0; g < w.groups(); ++g) {
    Vec sum[kPanelVecs][Split][Rows];
#pragma clang loop unroll(full)
    for (int v = 0; v < kPanelVecs; ++v)
#pragma clang loop unroll(full)
      for (int s = 0; s < Split; ++s)
#pragma clang loop unroll(full)
        for (int r = 0; r < Rows; ++r)
          sum[v][s][r] = vzero();
    const int64_t end = (g + 1) * w.group;
    for (int64_t k = g * w.group; k < end;
         k += kLineRows<Bits>, line += kLineBytes) {
      _mm_prefetch(reinterpret_cast<const char *>(line + 2048), _MM_HINT_T0);
#pragma clang loop unroll(full)
      for (int v = 0; v < kPanelVecs; ++v)
        meetFields<Bits, Rows, Split, 0>(fields, k, loadFields<Bits>(line, v),
                                         sum[v]);
    }
#pragma clang loop unroll(full)
    for (int v = 0; v < kPanelVecs; ++v) {
      Vec factor = vload(scale + g * kPanel + v * kLanes);
      Vec offset = zero ? vadd(vload(zero + g * kPanel + v * kLanes),
                               vset(kReadOffset<Bits>))
                        : vset(kImpliedZero<Bits>);
#pragma clang loop unroll(full)
      for (int r = 0; r < Rows; ++r) {
        Vec all = sum[v][0][r];
#pragma clang loop unroll(full)
        for (int s = 1; s < Split; ++s)
          all = vadd(all, sum[v][s][r]);
        all = vsub(all, vmul(offset, vset(sums[r][g])));
        total[r][v] = vfma(factor, all, total[r][v]);
      }
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
    for (int v = 0; v < kPanelVecs; ++v)
      vstore(out + r * kPostCols + v * kLanes, total[r][v]);
}

template <int Bits>
void few(const Weights &w, int64_t panel, int64_t rows,
         const float *const *fields, const float *const *sums, float *out) {
  switch (rows) {
  case 1:
    return fewPanel<Bits, 1>(w, panel, fields, sums, out);
  case 2:
    return fewPanel<Bits, 2>(w, panel, fields, sums, out);
  case 3:
    return fewPanel<Bits, 3>(w, panel, fields, sums, out);
  default:
    return fewPanel<Bits, 4>(w, panel, fields, sums, out);
  }
}

template <int Bits, int I>
MMK_INLINE void unpackFields(IVec lanes, Vec scale, Vec offset, float *to) {
  if constexpr (I < kLineRows<Bits>) {
    constexpr int32_t mask = (1 << Bits) - 1;
    Vec number = itoFloat(iand(ishr32<I * Bits>(lanes), iset32(mask)));
    vstore(to + rowOfField<Bits>(I) * kPanel,
           vmul(vsub(number, offset), scale));
    unpackFields<Bits, I + 1>(lanes, scale, offset, to);
  }
}

/// Rows [k0, k0 + depth) of a panel as f32 [depth][16]; both whole lines.
template <int Bits>
void unpackPanel(const Weights &w, int64_t panel, int64_t k0, int64_t depth,
                 float *to) {
  const uint8_t *line =
      w.panel<Bits>(panel) + k0 / kLineRows<Bits> * kLineBytes;
  const int64_t first = panel * w.groups() * kPanel;
  for (int64_t k = k0; k < k0 + depth;) {
    const int64_t g = k / w.group, end = minOf((g + 1) * w.group, k0 + depth);
    Vec scale[kPanelVecs], offset[kPanelVecs];
#pragma clang loop unroll(full)
    for (int v = 0; v < kPanelVecs; ++v) {
      const int64_t at = first + g * kPanel + v * kLanes;
      scale[v] = vload(w.scale + at);
      offset[v] = w.zero ? vadd(vload(w.zero + at), vset(kReadOffset<Bits>))
                         : vset(kImpliedZero<Bits>);
    }
    for (; k < end; k += kLineRows<Bits>, line += kLineBytes,
                    to += kLineRows<Bits> * kPanel)
#pragma clang loop unroll(full)
      for (int v = 0; v < kPanelVecs; ++v)
        unpackFields<Bits, 0>(loadFields<Bits>(line, v), scale[v], offset[v],
                              to + v * kLanes);
  }
}

/// As multiplyWidened wants them.
template <int Bits> struct Widening {
  const Weights &w;

  static constexpr int64_t kRowBytes = kLineBytes / kLineRows<Bits>;
  const void *at(int64_t panel, int64_t k) const {
    return w.panel<Bits>(panel) + k * kRowBytes;
  }
  void widen(int64_t panel, int64_t k0, int64_t chunk, float *to) const {
    unpackPanel<Bits>(w, panel, k0, chunk, to);
  }
};

template <int Bits> void gemm(const MicroCall *call) {
  enum { B, M, N, K, ABatch, ARow, Group, Zeros, MBlock, NBlock };
  const int64_t *p = call->params;
  const int64_t m0 = call->y * p[MBlock], rows = minOf(p[MBlock], p[M] - m0);
  const int64_t n0 = call->x * p[NBlock], n1 = minOf(n0 + p[NBlock], p[N]);
  const int64_t aRow = p[ARow], depth = p[K];
  const auto *a = static_cast<const float *>(call->tensors[0]) +
                  call->z * p[ABatch] + m0 * aRow;
  const Weights w = {static_cast<const uint8_t *>(call->tensors[1]),
                     static_cast<const float *>(call->tensors[2]),
                     p[Zeros] ? static_cast<const float *>(call->tensors[3])
                              : nullptr,
                     depth, p[Group]};
  const int64_t outer[1] = {call->z};
  auto *tile = static_cast<float *>(call->args->scratch);

  if (rows <= kFewRows) {
    float *fields = tile + kScratchRows * kPostCols;
    float *sums = fields + kFewRows * depth;
    const float *fieldsOf[kFewRows], *sumsOf[kFewRows];
    for (int64_t r = 0; r < rows; ++r) {
      fieldsOf[r] = fields + r * depth;
      sumsOf[r] = sums + r * w.groups();
      prepareRow<Bits>(a + r * aRow, w, fields + r * depth,
                       sums + r * w.groups());
    }
    for (int64_t n = n0; n < n1; n += kPostCols) {
      const int64_t cols = minOf(kPostCols, n1 - n);
      for (int64_t c = 0; c < cols; c += kPanel)
        few<Bits>(w, (n + c) / kPanel, rows, fieldsOf, sumsOf, tile + c);
      call->post(call->args, outer, m0, n, rows, cols, tile, kPostCols);
    }
    return;
  }

  multiplyWidened(call, {m0, rows, n0, n1, depth}, RowsInPlace{a, aRow},
                  Widening<Bits>{w});
}

} // namespace

extern "C" void mmk_gemm_f32_u4(const MicroCall *call) { gemm<4>(call); }
extern "C" void mmk_gemm_f32_i8(const MicroCall *call) { gemm<8>(call); }
