//===- MaskTerms.h - A mask taken apart -------------------------*- C++ -*-===//
//
// What is added to attention scores is a sum of terms, and what is kept a
// conjunction: positions (j <= i + past), padding (a gather of the caller's
// mask), biases (relative positions). They are taken apart so that those which
// depend on positions alone can become attributes:
//
//     select(and(le(iota_j, iota_i), padding), 0, -inf)
//       ==>  keep j - i <= 0;  keep padding
//
// A term is laid out as the whole mask: its dimensions align at the right, and
// it may lack leading ones.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_ATTENTION_MASKTERMS_H
#define MMCC_PASSES_ATTENTION_MASKTERMS_H

#include "passes/attention/ConstantMask.h"

namespace mmcc {

struct MaskTerm {
  enum Kind {
    /// Keeps the pairs where `index` <= 0; `value` says the same as data.
    Position,
    /// Keeps the pairs where the boolean `value` is true.
    Keep,
    /// Adds the float `value`.
    Add
  };
  Kind kind;
  mlir::Value value;
  IndexExpr index = {};
  /// What the other pairs get added: -inf, or a number so low that they vanish
  /// beside any pair that is kept.
  double fill = 0;
  /// What a constant `value` keeps, if that is more than a band.
  std::optional<SparsePattern> sparse = std::nullopt;
};

using MaskTerms = llvm::SmallVector<MaskTerm, 4>;

/// The lowest number that a mask adds without meaning "never": what is at or
/// below it excludes a pair.
constexpr double kExcluded = -9999.0;

/// The terms of a float mask that is added. Creates views and negations of
/// parts at the insertion point.
MaskTerms takeApartAdded(mlir::OpBuilder &builder, mlir::Value mask);

/// The terms of a boolean mask that keeps where it is true (or false, when
/// `negated`).
MaskTerms takeApartKept(mlir::OpBuilder &builder, mlir::Value condition,
                        bool negated, double fill);

} // namespace mmcc

#endif // MMCC_PASSES_ATTENTION_MASKTERMS_H
