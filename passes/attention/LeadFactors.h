//===- LeadFactors.h - Leading dimensions in one factorisation --*- C++ -*-===//
//
// Exporters fold and unfold batch, windows and heads between the products of
// one attention: [batch * heads], [batch, heads], [batch, windows, heads]. All
// are row-major views of one index space, whose finest factors are found by
// splitting each list of dimensions at the boundaries of the others:
//
//     [batch * 64, 3]  and  [batch, 64, 3]   ==>  batch, 64, 3
//
// An operand has each factor whole or, where it broadcasts, not at all. Batch
// and heads of mm.attention are a prefix of the factors and the rest.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_ATTENTION_LEADFACTORS_H
#define MMCC_PASSES_ATTENTION_LEADFACTORS_H

#include "dialects/mm/MM.h"
#include <optional>

namespace mmcc {

class LeadFactors {
public:
  explicit LeadFactors(mlir::MLIRContext *context) : context(context) {}

  /// Splits the factors so that each dimension of `lead` is a product of
  /// neighbours. False, and nothing changes, where boundaries cross.
  bool refine(llvm::ArrayRef<mm::Dim> lead);

  /// The same for a value that has only the factors in `present`, whose
  /// leading dimensions are `lead`: the others stay.
  bool refinePresent(llvm::ArrayRef<bool> present,
                     llvm::ArrayRef<mm::Dim> lead);

  size_t size() const { return factors.size(); }
  mm::Dim operator[](size_t index) const { return factors[index]; }
  llvm::ArrayRef<mm::Dim> get() const { return factors; }
  /// The product of the factors [begin, end).
  mm::Dim product(size_t begin, size_t end) const;

  /// Which factors a value has, whose leading dimensions `own` broadcast to
  /// `lead`, a list that was refined by.
  llvm::SmallVector<bool> presence(llvm::ArrayRef<mm::Dim> own,
                                   llvm::ArrayRef<mm::Dim> lead) const;

  /// `value` as [factors or 1..., rows, columns], its leading dimensions
  /// broadcasting to `lead`.
  mlir::Value spread(mlir::OpBuilder &builder, mlir::Location location,
                     mlir::Value value, llvm::ArrayRef<mm::Dim> lead) const;

  /// A spread value as [batch, heads, rows, columns], the batch being the
  /// first `split` factors. Factors missing beside present ones are broadcast;
  /// with `keepSuffix`, heads may lack the last factors, which grouped keys
  /// share. With `whole`, nothing may be missing otherwise.
  mlir::Value gather(mlir::OpBuilder &builder, mlir::Location location,
                     mlir::Value spread, size_t split, bool whole,
                     size_t missingSuffix = 0) const;

private:
  mlir::MLIRContext *context;
  bool known = false;
  llvm::SmallVector<mm::Dim> factors;
};

/// The leading dimensions of a value: all but the last two.
mm::Shape getLead(mlir::Value value);

} // namespace mmcc

#endif // MMCC_PASSES_ATTENTION_LEADFACTORS_H
