//===- AttentionMatch.h - The pieces of an attention ------------*- C++ -*-===//
//
// One match walks from a softmax back to the product of queries and keys and
// forth to the product with the values:
//
//     matmul(q, kt) -> [scale, cap, mask, cast, reshape]* -> softmax
//                   -> [NaN guard, cast, reshape]*        -> matmul(p, v)
//
// It changes nothing; AttentionBuild.h makes the operation from what it found.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_ATTENTION_ATTENTIONMATCH_H
#define MMCC_PASSES_ATTENTION_ATTENTIONMATCH_H

#include "dialects/mm/MM.h"
#include "passes/attention/LeadFactors.h"
#include <string>

namespace mmcc {

/// A mask on the way of the scores, not yet taken apart.
struct RawMask {
  mlir::Value value;
  /// A condition that keeps (or, `negated`, excludes), instead of a sum.
  bool condition = false, negated = false;
  double fill = 0;
  /// The scores' leading dimensions where the mask meets them.
  mm::Shape lead;
  double factor = 1.0;
};

/// One of q, k, v seen through views of its leading dimensions.
struct LeadOperand {
  mlir::Value value;
  /// What the leading dimensions of `value` broadcast to.
  mm::Shape lead;
  /// Whether the last two dimensions are exchanged.
  bool swapped = false;
  /// Number that `value` has to be multiplied with besides.
  double factor = 1.0;
  /// The value is [batch, kv_heads, rows, columns] and lacks the last entry of
  /// a lead [batch, kv_heads, group].
  bool grouped = false;
};

struct AttentionMatch {
  explicit AttentionMatch(mlir::MLIRContext *context) : factors(context) {}

  /// What the attention replaces: the product with the values.
  mlir::Operation *root = nullptr;
  mm::Dim queries, keys;
  mlir::Type scoreType;
  LeadOperand query, key, value;
  double scale = 1.0, softcap = 0.0, outputFactor = 1.0;
  /// As of mm.attention; causal is `ahead` 0.
  std::optional<int64_t> ahead;
  int64_t window = 0, stride = 0;
  std::vector<RawMask> masks;
  /// Values with one entry a query row that the scores are multiplied with.
  std::vector<std::pair<mlir::Value, mm::Shape>> rowFactors;
  /// All factorisations that the scores pass through.
  std::vector<mm::Shape> leads;
  LeadFactors factors;
};

/// Matches the attention around `softmax`, or says in `reason` where it ends.
std::optional<AttentionMatch> matchAttention(mm::SoftmaxOp softmax,
                                             std::string &reason);

/// An mm.attention that import made, in the same terms.
AttentionMatch matchExisting(mm::AttentionOp op);

/// Whether a reshape leaves the last two dimensions alone.
bool keepsLastTwo(mm::ReshapeOp reshape);

/// Looks through views of leading dimensions, exchanges of the last two,
/// repeats and scales, as far as `factors` can follow, which are refined.
LeadOperand seeThrough(mlir::Value value, llvm::ArrayRef<mm::Dim> lead,
                       bool swapped, LeadFactors &factors);

/// The number that `value` is multiplied with beneath views that nothing else
/// reads; 1 if there is none.
double peekScale(mlir::Value value);
/// `value` without that number: the views are made anew.
mlir::Value withoutScale(mlir::OpBuilder &builder, mlir::Value value);

} // namespace mmcc

#endif // MMCC_PASSES_ATTENTION_ATTENTIONMATCH_H
