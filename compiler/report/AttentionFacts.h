//===- AttentionFacts.h - Every attention and its tokens --------*- C++ -*-===//

#ifndef MMCC_COMPILER_REPORT_ATTENTIONFACTS_H
#define MMCC_COMPILER_REPORT_ATTENTIONFACTS_H

#include "dialects/mm/Dim.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace mmcc {

/// Which pairs of a query and a key take part, as mm.attention says it.
struct PairPattern {
  bool causal = false;
  int64_t window = 0, ahead = -1, stride = 0;
};
/// How many of the queries * keys pairs the pattern keeps.
int64_t countPairs(const PairPattern &pattern, int64_t queries, int64_t keys);

/// One mm.attention. Sizes may depend on the call.
struct AttentionFacts {
  std::string entry, node;
  /// As AttentionKind has them.
  std::string kind, limits, size;
  mm::Dim rows, heads, keyHeads;
  mm::Dim queries, keys, dim;
  PairPattern pattern;
  /// Pairs that a table of spans keeps, in one batch and head.
  std::optional<int64_t> spanPairs;
  /// Its scores get the sizes of merged tokens added.
  bool weighsMerged = false;
  /// Tokens that become one with another right behind it.
  int64_t merged = 0;
  /// The attention whose tokens its queries are, a layer on: an index among
  /// those of the entry, or -1.
  int previous = -1;
};

/// All attentions, function by function, in order; `describe` names the model's
/// nodes at a location.
std::vector<AttentionFacts>
collectAttention(mlir::ModuleOp module,
                 llvm::function_ref<std::string(mlir::Location)> describe);

/// {entry, node, kind, limits, size, why, rows, heads, key_heads, queries,
/// keys, dim, density, weighs_merged, merged, previous}: numbers for these
/// values of symbols, or the text of a size where one is missing. `density` is
/// the share of pairs that the kernel computes.
llvm::json::Object
describeAttention(const AttentionFacts &facts,
                  const std::map<std::string, int64_t> &symbols);

} // namespace mmcc

#endif // MMCC_COMPILER_REPORT_ATTENTIONFACTS_H
