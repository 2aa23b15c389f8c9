//===- BoundedRewrite.h - Greedy rewriting that surely ends -----*- C++ -*-===//

#ifndef MMCC_PASSES_SIMPLIFY_BOUNDEDREWRITE_H
#define MMCC_PASSES_SIMPLIFY_BOUNDEDREWRITE_H

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mmcc {

/// Applies `patterns` until none matches. The patterns are written to end, but
/// a model from outside may hold what nobody thought of: then rewriting stops
/// after a number of steps that no real model needs, with valid IR.
inline void rewriteBounded(mlir::Operation *root,
                           const mlir::FrozenRewritePatternSet &patterns) {
  int64_t operations = 0;
  root->walk([&](mlir::Operation *) { ++operations; });
  mlir::GreedyRewriteConfig config;
  config.useTopDownTraversal = true;
  config.maxIterations = 16;
  config.maxNumRewrites = 256 * operations;
  (void)mlir::applyPatternsAndFoldGreedily(root, patterns, config);
}

} // namespace mmcc

#endif // MMCC_PASSES_SIMPLIFY_BOUNDEDREWRITE_H
