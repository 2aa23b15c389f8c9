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

} // namespace mmcc

#endif // MMCC_PASSES_ATTENTION_CONSTANTMASK_H
