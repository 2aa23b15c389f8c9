//===- PastPairs.h - Past keys and values that a step extends ---*- C++ -*-===//

#ifndef MMCC_PASSES_STATE_PASTPAIRS_H
#define MMCC_PASSES_STATE_PASTPAIRS_H

#include "dialects/mm/MM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mmcc {

/// An argument [batch, heads, past, dim], its concat with the new rows, and the
/// function's result that gives the concat back.
struct PastPair {
  unsigned argument, result;
  mm::ConcatOp present;
};

/// The pairs of a function that can be kept as state; none if what is left of
/// its arguments would not tell every size.
llvm::SmallVector<PastPair> findPastPairs(mlir::func::FuncOp func);

} // namespace mmcc

#endif // MMCC_PASSES_STATE_PASTPAIRS_H
