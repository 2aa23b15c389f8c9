//===- Pack.h - Panels made at run time -------------------------*- C++ -*-===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_PACK_H
#define MMCC_CODEGEN_CPU_KERNELS_PACK_H

#include "codegen/cpu/kernels/Simd.h"

namespace mmcc::cpu {

/// to[k][c] = from[k * kStride + c * cStride] for k < depth, c < cols <= 16;
/// zero for the other columns of the panel `to` [depth][16].
void packPanel(float *to, const float *from, int64_t kStride, int64_t cStride,
               int64_t depth, int64_t cols);

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_PACK_H
