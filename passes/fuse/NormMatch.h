//===- NormMatch.h - The pieces of a normalisation --------------*- C++ -*-===//
//
// Layer norm and RMS norm end alike: a value times 1 / sqrt(mean square + eps).
// They differ in whether the value had its mean taken away, which this match
// reports.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_FUSE_NORMMATCH_H
#define MMCC_PASSES_FUSE_NORMMATCH_H

#include "dialects/mm/MM.h"
#include "mlir/IR/PatternMatch.h"
#include <optional>

namespace mmcc {

struct NormMatch {
  /// What is normalised: before the mean is taken away, if it is.
  mlir::Value input;
  bool centred = false;
  /// Sorted.
  llvm::SmallVector<int64_t> axes;
  double epsilon = 0;
  /// What the normalised value is multiplied with besides.
  double coefficient = 1;
  llvm::SmallVector<mlir::Value> factors;
};

/// Matches the product or quotient that ends a normalisation.
std::optional<NormMatch> matchNorm(mlir::Operation *root);

/// The mean of some value along some dimensions, which stay with size 1.
struct MeanMatch {
  mlir::Value input;
  llvm::SmallVector<int64_t> axes;
};
std::optional<MeanMatch> matchMean(mlir::Value value);

/// The input of `match` with the normalised dimensions last: `permutation` is
/// how it got there, `axis` the first of them.
struct TrailingAxes {
  llvm::SmallVector<int64_t> permutation;
  int64_t axis;
};
TrailingAxes moveAxesLast(const NormMatch &match);

/// Replaces `root` by the inverse permutation of `norm`, times the factors of
/// the match.
void replaceNorm(mlir::PatternRewriter &rewriter, mlir::Operation *root,
                 const NormMatch &match, const TrailingAxes &trailing,
                 mlir::Value norm);

/// `vector` shaped for the normalised dimensions of `norm` (those from
/// `axis`), if it is a constant that varies along no others; else null.
mlir::Value shapeNormParameter(mlir::PatternRewriter &rewriter,
                               mlir::Value vector, mlir::Value norm,
                               int64_t axis);

} // namespace mmcc

#endif // MMCC_PASSES_FUSE_NORMMATCH_H
