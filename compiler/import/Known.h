//===- Known.h - Tensor elements known at import ----------------*- C++ -*-===//
//
// Exporters write shape arithmetic as tensors: Shape, Gather, Mul, Concat,
// Reshape. Import follows the elements of small integer tensors through these
// as dimensions, so that the arithmetic disappears into the types:
//
//     Shape(x : [batch, 197, 768])        {batch, 197, 768}
//     Gather(.., 0)                       {batch}
//     Concat(.., [197, 12, 64])           {batch, 197, 12, 64}
//
// Floats are followed where sizes pass through them: as numbers, or as an
// expression over a positive integer (floor(height / 2)).
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_COMPILER_IMPORT_KNOWN_H
#define MMCC_COMPILER_IMPORT_KNOWN_H

#include "compiler/import/DimFacts.h"
#include "mlir/IR/Value.h"
#include <memory>
#include <vector>

namespace mmcc::import {

/// One element: an integer or bool `numerator`, a float
/// `numerator / denominator` or `real`, or not known.
struct Scalar {
  mm::Dim numerator;
  int64_t denominator = 1;
  std::optional<double> real;

  static Scalar integer(mlir::MLIRContext *context, int64_t value) {
    return {mm::Dim::constant(context, value), 1, std::nullopt};
  }
  static Scalar dim(const mm::Dim &dim) { return {dim, 1, std::nullopt}; }
  static Scalar number(double value) { return {mm::Dim(), 1, value}; }
  bool isKnown() const { return numerator || real; }
  /// The integer, if it is one and does not depend on sizes.
  std::optional<int64_t> constant() const {
    return numerator && denominator == 1 ? numerator.getConstant()
                                         : std::nullopt;
  }
};

/// At most this many elements of an integer or bool tensor are followed.
constexpr int64_t kMaxKnownElements = 4096;
constexpr int64_t kMaxKnownReals = 64;

struct Known {
  mlir::Type elementType;
  llvm::SmallVector<int64_t> sizes;
  std::vector<Scalar> elements;
  /// What the elements came from or have been turned into, if anything.
  mlir::ElementsAttr attribute;
  mlir::Value value;

  bool isComplete() const;
  /// All elements as dimensions; nothing if one is not an integer.
  std::optional<mm::Shape> dims() const;
};

/// Whether tensors of this type are followed.
bool canBeKnown(mlir::RankedTensorType type);

/// The element of an elementwise `mm` operation ("mm.add") whose operands'
/// element type is `type`; not known if import cannot tell.
Scalar evaluate(llvm::StringRef operation, llvm::ArrayRef<Scalar> operands,
                mlir::Type type, const DimFacts &facts);
/// "mm.compare" with a predicate of its enumeration by name: "eq", "lt", ...
Scalar compare(llvm::StringRef predicate, const Scalar &a, const Scalar &b,
               const DimFacts &facts, mlir::MLIRContext *context);
/// "mm.cast".
Scalar convert(const Scalar &scalar, mlir::Type from, mlir::Type to,
               const DimFacts &facts);

/// Reads constants; nothing if the type is not followed.
std::shared_ptr<Known> readKnown(mlir::RankedTensorType type,
                                 llvm::ArrayRef<char> bytes);

/// Row-major position in a tensor of `sizes` of the element that broadcasting
/// to `result` puts at `coordinates`.
int64_t broadcastPosition(llvm::ArrayRef<int64_t> sizes,
                          llvm::ArrayRef<int64_t> coordinates);
/// Calls `visit` with the coordinates of each element, in row-major order.
void forEachElement(
    llvm::ArrayRef<int64_t> sizes,
    llvm::function_ref<void(llvm::ArrayRef<int64_t> coordinates)> visit);

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_KNOWN_H
