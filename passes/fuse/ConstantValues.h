//===- ConstantValues.h - What the compiler knows of a value ----*- C++ -*-===//
//
// Patterns ask whether a value is one number everywhere (an epsilon, a scale),
// whether it depends on constants only, and how it factors into a number and
// the rest. Nothing here creates or changes IR.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_FUSE_CONSTANTVALUES_H
#define MMCC_PASSES_FUSE_CONSTANTVALUES_H

#include "dialects/mm/MM.h"
#include <optional>

namespace mmcc {

/// The number that all elements of `value` have, looked up through views,
/// casts and arithmetic of such numbers; nothing if they differ or depend on
/// an input.
std::optional<double> getSplat(mlir::Value value);

/// Whether `value` is `number` everywhere, to the precision of its type.
bool isSplat(mlir::Value value, double number);

/// All elements of a constant in row-major order, if `value` is an
/// `mm.constant` with at most `limit` of them.
std::optional<llvm::SmallVector<double>> getElements(mlir::Value value,
                                                     int64_t limit);

/// Whether `value` is computed from constants only, by any operations, so that
/// it can be evaluated at compile time.
bool isConstantExpression(mlir::Value value);

/// A relative tolerance for literals of this element type: exporters print
/// sqrt(2) or 1.702 rounded to it.
double literalTolerance(mlir::Type elementType);
bool isClose(double a, double b, double tolerance);

/// value == factor * base, with `base` of the same type.
struct Scaled {
  mlir::Value base;
  double factor = 1.0;
};
Scaled stripScale(mlir::Value value);

/// value == coefficient * product of `factors`. Products are opened down to
/// `stop` (or to what is not a product), never through more than 16 of them.
struct Product {
  double coefficient = 1.0;
  llvm::SmallVector<mlir::Value> factors;
};
Product getProduct(mlir::Value value, mlir::Value stop = {});

/// Replaces `op` by `value`, through a reshape where the two types write equal
/// dimensions differently.
void replaceWithValue(mlir::RewriterBase &rewriter, mlir::Operation *op,
                      mlir::Value value);

/// `value` under another shape with as many elements; itself where the types
/// agree already.
mlir::Value reshapeTo(mlir::OpBuilder &builder, mlir::Location location,
                      mlir::Value value, llvm::ArrayRef<mm::Dim> shape);

/// `value` with dimensions permuted; itself for the identity.
mlir::Value transposeTo(mlir::OpBuilder &builder, mlir::Location location,
                        mlir::Value value, llvm::ArrayRef<int64_t> permutation);

/// A rank-0 constant of a float or integer type.
mlir::Value makeScalar(mlir::OpBuilder &builder, mlir::Location location,
                       mlir::Type elementType, double number);

inline mlir::RankedTensorType getTensorType(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType());
}

} // namespace mmcc

#endif // MMCC_PASSES_FUSE_CONSTANTVALUES_H
