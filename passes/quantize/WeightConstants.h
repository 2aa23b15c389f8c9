//===- WeightConstants.h - Weights and what they become, as IR --*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_WEIGHTCONSTANTS_H
#define MMCC_PASSES_QUANTIZE_WEIGHTCONSTANTS_H

#include "dialects/mm/MM.h"
#include "passes/quantize/methods/HalfFloats.h"
#include "passes/quantize/methods/NarrowWeight.h"
#include <optional>

namespace mmcc::quantize {

/// The f32 matrix `value` [in, out], which comes from constants by data
/// movement; nothing if it does not.
std::optional<WeightMatrix> readWeight(mlir::Value value);

/// The f32 vector of `size` entries, or one entry so many times, in the
/// constant `value`; nothing if it is none.
std::optional<std::vector<float>> readVector(mlir::Value value, int64_t size);

/// A constant f32 vector.
mlir::Value makeVector(mlir::OpBuilder &builder, mlir::Location loc,
                       llvm::ArrayRef<float> numbers);

/// What tells one weight from another: where its numbers are read. Null if
/// they do not come from constants by data movement.
mlir::Attribute keyOf(mlir::Value weight);

/// The values that lowering packs, as constants: numbers [in, out] of i4, ui4,
/// i8 or a float of 8 bits, scales and, if asymmetric, zeros [in / group, out]
/// of f32. 8-bit numbers with a zero are moved down by 128, with their zero.
struct NarrowConstants {
  mlir::ElementsAttr numbers, scale, zero;
};
NarrowConstants makeConstants(mlir::MLIRContext *context,
                              const NarrowWeight &weight);

/// A constant of f32 in 16 bits; null if its data is not at hand.
mlir::ElementsAttr makeHalf(mlir::ElementsAttr value, HalfFloat type);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_WEIGHTCONSTANTS_H
