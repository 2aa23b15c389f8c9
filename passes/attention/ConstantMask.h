//===- ConstantMask.h - Band matrices among constants -----------*- C++ -*-===//

#ifndef MMCC_PASSES_ATTENTION_CONSTANTMASK_H
#define MMCC_PASSES_ATTENTION_CONSTANTMASK_H

#include "passes/attention/IndexExpr.h"

namespace mmcc {

/// The inequalities index <= 0 that together say what a constant mask
/// [1..., queries, keys] keeps, if each row keeps one stretch of neighbours and
/// both ends of it follow the diagonal (or the border):
///
///     1 1 0 0
///     1 1 1 0     j - i - 1 <= 0   and   i - 1 - j <= 0
///     0 1 1 1
///
/// None of them if the mask is no such band.
llvm::SmallVector<IndexExpr> getBand(mlir::RankedTensorType type,
                                     llvm::ArrayRef<bool> keeps);

/// A local window and strided keys, in the terms of mm.attention: ahead is 0 if
/// causal.
struct SparsePattern {
  bool causal;
  int64_t window, ahead, stride;
};

/// The pattern that a constant mask [1..., queries, keys] keeps, if it is one:
/// columns 0, stride, 2 stride, ... whole (or from the diagonal down), and a
/// band along the diagonal.
std::optional<SparsePattern> getSparsePattern(mlir::RankedTensorType type,
                                              llvm::ArrayRef<bool> keeps);

} // namespace mmcc

#endif // MMCC_PASSES_ATTENTION_CONSTANTMASK_H
