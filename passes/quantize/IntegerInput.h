//===- IntegerInput.h - Activations that are integers -----------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_INTEGERINPUT_H
#define MMCC_PASSES_QUANTIZE_INTEGERINPUT_H

#include "dialects/mm/MM.h"
#include "mlir/IR/Builders.h"
#include <optional>

namespace mmcc::quantize {

/// (numbers + offset) * scale, numbers i8 of the value's shape; offset and
/// scale of one element, constants or not, null for 0 and 1.
struct IntegerInput {
  mlir::Value numbers, offset, scale;
};

/// Finds the integers behind real activations, and makes those of ui8 i8, 128
/// less: where an mm.quantize makes them, it makes those as well.
class IntegerInputs {
public:
  /// Builds right behind the value.
  std::optional<IntegerInput> match(mlir::Value value);

private:
  mlir::Value toSigned(mlir::OpBuilder &builder, mlir::Value numbers);

  llvm::DenseMap<mlir::Value, mlir::Value> signedOf;
};

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_INTEGERINPUT_H
