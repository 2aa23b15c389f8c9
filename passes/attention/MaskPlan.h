//===- MaskPlan.h - What becomes of a mask ----------------------*- C++ -*-===//

#ifndef MMCC_PASSES_ATTENTION_MASKPLAN_H
#define MMCC_PASSES_ATTENTION_MASKPLAN_H

#include "passes/attention/LeadFactors.h"
#include "passes/attention/MaskTerms.h"

namespace mmcc {

/// A term beside the leading dimensions it broadcasts to, and the factor that
/// the sum it is in is multiplied with before the softmax.
struct PlacedTerm {
  MaskTerm term;
  mm::Shape lead;
  double factor = 1.0;
};

struct MaskPlan {
  /// Keys up to so many behind a query's own take part: 0 is causal. Nothing:
  /// all do.
  std::optional<int64_t> ahead;
  int64_t window = 0, stride = 0;
  /// Whether a term became an attribute or turned out to hold everywhere.
  bool reduced = false;
  std::vector<PlacedTerm> rest;
};

/// Sorts terms into attributes of mm.attention and a rest. `scores` are the
/// sizes [queries, keys].
MaskPlan planMask(llvm::ArrayRef<PlacedTerm> terms, const mm::Dim &queries,
                  const mm::Dim &keys);

/// Reads a term where it is not repeated yet: a mask for each window that was
/// broadcast over images and folded with them says less than its size. Splits
/// `factors` as that needs.
void seeThroughRepeat(mlir::OpBuilder &builder, PlacedTerm &placed,
                      LeadFactors &factors);

/// The rest of a plan as one boolean or float (`elementType`) value
/// [factors or 1..., queries or 1, keys or 1]; null if nothing is left.
mlir::Value joinRest(mlir::OpBuilder &builder, mlir::Location location,
                     const MaskPlan &plan, const LeadFactors &factors,
                     mlir::Type elementType);

} // namespace mmcc

#endif // MMCC_PASSES_ATTENTION_MASKPLAN_H
