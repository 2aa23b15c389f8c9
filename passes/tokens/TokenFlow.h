//===- TokenFlow.h - The token dimension on its way -------------*- C++ -*-===//
//
// Merging shrinks the token dimension of a value; every operation behind it
// either works on any number of tokens, in any order, or needs each of them at
// its own place:
//
//     linear, norm, gelu ...   carries   [b, 197, d] -> [b, 197, n]
//     heads apart              carries   [b, 197, 768] -> [b, 197, 12, 64]
//     mean over tokens         ends      [b, 197, d] -> [b, d], weighted by
//     size the class token          ends      a token that is protected stays
//     where it is table of positions       stops     one value for each of 197
//     positions
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_TOKENS_TOKENFLOW_H
#define MMCC_PASSES_TOKENS_TOKENFLOW_H

#include "dialects/mm/MM.h"
#include <string>

namespace mmcc {

struct TokenFlow {
  enum Kind { Carries, Ends, Stops };

  static TokenFlow carries(int64_t axis) { return {Carries, axis, {}}; }
  static TokenFlow ends() { return {Ends, -1, {}}; }
  static TokenFlow stops(std::string reason) { return {Stops, -1, reason}; }

  Kind kind;
  /// Where the result has its tokens.
  int64_t axis;
  /// What stands in the way.
  std::string reason;
};

/// What is known of the tokens that flow.
struct TokenSet {
  int64_t count;
  /// The first ones, which keep their place.
  int64_t protect;
  mm::Dim batch;
};

/// The token dimension of a value, or -1 if it has none.
using AxisOf = llvm::function_ref<int64_t(mlir::Value)>;

/// How `op`, some operand of which has tokens, treats them.
TokenFlow getTokenFlow(mlir::Operation *op, AxisOf axisOf,
                       const TokenSet &tokens);

/// Whether a value of this shape can be brought into the form [batch, tokens,
/// rest] by moving dimensions.
bool hasBatchBesideTokens(llvm::ArrayRef<mm::Dim> shape, int64_t axis,
                          const TokenSet &tokens);

} // namespace mmcc

#endif // MMCC_PASSES_TOKENS_TOKENFLOW_H
