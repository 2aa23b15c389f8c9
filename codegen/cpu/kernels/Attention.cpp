//===- Attention.cpp - Softmax attention where keys and values lie --------===//
//
// out[b, h, i, :] = sum over j of softmax_j(scale * q_i . k_j) v_j
//
//   q [.., Sq, D], k [.., Skv, D], v [.., Skv, Dv] f32; D and Dv contiguous,
//   tokens and heads strided, any alignment; nothing is read beyond them.
//
// attention_bf16 and _i8 round their operands where instructions multiply these
// (AttentionNarrow.h).
//
// What a table of spans leaves out is skipped, too; strided keys, which are
// packed side by side like any others, come after those of the window.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/AttentionNarrow.h"
#include "codegen/cpu/kernels/AttentionTiles.h"
#include "codegen/cpu/kernels/Pack.h"

using namespace mmcc::cpu;

namespace {

/// Every step-th key and value of the cell's head.
struct StridedKeys {
  const float *k, *v;
  int64_t kRow, vRow, D, Dv;

  StridedKeys(const AttentionCell &c, int64_t step)
      : k(c.k), v(c.v), kRow(c.kRow * step), vRow(c.vRow * step), D(c.D),
        Dv(c.Dv) {}

  MMK_INLINE void keys(float *to, int64_t j, int64_t count) const {
    packPanel(to, k + j * kRow, 1, kRow, D, count);
  }
  MMK_INLINE void values(float *to, int64_t first, int64_t end,
                         int64_t p) const {
    packPanel(to, v + first * vRow + p, vRow, 1, end - first,
              minOf(kPanel, Dv - p));
  }
};

/// The keys of the cell's spans only.
template <typename Numbers>
MMK_NOINLINE void attendSpans(const AttentionCell &c, const Areas &s,
                              const int32_t *spans, int64_t count) {
  AttentionCell part = c;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t *span = spans + i * 3;
    part.masked = !span[2];
    // A table that is wrong costs sense, never memory.
    const int64_t begin = maxOf(span[0], 0) / 32 * 32;
    attendKeys<Numbers>(part, s, StridedKeys(part, 1), 1, begin,
                        minOf(span[1], c.Skv));
  }
}

template <typename Numbers>
MMK_NOINLINE void attendMany(const AttentionCell &c, float *scratch,
                             const int32_t *spans, int64_t count) {
  Areas s(c, scratch);
  beginRows<Numbers>(c, s);
  if (count > 0)
    attendSpans<Numbers>(c, s, spans, count);
  else
    attendKeys<Numbers>(c, s, StridedKeys(c, 1), 1, 0, c.Skv);
  if (c.stride > 0)
    attendKeys<Numbers>(c, s, StridedKeys(c, c.stride), c.stride, 0,
                        ceilDiv(c.Skv, c.stride));
  finishRows<Numbers>(c, s);
}

/// Numbers: what all but a few queries are multiplied as.
template <typename Numbers> void attend(const MicroCall *call) {
  const int64_t *p = call->params;
  const int64_t group = p[2], Sq = p[3], qBlock = p[20];
  AttentionCell c;
  c.takeScores(call);
  c.outer[0] = call->z;
  c.outer[1] = call->y;
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
    attendMany<Numbers>(c, scratch, span, spans);
}

} // namespace

extern "C" void mmk_attention_f32(const MicroCall *call) {
  attend<Floats>(call);
}
extern "C" void mmk_attention_bf16(const MicroCall *call) {
#if defined(__AMX_BF16__)
  attend<Tiled>(call);
#else
  attend<Rounded>(call);
#endif
}
extern "C" void mmk_attention_i8(const MicroCall *call) {
#if defined(__AMX_BF16__)
  attend<Tiled>(call); // rounding to bytes costs more than it saves
#else
  attend<Bytes>(call);
#endif
}
