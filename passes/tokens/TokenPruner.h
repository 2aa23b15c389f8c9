//===- TokenPruner.h - Carries a plan of pruning out ------------*- C++ -*-===//

#ifndef MMCC_PASSES_TOKENS_TOKENPRUNER_H
#define MMCC_PASSES_TOKENS_TOKENPRUNER_H

#include "mlir/IR/Builders.h"
#include "passes/tokens/PrunePlan.h"

namespace mmcc {

class TokenPruner {
public:
  /// `keep` of the image's tokens stay.
  TokenPruner(const ImageTokens &image, int64_t keep);

  void apply(llvm::ArrayRef<PruneStep> steps);

  /// The places, among the image's tokens, of those that stay: [batch, keep]
  /// i64, ascending.
  mlir::Value getMap() const { return kept; }

private:
  /// Which tokens are least alike.
  mlir::Value choose();
  /// Places of all tokens that are left around and in the image, [batch, left].
  mlir::Value places(const TokenRun &run);
  /// `value`, whose dimension `axis` counts the tokens of `run`, at the places
  /// that are left. It has `rank` dimensions then, the first one the batch.
  mlir::Value lookUp(mlir::Value value, int64_t axis, int64_t rank,
                     const TokenRun &run);
  mlir::Value iota(const mm::Dim &start, const mm::Dim &length);
  mm::Dim dim(int64_t value) const;

  const ImageTokens image;
  int64_t keep;
  mlir::OpBuilder builder;
  mlir::Location loc;
  mlir::Value kept, shortened;
  /// Places that were computed already, for the operations behind them.
  llvm::SmallVector<std::pair<TokenRun, mlir::Value>> known;
};

} // namespace mmcc

#endif // MMCC_PASSES_TOKENS_TOKENPRUNER_H
