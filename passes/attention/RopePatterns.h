//===- RopePatterns.h - Channels that rotary embeddings turn ----*- C++ -*-===//

#ifndef MMCC_PASSES_ATTENTION_ROPEPATTERNS_H
#define MMCC_PASSES_ATTENTION_ROPEPATTERNS_H

#include "dialects/mm/MM.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Pass/Pass.h"

namespace mmcc {

/// Channels begin, begin + step, ... (count of them) of `base`, all of the
/// other dimensions.
struct Channels {
  mlir::Value base;
  int64_t begin = 0, count = 0, step = 1;
};

/// What `value` is of a wider value; all of itself if it is no such slice.
/// Nothing if the last dimension is not static.
std::optional<Channels> getChannels(mlir::Value value);

/// x, if `value` is -x, also written as a product with -1.
mlir::Value getNegated(mlir::Value value);

/// Whether `table` broadcasts to `shape` without widening it.
bool fitsBeside(mlir::Value table, llvm::ArrayRef<mm::Dim> shape);

/// mm.rope of `input` [batch, heads, tokens, dim]; fewer leading dimensions
/// become 1.
mlir::Value makeRope(mlir::PatternRewriter &rewriter, mlir::Location loc,
                     mlir::Value input, mlir::Value cos, mlir::Value sin,
                     int64_t rotaryDim, bool interleaved);

/// x * cos + (-x[1], x[0], -x[3], x[2], ...) * sin
void populateInterleavedRope(mlir::RewritePatternSet &patterns,
                             mlir::Pass::Statistic &count);

} // namespace mmcc

#endif // MMCC_PASSES_ATTENTION_ROPEPATTERNS_H
