//===- IndexExpr.h - Tensors that are functions of their indices ----------===//
//
// Exporters compute causal masks from `iota`s that are reshaped, broadcast,
// shifted by cache lengths and compared. Such an integer tensor is an affine
// function of its indices; a comparison of two of them is an inequality
//
//     constant + sum of coefficient[a] * index[a] <= 0
//
// with `a` counting dimensions from the right, where broadcasting aligns.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_ATTENTION_INDEXEXPR_H
#define MMCC_PASSES_ATTENTION_INDEXEXPR_H

#include "dialects/mm/MM.h"
#include <optional>

namespace mmcc {

struct IndexExpr {
  mm::Dim constant;
  /// By dimension, counted from the right; what is missing is 0. A coefficient
  /// is symbolic where rows of unknown length were flattened.
  llvm::SmallVector<mm::Dim, 4> coefficients;

  mm::Dim coefficient(size_t axisFromRight) const;
  bool isConstant() const;
};

/// `constant` plus the given static coefficients, counted from the right.
IndexExpr makeIndexExpr(const mm::Dim &constant,
                        llvm::ArrayRef<int64_t> coefficients = {});

/// The elements of `value` as a function of its indices.
std::optional<IndexExpr> getIndexExpr(mlir::Value value);

/// What a test for equality of positions says, if it says the same everywhere.
std::optional<bool> isDecided(mm::CompareOp compare);

/// a * factorA + b * factorB
IndexExpr combine(const IndexExpr &a, const mm::Dim &factorA,
                  const IndexExpr &b, const mm::Dim &factorB);
IndexExpr combine(const IndexExpr &a, int64_t factorA, const IndexExpr &b,
                  int64_t factorB);

/// For each dimension of the result of `reshape`, the dimension of the input
/// it is, or -1 for a dimension of size 1 without one; nothing unless the
/// reshape only adds and removes dimensions of size 1.
std::optional<llvm::SmallVector<int64_t>>
getUnitReshapeMap(mm::ReshapeOp reshape);

/// `expr` on the input of a view (reshape by units, transpose, broadcast,
/// slice) as an expression on its result; nothing for another operation.
std::optional<IndexExpr> applyView(mlir::Operation *view,
                                   const IndexExpr &expr);

/// Whether `dim` is at most 0 for all symbols at least 0.
bool isNeverPositive(const mm::Dim &dim);

/// Whether expr <= 0 at all indices of a tensor of this shape.
bool holdsEverywhere(const IndexExpr &expr, llvm::ArrayRef<mm::Dim> shape);

} // namespace mmcc

#endif // MMCC_PASSES_ATTENTION_INDEXEXPR_H
