//===- GemmInt8.cpp - 8-bit activations times 4-bit and 8-bit weights -----===//
//
// out[b, m, n] = sum over k of a[b, m, k] * a_scale[b, m, k / a_block] *
//                (w[k, n] - zero[g, n]) * scale[g, n],   g = k / group
//
//   a [B, M, K] i8, K contiguous, any alignment, read in place
//   a_scale [B, M, K/a_block] f32, by its strides (all 0: one scale)
//   w panels of NarrowPanel.h; scale, zero [ceil(N/16)][K/group][16] f32
//   sums [ceil(N/16)][K/step][16] f32, for 8-bit weights: those of the numbers
//     of w over each step
//
// K is a multiple of 32, group and a_block are multiples of 32 that divide K,
// step is their greatest common divisor. Nothing is read beyond the rows of a.
// n_block is a multiple of 32.
//
// Products are summed as integers over the steps and are exact: nothing
// saturates. vpmaddubsw multiplies unsigned by signed bytes and adds two
// products in 16 bits, where 2 * 255 * 127 does not fit:
//
//   * 4-bit weights are the unsigned side; 16 products fit 16 bits.
//   * 8-bit weights are the signed side, a + 128 the unsigned one (128 times
//     the sums of w come off again). With `limited` the weights keep
//     |w[k] + w[k+1]| <= 128 for even k, so that both products fit:
//     255 * 128 < 2^15.
//   * Other 8-bit weights, of models that were quantized elsewhere, and a are
//     widened to 16 bits, which takes about a third longer.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/NarrowPanel.h"
#include "codegen/cpu/kernels/Scratch.h"

using namespace mmcc::cpu;

namespace {

/// Rows of K whose 4-bit products are summed in 16 bits.
constexpr int64_t kShortRows = 32;

struct Problem {
  const uint8_t *w;
  const float *scale, *zero; // zero: null if implied
  const float *sums;
  int64_t depth, group, aBlock, step;

