//===- PrunePlan.h - What pruning changes, found before anything is changed
//===//
//
// Behind the place where image tokens are taken away, a value that has tokens
// is shorter in that dimension. Tokens keep their order and their positions:
//
//     positions  0 1 2 3 4 5 6     before 1, image 4, after 2
//     tokens     t i i i i t t     the image keeps 1 and 3 of its own
//     left       t   i   i t t     places 0 2 4 5 6
//
// Operations that work on each token by itself go on with fewer. What has a
// value of its own for each position (rotations, tables, masks) is looked up at
// the places that are left. Causal attention stays causal, since order is kept.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_TOKENS_PRUNEPLAN_H
#define MMCC_PASSES_TOKENS_PRUNEPLAN_H

#include "passes/tokens/ImageTokens.h"
#include <vector>

namespace mmcc {

/// Where a value has the image tokens: along `axis`, `before` other tokens
/// precede them and `after` follow.
struct TokenRun {
  int64_t axis;
  mm::Dim before, after;

  bool sameTokens(const TokenRun &other) const {
    return before == other.before && after == other.after;
  }
};

/// An operand with something for each position, along `axis` of its own shape.
struct PositionOperand {
  unsigned index;
  int64_t axis;
  TokenRun run;
};

/// An operation that sees image tokens.
struct PruneStep {
  mlir::Operation *op;
  std::vector<PositionOperand> positions;
  /// Where the result has its tokens, if it has any.
  std::optional<TokenRun> run;
  /// A slice of tokens behind the image begins earlier in this dimension.
  std::optional<int64_t> shifts;
};

/// All operations behind the image tokens, in order; nothing, with `where` and
/// `reason`, if one of them needs every token.
std::optional<std::vector<PruneStep>> planPruning(const ImageTokens &image,
                                                  mlir::Operation *&where,
                                                  std::string &reason);

} // namespace mmcc

#endif // MMCC_PASSES_TOKENS_PRUNEPLAN_H
