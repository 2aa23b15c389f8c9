//===- UnitRow.h - Rows of length 1 -----------------------------*- C++ -*-===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_UNITROW_H
#define MMCC_CODEGEN_CPU_KERNELS_UNITROW_H

#include "codegen/cpu/kernels/Simd.h"

namespace mmcc::cpu {

/// As `epsilon`: a row of zeros stays what it is.
constexpr float kZeroStays = -1.0f;

/// to[0, D) = from / max(|from|, epsilon). Without an epsilon (0) a row of
/// zeros becomes NaN.
MMK_INLINE void scaleToUnit(float *to, const float *from, int64_t D,
                            float epsilon) {
  Vec sum = vzero();
  int64_t e = 0;
  for (; e + kLanes <= D; e += kLanes)
    sum = vfma(vload(from + e), vload(from + e), sum);
  if (e < D)
    sum = vfma(vloadPart(from + e, D - e), vloadPart(from + e, D - e), sum);
  float length = __builtin_sqrtf(vsum(sum)), factor;
  if (epsilon == kZeroStays)
    factor = length > 0.0f ? 1.0f / length : 0.0f;
  else
    factor = 1.0f / (length < epsilon ? epsilon : length);
  for (e = 0; e + kLanes <= D; e += kLanes)
    vstore(to + e, vmul(vload(from + e), vset(factor)));
  if (e < D)
    vstorePart(to + e, vmul(vloadPart(from + e, D - e), vset(factor)), D - e);
}

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_UNITROW_H
