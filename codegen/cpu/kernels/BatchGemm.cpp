//===- BatchGemm.cpp - Product of two computed matrices -------------------===//
//
// out[b0, b1, m, n] = sum over k of a[b0, b1, m, k] * b[b0, b1, k, n].
//
// Both operands have any strides. Two panels of b at a time are packed into
// scratch and pass under all rows of the cell; a is read in place when its K is
// contiguous, else copied once per cell. Nothing is read beyond the operands.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Abi.h"
#include "codegen/cpu/kernels/Pack.h"
#include "codegen/cpu/kernels/Tile.h"

using namespace mmcc::cpu;

/// to[m][k], row stride toRow, from any strides.
static MMK_NOINLINE void copyMatrix(float *to, int64_t toRow, const float *from,
                                    int64_t row, int64_t col, int64_t rows,
                                    int64_t depth) {
  // Sixteen rows at a time keep the lines of a column-major matrix in cache.
  for (int64_t m = 0; m < rows; m += 16)
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t r = m; r < minOf(m + 16, rows); ++r)
        to[r * toRow + k] = from[r * row + k * col];
}

extern "C" void mmk_batch_gemm_f32(const MicroCall *call) {
  const int64_t *p = call->params;
  const int64_t B1 = p[1], M = p[2], N = p[3], K = p[4];
  const int64_t aCol = p[8], bRow = p[11], bCol = p[12];
  const int64_t mBlock = p[13], nBlock = p[14];
  int64_t aRow = p[7];
  const int64_t outer[2] = {call->z / B1, call->z % B1};
  const int64_t m0 = call->y * mBlock, rows = minOf(mBlock, M - m0);
  const int64_t n0 = call->x * nBlock, n1 = minOf(n0 + nBlock, N);
  const float *a = static_cast<const float *>(call->tensors[0]) +
                   outer[0] * p[5] + outer[1] * p[6] + m0 * aRow;
  const float *b = static_cast<const float *>(call->tensors[1]) +
                   outer[0] * p[9] + outer[1] * p[10];

  auto *out = static_cast<float *>(call->args->scratch);
  float *packedB = out + kScratchRows * kPostCols;
  if (aCol != 1) {
    float *packedA = packedB + 32 * K;
    copyMatrix(packedA, K + 16, a, aRow, aCol, rows, K);
    a = packedA;
    aRow = K + 16;
  }

  const int64_t tiles = rowTiles(rows, aRow);
  for (int64_t n = n0; n < n1; n += 2 * kPanel) {
    int64_t cols = minOf(2 * kPanel, n1 - n);
    int64_t panels = ceilDiv(cols, kPanel);
    for (int64_t q = 0; q < panels; ++q)
      packPanel(packedB + q * K * kPanel, b + (n + q * kPanel) * bCol, bRow,
                bCol, K, minOf(kPanel, cols - q * kPanel));
    for (int64_t t = 0; t < tiles; ++t) {
      int64_t r0 = tileBegin(rows, tiles, t);
      int64_t mr = tileBegin(rows, tiles, t + 1) - r0;
      const float *pointers[kMaxRows];
      for (int64_t r = 0; r < mr; ++r)
        pointers[r] = a + (r0 + r) * aRow;
      runPanels(mr, panels, pointers, 1, K, packedB, out, {packedB}, 0, 1,
                pointers[0], 0);
      call->post(call->args, outer, m0 + r0, n, mr, cols, out, kPostCols);
    }
  }
}
