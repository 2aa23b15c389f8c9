//===- StateRows.h - Elements of a state as f32 and back --------*- C++ -*-===//
//
// What a caller hands in or takes out is f32; what a state holds is what its
// kernels make of it:
//
//   f32, f16       the number, rounded to nearest
//   i8             round(x / scale), scale = largest magnitude / 127
//   f8e4m3fn       x / (scale * 2^-8) rounded, scale = largest * 2^8 / 448: the
//                  element's bits, as an f16 of the same fields, times scale
//
// with a scale for each token of each head.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_EXECUTOR_STATEROWS_H
#define MMCC_RUNTIME_EXECUTOR_STATEROWS_H

#include "runtime/schema/program_generated.h"

#include <cstdint>

namespace mmcc::runtime {

/// Bytes of an element; 0 when states cannot hold the type.
int64_t stateElementBytes(schema::DType dtype);
/// Stores a token of one head; `scale` is null when the state has none.
void storeStateRow(schema::DType dtype, uint8_t *to, float *scale,
                   const float *from, int64_t count);
void loadStateRow(schema::DType dtype, float *to, const float *scale,
                  const uint8_t *from, int64_t count);

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_EXECUTOR_STATEROWS_H
