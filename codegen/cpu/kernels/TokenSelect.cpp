//===- TokenSelect.cpp - The tokens that are least alike ------------------===//
//
// Greedy max-min diversity (Alvar et al., DivPrune, 2025). `near[i]` is how
// similar token i is to the nearest of the chosen ones; the next one chosen is
// where that is least, the first of equals. The first choice takes the nearest
// of all others instead.
//
//   similarity [B, N, N] f32, rows strided, columns contiguous, any alignment;
//   nothing is read beyond it. Row i holds what the others have in common with
//   token i; the matrix is taken for symmetric.
//   post((b), 0, i) gets the i-th chosen place, a whole number, ascending.
//
// A chosen token has near = +inf and is never least again; a place whose `near`
// compares with nothing (NaN) is chosen only when no other is left. A cell is
// one batch element: N * (N + K) comparisons, beside which the products that
// made the similarities are what takes time.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "codegen/cpu/kernels/Simd.h"

using namespace mmcc::cpu;

namespace {

constexpr float kChosen = __builtin_inff();

/// The larger of each pair; what is NaN on the left stays.
MMK_INLINE void raise(float *near, const float *row, int64_t n) {
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes)
    vstore(near + j, vmax(vload(row + j), vload(near + j)));
  for (; j < n; ++j)
    near[j] = row[j] > near[j] ? row[j] : near[j];
}

/// The largest of a row but for its entry `skip`.
MMK_INLINE float largestBut(const float *row, int64_t n, int64_t skip) {
  float largest = -__builtin_inff();
  const int64_t ends[2] = {skip, n};
  int64_t j = 0;
  for (int64_t end : ends) {
    Vec m = vset(largest);
    for (; j + kLanes <= end; j += kLanes)
      m = vmax(vload(row + j), m);
    largest = vmaxAcross(m);
    for (; j < end; ++j)
      largest = row[j] > largest ? row[j] : largest;
    j = skip + 1;
  }
  return largest;
}

/// The first place where `near` is least among those not chosen.
MMK_INLINE int64_t firstLeast(const float *near, int64_t n) {
  int64_t place = -1, other = 0;
  float least = kChosen;
  for (int64_t i = 0; i < n; ++i) {
    if (near[i] < least) {
      least = near[i];
      place = i;
    }
    if (near[i] != kChosen && near[other] == kChosen)
      other = i;
  }
  return place >= 0 ? place : other;
}

} // namespace

extern "C" void mmk_token_select_f32(const MicroCall *call) {
  const int64_t *p = call->params;
  enum { B, N, K, SBatch, SRow };
  const int64_t n = p[N], k = p[K], stride = p[SRow];
  const float *similarity =
      static_cast<const float *>(call->tensors[0]) + call->z * p[SBatch];
  float *near = static_cast<float *>(call->args->scratch);
  float *places = near + roundUp(n, 16);

  for (int64_t i = 0; i < n; ++i)
    near[i] = largestBut(similarity + i * stride, n, i);
  for (int64_t chosen = 0; chosen < k; ++chosen) {
    const int64_t place = firstLeast(near, n);
    const float *row = similarity + place * stride;
    if (chosen == 0)
      copyRun(near, row, n);
    else
      raise(near, row, n);
    near[place] = kChosen;
  }
  int64_t count = 0;
  for (int64_t i = 0; i < n && count < k; ++i)
    if (near[i] == kChosen)
      places[count++] = static_cast<float>(i);
  const int64_t outer[1] = {call->z};
  for (int64_t i = 0; i < k; i += kPostCols)
    call->post(call->args, outer, 0, i, 1, minOf(kPostCols, k - i), places + i,
               k);
}
