//===- SoftmaxRows.h - The softmax of a tile of scores ----------*- C++ -*-===//
//
// As softmaxRow (Attention.h), for up to 32 rows at a time. What a row takes
// besides its scores (a maximum and a sum across a register, the factor for
// what was carried) is done for 16 rows in one register:
//
//     row 0   m m m m ..          a lane a row
//     row 1   m m m m ..    ->    max0 max1 .. max15
//     ..
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_SOFTMAXROWS_H
#define MMCC_CODEGEN_CPU_KERNELS_SOFTMAXROWS_H

#include "codegen/cpu/kernels/Attention.h"
#include "codegen/cpu/kernels/SimdInt.h"

#if defined(__AVX512BF16__)

namespace mmcc::cpu {

/// Lane r is what `op` makes of the lanes of row r, of 16 rows of 16.
template <typename Op>
MMK_INLINE Vec acrossRows(const float *rows, const Op &op) {
  Vec pair[8], quad[4];
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; ++i) {
    const Vec a = vload(rows + 2 * i * kLanes);
    const Vec b = vload(rows + (2 * i + 1) * kLanes);
    pair[i] = op(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; ++i) {
    const Vec a = pair[2 * i], b = pair[2 * i + 1];
    quad[i] = op(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
  }
  auto join = [&](Vec a, Vec b) {
    return op(_mm512_shuffle_f32x4(a, b, 0x88),
              _mm512_shuffle_f32x4(a, b, 0xdd));
  };
  return join(join(quad[0], quad[1]), join(quad[2], quad[3]));
}

/// The states of 16 rows, a lane each.
struct RowStates {
  Vec max, sum;

  MMK_INLINE static RowStates load(const RowState *from) {
    const auto *numbers = reinterpret_cast<const float *>(from);
    const Vec a = vload(numbers), b = vload(numbers + kLanes);
    const IVec even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20,
                                        22, 24, 26, 28, 30);
    return {_mm512_permutex2var_ps(a, even, b),
            _mm512_permutex2var_ps(a, iadd32(even, iset32(1)), b)};
  }
  MMK_INLINE void store(RowState *to) const {
    auto *numbers = reinterpret_cast<float *>(to);
    const IVec low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21,
                                       6, 22, 7, 23);
    vstore(numbers, _mm512_permutex2var_ps(max, low, sum));
    vstore(numbers + kLanes,
           _mm512_permutex2var_ps(max, iadd32(low, iset32(8)), sum));
  }
};

/// 2^t to 8e-5, a twentieth of what rounding to bf16 may change. t is at most
/// about 0; -inf gives 0, NaN stays NaN.
MMK_INLINE Vec vexp2Coarse(Vec t) {
  const Vec f = _mm512_reduce_ps(t, 0x01); // t - floor(t)
  Vec p = vset(0x1.3f9662p-4f);
  p = vfma(p, f, vset(0x1.cefc5ap-3f));
  p = vfma(p, f, vset(0x1.64444ep-1f));
  p = vfma(p, f, vset(0x1.fff632p-1f));
  return _mm512_scalef_ps(p, t);
}

/// The largest of each lane of a row, `keys` scores, a multiple of 32.
MMK_INLINE Vec largestOf(const float *scores, int64_t keys) {
  Vec a = vload(scores), b = vload(scores + kLanes);
  for (int64_t j = 2 * kLanes; j < keys; j += 2 * kLanes) {
    a = vmax(vload(scores + j), a);
    b = vmax(vload(scores + j + kLanes), b);
  }
  return vmax(a, b);
}

/// A row of scores as weights 2^(factor * (score - shift)) of bf16 in its
/// place; returns sums of each lane. Fused: factor * shift and what comes of it
/// fit.
template <bool Fused>
MMK_INLINE Vec weighRow(float *scores, int64_t keys, float factor,
                        float shift) {
  auto *weights = reinterpret_cast<uint16_t *>(scores);
  const Vec f = vset(factor), d = vset(Fused ? shift * factor : shift);
  auto weight = [&](int64_t j) {
    const Vec s = vload(scores + j);
    return vexp2Coarse(Fused ? _mm512_fmsub_ps(s, f, d) : vmul(vsub(s, d), f));
  };
  Vec a = vzero(), b = vzero();
#pragma clang loop unroll_count(2)
  for (int64_t j = 0; j < keys; j += 2 * kLanes) {
    const Vec first = weight(j), second = weight(j + kLanes);
    a = vadd(a, first);
    b = vadd(b, second);
    _mm512_storeu_si512(weights + j, (IVec)_mm512_cvtne2ps_pbh(second, first));
  }
  return vadd(a, b);
}

/// Turns the scores of `rows` <= 32 rows, `keys` each, a multiple of 32, into
/// weights of bf16, in their place, and updates the states, which there are of
/// 32 rows. Returns whether anything was carried, and what is left of it by
/// row.
MMK_NOINLINE inline bool softmaxTile(float *scores, int64_t rows, int64_t keys,
                                     float factor, RowState *states,
                                     float *carry) {
  alignas(64) float lanes[kScoreRows * kLanes], shifts[kScoreRows];
  uint32_t carried = 0;
  for (int64_t r = 0; r < rows; ++r)
    vstore(lanes + r * kLanes, largestOf(scores + r * kScoreRow, keys));
  for (int64_t r0 = 0; r0 < rows; r0 += kLanes) {
    RowStates state = RowStates::load(states + r0);
    const Vec top = acrossRows(lanes + r0 * kLanes,
                               [](Vec a, Vec b) { return vmax(a, b); });
    const Vec max = vmax(top, state.max), none = vset(kMinusInfinity);
    // Without any key so far, 2^(-inf - 0) gives the zeros that are wanted.
    const Vec shift = _mm512_mask_mov_ps(
        max, _mm512_cmp_ps_mask(max, none, _CMP_EQ_OQ), vzero());
    const Vec left = _mm512_maskz_mov_ps(
        _mm512_cmp_ps_mask(state.max, none, _CMP_NEQ_UQ),
        vexp2NonPositive(vmul(vsub(state.max, shift), vset(factor))));
    carried |= firstLanes(minOf(rows - r0, kLanes)) &
               _mm512_cmp_ps_mask(state.sum, vzero(), _CMP_NLT_UQ);
    vstore(shifts + r0, shift);
    vstore(carry + r0, left);
    state.max = max;
    state.sum = vmul(state.sum, left);
    state.store(states + r0);
  }
  for (int64_t r = 0; r < rows; ++r) {
    float *row = scores + r * kScoreRow;
    // A mask may add the lowest float to a whole row.
    const bool fused = __builtin_fabsf(shifts[r] * factor) < 0x1p100f;
    vstore(lanes + r * kLanes,
           fused ? weighRow<true>(row, keys, factor, shifts[r])
                 : weighRow<false>(row, keys, factor, shifts[r]));
  }
  for (int64_t r0 = 0; r0 < rows; r0 += kLanes) {
    RowStates state = RowStates::load(states + r0);
    state.sum =
        vadd(state.sum, acrossRows(lanes + r0 * kLanes,
                                   [](Vec a, Vec b) { return vadd(a, b); }));
    state.store(states + r0);
  }
  return carried != 0;
}

} // namespace mmcc::cpu

#endif
#endif // MMCC_CODEGEN_CPU_KERNELS_SOFTMAXROWS_H
