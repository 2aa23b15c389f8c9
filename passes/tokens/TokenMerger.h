//===- TokenMerger.h - Carries a plan of merging out ------------*- C++ -*-===//

#ifndef MMCC_PASSES_TOKENS_TOKENMERGER_H
#define MMCC_PASSES_TOKENS_TOKENMERGER_H

#include "mlir/IR/Builders.h"
#include "passes/tokens/MergePlan.h"

namespace mmcc {

class TokenMerger {
public:
  TokenMerger(const EncoderStream &stream, bool neighbours);

  void apply(llvm::ArrayRef<MergeStep> steps);

  /// For each original token the index of the token it became part of at the
  /// end: [batch, tokens] i64.
  mlir::Value getSourceMap() const { return stages.back().source; }
  /// Tokens at each stage; the first entry is the original number.
  llvm::SmallVector<int64_t> getCounts() const;

private:
  /// The tokens after so many merges.
  struct Stage {
    int64_t count;
    /// [batch, count] f32, how many original tokens each one is; null at first.
    mlir::Value size;
    /// log(size) as what attention adds to its scores, [batch, 1, 1, count].
    mlir::Value bias;
    /// [batch, original] i64; null at first.
    mlir::Value source;
  };

  void merge(const MergeStep &step);
  void resize(mlir::Value value, int64_t axis, int64_t count);
  void weighMean(mm::ReduceOp op, const TokenOperand &operand);
  void addBias(mm::AttentionOp op, unsigned stage);
  mlir::Value giveBack(mlir::Value value, const TokenOperand &operand);
  /// The value as [batch, tokens, rest...], and back from that form to `shape`.
  mlir::Value tokensSecond(mlir::Value value, int64_t axis);
  mlir::Value tokensAt(mlir::Value value, int64_t axis,
                       llvm::ArrayRef<mm::Dim> shape);
  mm::Dim dim(int64_t value) const;

  const TokenSet tokens;
  bool neighbours;
  mlir::OpBuilder builder;
  mlir::Location loc;
  llvm::SmallVector<Stage> stages;
};

} // namespace mmcc

#endif // MMCC_PASSES_TOKENS_TOKENMERGER_H
