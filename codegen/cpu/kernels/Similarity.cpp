//===- Similarity.cpp - Cosines of all pairs of rows ----------------------===//
//
// out[m, n] = a_m . b_n / (max(|a_m|, a_eps) * max(|b_n|, b_eps))
//
//   a [M, D], b [N, D] f32, rows strided, D contiguous, any alignment; nothing
//   is read beyond them. Results leave through post((0), m, n).
//
// A cell scales its rows of a and b to length 1 in scratch, those of b in
// panels, and multiplies them: lengths cost one pass over what the product
// reads anyway, and no launch of their own. Sums run in the order of d.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Pack.h"
#include "codegen/cpu/kernels/Tile.h"
#include "codegen/cpu/kernels/UnitRow.h"

using namespace mmcc::cpu;

static float numberOf(int64_t bits) {
  double number;
  __builtin_memcpy(&number, &bits, sizeof number);
  return static_cast<float>(number);
}

extern "C" void mmk_similarity_f32(const MicroCall *call) {
  const int64_t *p = call->params;
  enum { M, N, D, ARow, BRow, AEps, BEps, MBlock, NBlock };
  const int64_t depth = p[D], d = roundUp(depth, 16);
  const int64_t m0 = call->y * p[MBlock], rows = minOf(p[MBlock], p[M] - m0);
  const int64_t n0 = call->x * p[NBlock], columns = minOf(p[NBlock], p[N] - n0);
  const auto *a = static_cast<const float *>(call->tensors[0]) + m0 * p[ARow];
  const auto *b = static_cast<const float *>(call->tensors[1]) + n0 * p[BRow];
  auto *tile = static_cast<float *>(call->args->scratch);
  float *left = tile + kScratchRows * kPostCols;
  float *right = left + rows * d;
  float *unit = right + roundUp(columns, kPanel) * depth;

  for (int64_t r = 0; r < rows; ++r)
    scaleToUnit(left + r * d, a + r * p[ARow], depth, numberOf(p[AEps]));
  for (int64_t n = 0; n < columns; n += kPanel) {
    const int64_t some = minOf(kPanel, columns - n);
    for (int64_t c = 0; c < some; ++c)
      scaleToUnit(unit + c * d, b + (n + c) * p[BRow], depth,
                  numberOf(p[BEps]));
    packPanel(right + n * depth, unit, 1, d, depth, some);
  }
  const int64_t outer[1] = {0};
  const int64_t tiles = rowTiles(rows, d), panels = ceilDiv(columns, kPanel);
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t r0 = tileBegin(rows, tiles, t);
    const int64_t mr = tileBegin(rows, tiles, t + 1) - r0;
    const float *pointers[kMaxRows];
    for (int64_t r = 0; r < mr; ++r)
      pointers[r] = left + (r0 + r) * d;
    runPanels(mr, panels, pointers, 1, depth, right, tile, {right}, t, tiles,
              left, 0);
    call->post(call->args, outer, m0 + r0, n0, mr, columns, tile, kPostCols);
  }
}