  int64_t groups() const { return depth / group; }
  int64_t steps() const { return depth / step; }
};

int64_t greatestDivisor(int64_t a, int64_t b) {
  while (b) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/// Sums of a row over the steps of K, as floats.
void sumSteps(const int8_t *a, const Problem &p, float *sums) {
  for (int64_t s = 0; s < p.steps(); ++s) {
    IVec sum = izero();
    for (int64_t k = 0; k < p.step; k += 2 * kLanes)
      sum = iadd32(sum, imadd16(iwiden8(a + s * p.step + k), iset16(1)));
    sums[s] = float(isum32(sum));
  }
}

/// Lanes of 32-bit sums of Rows rows times one panel over [0, depth) of K.
template <int Rows>
MMK_INLINE void sum4(const uint8_t *line, const int8_t *const *a, int64_t k0,
                     int64_t depth, IVec (&sum)[Rows][kPanelVecs]) {
  const IVec low = iset32(0x0f0f0f0f), ones = iset16(1);
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
    for (int v = 0; v < kPanelVecs; ++v)
      sum[r][v] = izero();
  for (int64_t k = k0; k < k0 + depth; k += kShortRows) {
    IVec part[Rows][kPanelVecs];
#pragma clang loop unroll(full)
    for (int u = 0; u < kShortRows / 8; ++u, line += kLineBytes) {
      _mm_prefetch(reinterpret_cast<const char *>(line + 2048), _MM_HINT_T0);
#pragma clang loop unroll(full)
      for (int v = 0; v < kPanelVecs; ++v) {
        IVec both = iload(line + v * kLanes * 4);
        IVec first = iand(both, low), second = iand(ishr16<4>(both), low);
#pragma clang loop unroll(full)
        for (int r = 0; r < Rows; ++r) {
          IVec product =
              iadd16(imaddBytes(first, iquad(a[r] + k + u * 8)),
                     imaddBytes(second, iquad(a[r] + k + u * 8 + 4)));
          part[r][v] = u == 0 ? product : iadd16(part[r][v], product);
        }
      }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
      for (int v = 0; v < kPanelVecs; ++v)
        sum[r][v] = iadd32(sum[r][v], imadd16(part[r][v], ones));
  }
}

/// Likewise with any 8-bit weights; a holds 16-bit numbers.
template <int Rows>
MMK_INLINE void sum8(const uint8_t *line, const int16_t *const *a, int64_t k0,
                     int64_t depth, IVec (&sum)[Rows][kPanelVecs]) {
  IVec half[Rows][2 * kPanelVecs];
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
    for (int v = 0; v < 2 * kPanelVecs; ++v)
      half[r][v] = izero();
  for (int64_t k = k0; k < k0 + depth; k += 4, line += kLineBytes) {
    _mm_prefetch(reinterpret_cast<const char *>(line + 2048), _MM_HINT_T0);
    IVec four[Rows];
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r)
      four[r] = ioctet(a[r] + k);
#pragma clang loop unroll(full)
    for (int v = 0; v < 2 * kPanelVecs; ++v) {
      IVec weights = iwiden8(line + v * kLanes * 2);
#pragma clang loop unroll(full)
      for (int r = 0; r < Rows; ++r)
        half[r][v] = iadd32(half[r][v], imadd16(weights, four[r]));
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
    for (int v = 0; v < kPanelVecs; ++v)
      sum[r][v] = ijoin(half[r][2 * v], half[r][2 * v + 1]);
}

/// Likewise with limited 8-bit weights; a holds unsigned bytes.
template <int Rows>
MMK_INLINE void sum8(const uint8_t *line, const uint8_t *const *a, int64_t k0,
                     int64_t depth, IVec (&sum)[Rows][kPanelVecs]) {
  const IVec ones = iset16(1);
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
    for (int v = 0; v < kPanelVecs; ++v)
      sum[r][v] = izero();
  for (int64_t k = k0; k < k0 + depth; k += 4, line += kLineBytes) {
    _mm_prefetch(reinterpret_cast<const char *>(line + 2048), _MM_HINT_T0);
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r) {
      const IVec four = iquad(a[r] + k);
#pragma clang loop unroll(full)
      for (int v = 0; v < kPanelVecs; ++v)
        sum[r][v] = iadd32(
            sum[r][v],
            imadd16(imaddBytes(four, iload(line + v * kLanes * 4)), ones));
    }
  }
}

/// How products are summed.
enum Form { Half, Limited, Wide };

constexpr int bitsOf(Form form) { return form == Half ? 4 : 8; }

/// What a tile's rows hold.
template <Form F> struct FormOf {
  using Number = int8_t;
};
template <> struct FormOf<Limited> {
  using Number = uint8_t;
};
template <> struct FormOf<Wide> {
  using Number = int16_t;
};
template <Form F> using NumberOf = typename FormOf<F>::Number;

/// The most rows of a tile: sums of a tile fill the registers.
template <Form F>
constexpr int kTileRows = kLanes == 16 ? (F == Half ? 8 : 14)
                          : F == Half  ? 4
                          : F == Wide  ? 2
                                       : 6;

/// The rows of one tile.
template <Form F> struct TileRows {
  const NumberOf<F> *a[kTileRows<F>];
  const float *scales[kTileRows<F>];
  const float *sums[kTileRows<F>];
};

template <Form F, int Rows>
MMK_NOINLINE void tilePanel(const Problem &p, int64_t panel,
                            const TileRows<F> &tile, float *out) {
  constexpr int64_t lineRows = kLineRows<bitsOf(F)>;
  const uint8_t *line = p.w + panel * (p.depth / lineRows) * kLineBytes;
  const float *scale = p.scale + panel * p.groups() * kPanel;
  const float *zero = p.zero ? p.zero + panel * p.groups() * kPanel : nullptr;
  const float *columns = p.sums + panel * p.steps() * kPanel;
  Vec total[Rows][kPanelVecs];
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
    for (int v = 0; v < kPanelVecs; ++v)
      total[r][v] = vzero();
  for (int64_t s = 0; s < p.steps(); ++s) {
    const int64_t k = s * p.step, g = k / p.group, block = k / p.aBlock;
    IVec sum[Rows][kPanelVecs];
    if constexpr (F == Half)
      sum4<Rows>(line, tile.a, k, p.step, sum);
    else
      sum8<Rows>(line, tile.a, k, p.step, sum);
    line += p.step / lineRows * kLineBytes;
#pragma clang loop unroll(full)
    for (int v = 0; v < kPanelVecs; ++v) {
      const Vec factor = vload(scale + g * kPanel + v * kLanes);
      Vec offset = vset(F == Half ? 8.0f : 0.0f);
      if (zero)
        offset = vload(zero + g * kPanel + v * kLanes);
      const Vec over =
          F == Limited
              ? vmul(vset(128.0f), vload(columns + s * kPanel + v * kLanes))
              : vzero();
#pragma clang loop unroll(full)
      for (int r = 0; r < Rows; ++r) {
        Vec all = itoFloat(sum[r][v]);
        if (F == Limited)
          all = vsub(all, over);
        if (F == Half || zero)
          all = vsub(all, vmul(offset, vset(tile.sums[r][s])));
        total[r][v] =
            vfma(vmul(factor, vset(tile.scales[r][block])), all, total[r][v]);
      }
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
    for (int v = 0; v < kPanelVecs; ++v)
      vstore(out + r * kPostCols + v * kLanes, total[r][v]);
}

template <Form F, int Rows = kTileRows<F>>
void runRows(const Problem &p, int64_t rows, int64_t panel,
             const TileRows<F> &tile, float *out) {
  if constexpr (Rows > 1)
    if (rows < Rows)
      return runRows<F, Rows - 1>(p, rows, panel, tile, out);
  tilePanel<F, Rows>(p, panel, tile, out);
}

/// The rows of a cell as `form` wants them; those of 4-bit weights are read
/// where they lie.
template <Form F>
const NumberOf<F> *prepareRows(const int8_t *a, int64_t row, int64_t rows,
                               int64_t depth, void *scratch) {
  auto *to = static_cast<NumberOf<F> *>(scratch);
  if constexpr (F != Half)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t k = 0; k < depth; ++k)
        to[r * depth + k] =
            NumberOf<F>(a[r * row + k] + (F == Limited ? 128 : 0));
  return to;
}

enum {
  B,
  M,
  N,
  K,
  ABatch,
  ARow,
  SBatch,
  SRow,
  Group,
  ABlock,
  Zeros,
  MBlock,
  NBlock,
  Limits // of 8-bit weights only
};

template <Form F> void gemm(const MicroCall *call) {
  const int64_t *q = call->params;
  const int64_t mBlock = q[MBlock], nBlock = q[NBlock];
  const int64_t m0 = call->y * mBlock, rows = minOf(mBlock, q[M] - m0);
  const int64_t n0 = call->x * nBlock, n1 = minOf(n0 + nBlock, q[N]);
  Problem p;
  p.depth = q[K];
  p.group = q[Group];
  p.aBlock = q[ABlock];
  p.step = greatestDivisor(p.group, p.aBlock);
  const auto *a = static_cast<const int8_t *>(call->tensors[0]) +
                  call->z * q[ABatch] + m0 * q[ARow];
  const auto *aScale = static_cast<const float *>(call->tensors[1]) +
                       call->z * q[SBatch] + m0 * q[SRow];
  p.w = static_cast<const uint8_t *>(call->tensors[2]);
  p.scale = static_cast<const float *>(call->tensors[3]);
  p.zero = q[Zeros] ? static_cast<const float *>(call->tensors[4]) : nullptr;
  p.sums = static_cast<const float *>(call->tensors[F == Half ? 3 : 5]);
  const int64_t outer[1] = {call->z};

  auto *out = static_cast<float *>(call->args->scratch);
  float *sums = out + kScratchRows * kPostCols;
  float *numbers = sums + roundUp(rows * p.steps(), 16);
  if (F == Half || p.zero)
    for (int64_t r = 0; r < rows; ++r)
      sumSteps(a + r * q[ARow], p, sums + r * p.steps());
  const NumberOf<F> *prepared =
      prepareRows<F>(a, q[ARow], rows, p.depth, numbers);

  // Panels of a group stay in the second level cache while all rows pass.
  const int64_t panelBytes = p.depth / kLineRows<bitsOf(F)> * kLineBytes;
  const int64_t group =
      minOf(maxOf((int64_t(192) << 10) / panelBytes, 1) * kPanel, kPostCols);
  const int64_t tiles = ceilDiv(rows, kTileRows<F>);
  for (int64_t n = n0; n < n1; n += group) {
    const int64_t cols = minOf(group, n1 - n);
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t r0 = rows * t / tiles, mr = rows * (t + 1) / tiles - r0;
      TileRows<F> tile;
      for (int64_t r = 0; r < mr; ++r) {
        if constexpr (F == Half)
          tile.a[r] = a + (r0 + r) * q[ARow];
        else
          tile.a[r] = prepared + (r0 + r) * p.depth;
        tile.scales[r] = aScale + (r0 + r) * q[SRow];
        tile.sums[r] = sums + (r0 + r) * p.steps();
      }
      for (int64_t c = 0; c < cols; c += kPanel)
        runRows<F>(p, mr, (n + c) / kPanel, tile, out + c);
      call->post(call->args, outer, m0 + r0, n, mr, cols, out, kPostCols);
    }
  }
}

} // namespace

extern "C" void mmk_gemm_i8_u4(const MicroCall *call) { gemm<Half>(call); }

extern "C" void mmk_gemm_i8_i8(const MicroCall *call) {
  if (call->params[Limits])
    gemm<Limited>(call);
  else
    gemm<Wide>(call);
}
