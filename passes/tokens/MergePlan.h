//===- MergePlan.h - What merging changes, found before anything is changed
//===//

#ifndef MMCC_PASSES_TOKENS_MERGEPLAN_H
#define MMCC_PASSES_TOKENS_MERGEPLAN_H

#include "passes/tokens/EncoderStream.h"

namespace mmcc {

/// An operand that has merged tokens. Tokens of stage s have passed s merges.
struct TokenOperand {
  unsigned index;
  int64_t axis;
  unsigned stage;
};

/// An operation behind the first merge.
struct MergeStep {
  mlir::Operation *op;
  llvm::SmallVector<TokenOperand, 2> operands;
  TokenFlow flow;
  /// Merges this many tokens behind `op`, the sum of a layer; 0: none.
  int64_t merged = 0;
  /// That layer.
  const EncoderLayer *layer = nullptr;
};

/// All operations that see merged tokens of `stream`, in order, if `merged[l]`
/// tokens merge in layer l. An operation that needs every token at its place
/// gets them back when no layer depends on it; otherwise there is no plan, and
/// `stream.reason` and `where` say why.
std::optional<llvm::SmallVector<MergeStep>>
planMerging(EncoderStream &stream, llvm::ArrayRef<int64_t> merged,
            mlir::Operation *&where);

} // namespace mmcc

#endif // MMCC_PASSES_TOKENS_MERGEPLAN_H
