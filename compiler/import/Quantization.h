//===- Quantization.h - What quantised operators share ----------*- C++ -*-===//

#ifndef MMCC_COMPILER_IMPORT_QUANTIZATION_H
#define MMCC_COMPILER_IMPORT_QUANTIZATION_H

#include "compiler/import/Node.h"

namespace mmcc::import {

/// Integers of at most 16 bits.
bool isQuantized(mlir::Type type);

/// A zero point says what type the numbers are of, and has the scale's shape;
/// fails otherwise. Either may be null.
bool checkZero(Node &n, const Tensor &zero, const Tensor &numbers,
               const Tensor &scale);

/// round(x / scale) + zeroPoint, saturated.
Tensor quantize(Node &n, const Tensor &x, const Tensor &scale,
                const Tensor &zeroPoint, mlir::Type type);

/// x as ui8 with the range that it has.
struct DynamicNumbers {
  Tensor numbers, scale, zeroPoint;
};
DynamicNumbers quantizeDynamically(Node &n, const Tensor &x);

/// x - zeroPoint as i32.
Tensor centered(Node &n, const Tensor &x, const Tensor &zeroPoint);

/// A vector of one element as a scalar.
Tensor single(Node &n, const Tensor &x);

/// Sets output 0 to the i32 sums of a quantised product, times the product of
/// its scales, quantised again.
void requantize(Node &n, const Tensor &sums, const Tensor &scaleA,
                const Tensor &scaleB, const Tensor &scaleY,
                const Tensor &zeroY);

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_QUANTIZATION_H
