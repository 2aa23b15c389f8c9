//===- NarrowMatrix.h - A weight that came as integers ----------*- C++ -*-===//
//
// What a model's own mm.dequantize says of a weight, followed through the data
// movement and the factors that other passes have put between it and its
// product:
//
//     linear(x, concat(transpose(dequantize(q, s)), dequantize(r, t) * f))
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_QUANTIZE_NARROWMATRIX_H
#define MMCC_PASSES_QUANTIZE_NARROWMATRIX_H

#include "dialects/mm/MM.h"
#include "mlir/IR/Builders.h"
#include <optional>

namespace mmcc::quantize {

/// (numbers - zero) * scale, of rank 2. An entry of scale and zero stands for
/// `steps[i]` numbers along dimension i.
struct NarrowMatrix {
  mlir::Value numbers; // i8 or ui8
  mlir::Value scale;   // f32
  mlir::Value zero;    // f32 of scale's shape; null: 0
  int64_t steps[2] = {1, 1};

  int64_t size(int i) const {
    return llvm::cast<mlir::RankedTensorType>(numbers.getType()).getDimSize(i);
  }
};

/// The matrix that `value` is, leading dimensions of 1 left out; nothing if it
/// is not made of constants in this way. Builds what it needs; what comes of it
/// unused is dead.
std::optional<NarrowMatrix> matchNarrowMatrix(mlir::OpBuilder &builder,
                                              mlir::Value value);

/// Constants of mm.quantized_linear for a weight [in, out].
struct NarrowOperands {
  mlir::Value numbers, scale, zero;
  /// Sums over `in` of (number - zero) * scale, [out].
  mlir::Value columnSums;
};

/// Nothing if no kernel has these groups: `in` and the group are multiples of
/// 32, and a group lies within a column.
std::optional<NarrowOperands>
makeOperands(mlir::OpBuilder &builder, mlir::Location loc, NarrowMatrix matrix);

/// The one number of all elements of a constant of any size, followed through
/// views and casts; nothing if they differ.
std::optional<double> uniformNumber(mlir::Value value);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_NARROWMATRIX_H
