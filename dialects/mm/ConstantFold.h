//===- ConstantFold.h - Computing with small constants ----------*- C++ -*-===//
//
// Folders compute only what is small (a shape, a scale, a table of a few
// entries) and exact: the four operations, roots, rounding, comparisons, data
// movement. exp, sin and their like, and all that is large, belong to the
// compiler's evaluate stage, which runs the compiled kernels themselves.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_DIALECTS_MM_CONSTANTFOLD_H
#define MMCC_DIALECTS_MM_CONSTANTFOLD_H

#include "dialects/mm/MM.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace mmcc::mm {

/// More elements than this are left to the evaluate stage.
constexpr int64_t kMaxFoldedElements = 1024;

/// Index of the input element (row-major) that a result element comes from.
using SourceIndex =
    llvm::function_ref<int64_t(llvm::ArrayRef<int64_t> resultIndex)>;

/// Calls `visit` with each index of a shape, in row-major order.
void forEachIndex(llvm::ArrayRef<int64_t> shape,
                  llvm::function_ref<void(llvm::ArrayRef<int64_t>)> visit);

/// Row-major distance in elements between neighbours along each dimension.
llvm::SmallVector<int64_t> rowMajorStrides(llvm::ArrayRef<int64_t> shape);

/// result[i] = input[source(i)], of static type `type`; null if `input` is no
/// dense constant or the result is large. A splat of any size stays a splat.
mlir::DenseElementsAttr foldMovement(mlir::Attribute input, mlir::Type type,
                                     SourceIndex source);

/// Result elements from the elements of the (broadcast) operands; null if one
/// is no dense constant, if the result is large, or if `compute` declines an
/// element by returning null.
mlir::DenseElementsAttr foldElementwise(
    llvm::ArrayRef<mlir::Attribute> operands, mlir::Type type,
    llvm::function_ref<mlir::Attribute(llvm::ArrayRef<mlir::Attribute>)>
        compute);

/// The element of a constant whose elements are all equal, or null.
mlir::Attribute getSplat(mlir::Attribute constant);

/// Whether all elements equal `value`, in integers or floats.
bool isSplatOf(mlir::Attribute constant, double value);

/// Whether a value is a constant, seen through data movement.
bool isConstantView(mlir::Value value);

/// Whether a constant holds unsigned elements (i1, a truth value, included).
bool isUnsignedElement(mlir::Type element);

} // namespace mmcc::mm

#endif // MMCC_DIALECTS_MM_CONSTANTFOLD_H
