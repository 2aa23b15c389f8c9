//===- Attention.h - What lowerings of attention share ----------*- C++ -*-===//

#ifndef MMCC_PASSES_LOWER_ATTENTION_H
#define MMCC_PASSES_LOWER_ATTENTION_H

#include "passes/lower/Kernel.h"

namespace mmcc::lower {

/// Whether heads are narrow enough for a GPU's tensor cores.
bool fitsTensorCores(mm::AttentionOp op);
/// Whether a call may have so few queries that a GPU cuts its keys; these are
/// computed in f32.
bool mayBeStep(mm::AttentionOp op);
/// A view of rank 4 whose last dimension is contiguous.
View headsView(Lowering &lowering, mlir::Value value);
/// The score block over `pairs`, [batch, heads, queries, keys], if a mask or a
/// cap asks for one.
void addScore(Kernel &kernel, mm::AttentionOp op, llvm::ArrayRef<Dim> pairs);
/// The post block, which stores the end of the chain.
void addPost(Kernel &kernel, const Chain &chain, mlir::Value result);

/// What a GPU keeps in memory where a call may have few queries, so that their
/// keys are cut (StepAttention.cuh).
struct StepMemory {
  /// Whether keys may be cut, and blocks along x beyond those of tiles of
  /// queries.
  bool isCut = false;
  Dim blocks;
  mlir::Value partials, counters;
  /// The two last tensors of the row.
  void addTo(Kernel &kernel, llvm::SmallVectorImpl<Dim> &offsets) const;
};
/// For heads [batch, heads, queries] of `width` and `group` of them that share
/// keys. Memory is of one element if the keys, whose number is known then, are
/// not worth cutting; `counters` are set by the caller.
StepMemory stepMemory(Lowering &lowering, llvm::ArrayRef<Dim> heads,
                      const Dim &keys, int64_t group, int64_t width,
                      mlir::Location loc);

} // namespace mmcc::lower

#endif // MMCC_PASSES_LOWER_ATTENTION_H
