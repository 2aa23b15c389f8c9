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
// saturates (Int8Sums.h). `limited` matters where there is no dot product
// instruction only.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Int8Sums.h"
#include "codegen/cpu/kernels/Int8Tiles.h"
#include "codegen/cpu/kernels/Scratch.h"

#include <type_traits>

using namespace mmcc::cpu;

namespace {

int64_t greatestDivisor(int64_t a, int64_t b) {
  while (b) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/// Sums of a row over the steps of K, as floats.
void sumSteps(const int8_t *a, const Int8Problem &p, float *sums) {
  for (int64_t s = 0; s < p.steps(); ++s) {
    constexpr int64_t bytes = 4 * kLanes;
    const IVec ones = iset32(0x01010101);
    const int8_t *from = a + s * p.step, *end = from + p.step;
    IVec sum = izero();
    for (; from + bytes <= end; from += bytes)
      sum = idot(sum, ones, iload(from));
    if (from < end) // half a vector
      sum = iadd32(sum, imadd16(iwiden8(from), iset16(1)));
    sums[s] = float(isum32(sum));
  }
}

/// The rows of one tile.
template <Form F> struct TileRows {
  const NumberOf<F> *a;
  int64_t aRow;
  const float *scales[kInt8TileRows<F>];
  const float *sums[kInt8TileRows<F>];
  /// Of a tile that is whole: the scale of each row, and what was added to the
  /// weights times its sum.
  bool whole;
  float scale[kInt8TileRows<F>];
  int32_t added[kInt8TileRows<F>];
};

/// A zero of the weights' own as one of what is multiplied. (Halves are what
/// they are with zeros of their own, and have 8 added without.)
template <Form F> MMK_INLINE Vec zeroAs(Vec zero) {
  return F == Form::Flipped ? vadd(zero, vset(kAddedToWeight<F>)) : zero;
}

/// A tile where all of K is one step, and weights have no zeros of their own.
template <Form F, int Rows>
MMK_NOINLINE void tileWhole(const Int8Problem &p, int64_t panel,
                            const TileRows<F> &tile, float *out) {
  const uint8_t *line =
      p.w + panel * (p.depth / kLineRows<bitsOf(F)>)*kLineBytes;
  PanelSums<Rows> sum;
  Sums<F, Rows>::add(line, tile.a, tile.aRow, 0, p.depth, sum);
#pragma clang loop unroll(full)
  for (int v = 0; v < kPanelVecs; ++v) {
    const Vec factor = vload(p.scale + panel * kPanel + v * kLanes);
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r) {
      const Vec all = itoFloat(isub32(sum[r][v], iset32(tile.added[r])));
      vstore(out + r * kPostCols + v * kLanes,
             vmul(all, vmul(factor, vset(tile.scale[r]))));
    }
  }
}

template <Form F, int Rows>
MMK_NOINLINE void tilePanel(const Int8Problem &p, int64_t panel,
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
    PanelSums<Rows> sum;
    Sums<F, Rows>::add(line, tile.a, tile.aRow, k, p.step, sum);
    line += p.step / lineRows * kLineBytes;
#pragma clang loop unroll(full)
    for (int v = 0; v < kPanelVecs; ++v) {
      const Vec factor = vload(scale + g * kPanel + v * kLanes);
      // What is multiplied by the sum of a: the zero, and what was added.
      Vec offset = vset(kAddedToWeight<F>);
      if (zero)
        offset = zeroAs<F>(vload(zero + g * kPanel + v * kLanes));
      const Vec over = kAddedToA<F>
                           ? vmul(vset(float(kAddedToA<F>)),
                                  vload(columns + s * kPanel + v * kLanes))
                           : vzero();
#pragma clang loop unroll(full)
      for (int r = 0; r < Rows; ++r) {
        Vec all = itoFloat(sum[r][v]);
        if (kAddedToA<F>)
          all = vsub(all, over);
        if (kAddedToWeight<F> != 0.0f || zero)
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

template <Form F, int Rows = kInt8TileRows<F>>
void runRows(const Int8Problem &p, int64_t rows, int64_t panel,
             const TileRows<F> &tile, float *out) {
  if constexpr (Rows > 1)
    if (rows < Rows)
      return runRows<F, Rows - 1>(p, rows, panel, tile, out);
  // Without a dot product the sums of weights come off, too.
  if constexpr (kAddedToA<F> == 0)
    if (tile.whole)
      return tileWhole<F, Rows>(p, panel, tile, out);
  tilePanel<F, Rows>(p, panel, tile, out);
}

/// Whether rows of a are read where they lie.
template <Form F> constexpr bool kInPlace = std::is_same_v<NumberOf<F>, int8_t>;

/// Rows that lie so far apart that a tile's would crowd a few sets of the first
/// level cache are copied.
template <Form F> bool needsCopy(int64_t row, int64_t rows) {
  return !kInPlace<F> || (row % 2048 == 0 && rows > 8);
}
/// The stride of what is copied.
int64_t copiedStride(int64_t depth) {
  return depth % 1024 == 0 ? depth + 32 : depth;
}

/// The rows of a cell as F wants them.
template <Form F>
const NumberOf<F> *prepareRows(const int8_t *a, int64_t row, int64_t rows,
                               int64_t depth, void *scratch) {
  auto *to = static_cast<NumberOf<F> *>(scratch);
  const int64_t stride = copiedStride(depth);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < depth; ++k)
      to[r * stride + k] = NumberOf<F>(a[r * row + k] + kAddedToA<F>);
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
  Int8Problem p;
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
  p.sums = static_cast<const float *>(call->tensors[bitsOf(F) == 4 ? 3 : 5]);
  const int64_t outer[1] = {call->z};

  auto *out = static_cast<float *>(call->args->scratch);
  float *sums = out + kScratchRows * kPostCols;
  float *numbers = sums + roundUp(rows * p.steps(), 16);
#if defined(__AMX_INT8__)
  const bool tiled =
      rows >= (bitsOf(F) == 4 ? kAmxLeastForCopies : kAmxLeastRows);
#else
  constexpr bool tiled = false;
#endif
  // Tiles multiply signed bytes: nothing is added to weights.
  const bool added = kAddedToWeight<F> != 0.0f && !tiled;
  if (added || p.zero)
    for (int64_t r = 0; r < rows; ++r)
      sumSteps(a + r * q[ARow], p, sums + r * p.steps());
#if defined(__AMX_INT8__)
  if (tiled) {
    const Int8Cell cell = {a, q[ARow], aScale, q[SRow], sums, m0, rows, n0, n1};
    return multiplyTiled<bitsOf(F)>(call, p, cell, numbers);
  }
#endif
  const NumberOf<F> *from;
  int64_t stride = q[ARow];
  if (needsCopy<F>(stride, rows)) {
    from = prepareRows<F>(a, stride, rows, p.depth, numbers);
    stride = copiedStride(p.depth);
  } else {
    from = reinterpret_cast<const NumberOf<F> *>(a);
  }

  // Panels of a group stay in the second level cache while all rows pass.
  const int64_t panelBytes = p.depth / kLineRows<bitsOf(F)> * kLineBytes;
  const int64_t group =
      minOf(maxOf((int64_t(192) << 10) / panelBytes, 1) * kPanel, kPostCols);
  const int64_t tiles = ceilDiv(rows, kInt8TileRows<F>);
  for (int64_t n = n0; n < n1; n += group) {
    const int64_t cols = minOf(group, n1 - n);
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t r0 = rows * t / tiles, mr = rows * (t + 1) / tiles - r0;
      TileRows<F> tile = {};
      tile.whole = p.steps() == 1 && !p.zero;
      tile.a = from + r0 * stride;
      tile.aRow = stride;
      for (int64_t r = 0; r < mr; ++r) {
        tile.scales[r] = aScale + (r0 + r) * q[SRow];
        tile.sums[r] = sums + (r0 + r) * p.steps();
        tile.scale[r] = *tile.scales[r];
        if (kAddedToWeight<F> != 0.0f)
          tile.added[r] = int32_t(kAddedToWeight<F> * *tile.sums[r]);
      }
      for (int64_t c = 0; c < cols; c += kPanel)
        runRows<F>(p, mr, (n + c) / kPanel, tile, out + c);
      call->post(call->args, outer, m0 + r0, n, mr, cols, out, kPostCols);
    }
  }
}

} // namespace

extern "C" void mmk_gemm_i8_u4(const MicroCall *call) {
  gemm<Form::Half>(call);
}

extern "C" void mmk_gemm_i8_i8(const MicroCall *call) {
  if constexpr (kHasDot)
    gemm<Form::Flipped>(call);
  else if (call->params[Limits])
    gemm<Form::Limited>(call);
  else
    gemm<Form::Wide>(call);
}
