//===- AlgebraPatterns.h - The patterns of mm-algebra -----------*- C++ -*-===//

#ifndef MMCC_PASSES_SIMPLIFY_ALGEBRAPATTERNS_H
#define MMCC_PASSES_SIMPLIFY_ALGEBRAPATTERNS_H

#include "dialects/mm/MM.h"
#include "mlir/IR/PatternMatch.h"

namespace mmcc {

void populateArithmeticPatterns(mlir::RewritePatternSet &patterns);
void populateLogicPatterns(mlir::RewritePatternSet &patterns);
void populateReducePatterns(mlir::RewritePatternSet &patterns);

/// The number that all elements of an `mm.constant` have, or nothing.
std::optional<double> getScalar(mlir::Value value);

/// A rank-0 constant; `number` is rounded to the element type.
mlir::Value createScalar(mlir::OpBuilder &builder, mlir::Location location,
                         mlir::Type elementType, double number);

inline mlir::Type elementTypeOf(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType()).getElementType();
}

/// Whether two values have one shape.
bool haveSameShape(mlir::Value a, mlir::Value b);

} // namespace mmcc

#endif // MMCC_PASSES_SIMPLIFY_ALGEBRAPATTERNS_H
