//===- Attention.h - What lowerings of attention share ----------*- C++ -*-===//

#ifndef MMCC_PASSES_LOWER_ATTENTION_H
#define MMCC_PASSES_LOWER_ATTENTION_H

#include "passes/lower/Kernel.h"

namespace mmcc::lower {

/// Whether heads are narrow enough for a GPU's tensor cores.
bool fitsTensorCores(mm::AttentionOp op);
/// A view of rank 4 whose last dimension is contiguous.
View headsView(Lowering &lowering, mlir::Value value);
/// The score block over `pairs`, [batch, heads, queries, keys], if a mask or a
/// cap asks for one.
void addScore(Kernel &kernel, mm::AttentionOp op, llvm::ArrayRef<Dim> pairs);
/// The post block, which stores the end of the chain.
void addPost(Kernel &kernel, const Chain &chain, mlir::Value result);

} // namespace mmcc::lower

#endif // MMCC_PASSES_LOWER_ATTENTION_H
