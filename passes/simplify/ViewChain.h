//===- ViewChain.h - Reshapes and transposes as atoms -----------*- C++ -*-===//
//
// A chain of reshapes and transposes cuts the dimensions of its source into
// atoms, reorders these, and joins them into the dimensions of its result. For
// example the windows of Swin:
//
//     [1, 14, 14, 16]            source     1 | a b | c d | e
//     [1, 2, 7, 2, 7, 16]        reshape    a=2 b=7 c=2 d=7 e=16
//     [1, 2, 2, 7, 7, 16]        transpose  a c b d e
//     [4, 49, 16]                reshape    (a c) | (b d) | e
//
// The atoms' order in source and result is all that the chain means. Two
// chains with equal orders do the same, and the shortest chain follows from
// the orders: nothing, if they agree; one transpose, if each dimension is one
// atom; at most reshape, transpose, reshape. Dimensions of size 1 hold no atom.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_SIMPLIFY_VIEWCHAIN_H
#define MMCC_PASSES_SIMPLIFY_VIEWCHAIN_H

#include "dialects/mm/MM.h"
#include <vector>

namespace mmcc {

class ViewChain {
public:
  explicit ViewChain(llvm::ArrayRef<mm::Dim> source);

  /// Extends the chain; false (and no change) if a dimension would have to be
  /// cut in a way that is no whole number of elements of an atom.
  bool reshape(llvm::ArrayRef<mm::Dim> shape);
  void transpose(llvm::ArrayRef<int64_t> permutation);

  /// One step of the shortest chain: a permutation, or else a shape.
  struct Step {
    llvm::SmallVector<int64_t> permutation;
    mm::Shape shape;
    bool isTranspose = false;
  };
  /// The shortest equal chain. Where reshape and transpose could come in either
  /// order, the transpose comes last.
  std::vector<Step> shortest() const;

private:
  using Group = llvm::SmallVector<unsigned, 4>;

  llvm::SmallVector<unsigned> sourceOrder() const;
  llvm::SmallVector<unsigned> resultOrder() const;
  /// Joins atoms that are neighbours in source and result; `acrossDims` also
  /// where a dimension of the source or the result ends between them.
  void coalesce(bool acrossSource, bool acrossResult);
  bool oneAtomEach(llvm::ArrayRef<Group> groups) const;

  mlir::MLIRContext *context;
  mm::Shape sourceShape, resultShape;
  llvm::SmallVector<mm::Dim> sizes; ///< of each atom
  llvm::SmallVector<Group> source;  ///< atoms of each source dimension
  llvm::SmallVector<Group> result;  ///< atoms of each result dimension
};

} // namespace mmcc

#endif // MMCC_PASSES_SIMPLIFY_VIEWCHAIN_H
