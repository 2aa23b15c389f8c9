//===- Index.h - Index expressions through reshapes -------------*- C++ -*-===//
//
// Lowering follows one element backwards through data movement: which element
// of the operand is element (i, j, k) of the result? An index is an affine
// expression of a kernel's block dimensions d0, d1, ... and of the entry's
// symbols s0, s1, ...
//
// Only a reshape is hard. It is cut into the smallest groups of dimensions
// whose products agree, and inside a group the row-major position is taken
// apart again. Knowing the extents of d0, d1, ... most of that folds away:
//
//     [197, 768] seen as [197, 12, 64] at (d0, d1, d2), extents (197, 12, 64)
//     group {768} = {12, 64}:  d1 * 64 + d2            no division
//
//     [197, 12, 64] seen as [197, 768] at (d0, d1 * 64 + d2)
//     group {12, 64} = {768}:  (d1, d2)                the terms fit the digits
//
//     ... at (d0, d1), extents (197, 768)
//     group {12, 64} = {768}:  (d1 floordiv 64, d1 mod 64)
//
// The last form is right but slow; the caller then splits d1 into two block
// dimensions of 12 and 64 and starts again (see Domain).
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_LOWER_INDEX_H
#define MMCC_PASSES_LOWER_INDEX_H

#include "dialects/mm/Dim.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/AffineMap.h"

namespace mmcc::lower {

using mm::Dim;
using mm::Shape;

/// An entry's symbols, in the order s0, s1, ...
struct Symbols {
  mlir::MLIRContext *context;
  llvm::SmallVector<mlir::StringAttr> names;

  mlir::AffineExpr expr(const Dim &dim) const { return dim.getExprIn(names); }
  Dim dim(mlir::AffineExpr expr) const { return Dim::get(expr, names); }
  Dim constant(int64_t value) const { return Dim::constant(context, value); }
  /// A map without dimensions over all symbols.
  mlir::AffineMap map(llvm::ArrayRef<Dim> results) const;
};

/// coefficient * d_position.
struct Term {
  unsigned position;
  Dim coefficient;
};

/// An expression as a sum of terms and a rest that holds symbols only;
/// nothing if it is not of that form.
struct LinearForm {
  llvm::SmallVector<Term> terms;
  Dim rest;
};
std::optional<LinearForm> linearForm(mlir::AffineExpr expr,
                                     const Symbols &symbols);

/// Groups of dimensions [from.first, from.second) and [to.first, to.second)
/// with equal products, as small as possible.
struct ReshapeGroup {
  unsigned fromBegin, fromEnd, toBegin, toEnd;
};
llvm::SmallVector<ReshapeGroup> reshapeGroups(llvm::ArrayRef<Dim> from,
                                              llvm::ArrayRef<Dim> to);

/// The index in shape `to` of the element at `index` in shape `from`; both
/// hold the same elements in row-major order. `extents` bound d0, d1, ...
llvm::SmallVector<mlir::AffineExpr>
reshapeIndex(llvm::ArrayRef<mlir::AffineExpr> index, llvm::ArrayRef<Dim> from,
             llvm::ArrayRef<Dim> to, llvm::ArrayRef<Dim> extents,
             const Symbols &symbols);

/// Row-major strides, in elements.
llvm::SmallVector<Dim> rowMajorStrides(llvm::ArrayRef<Dim> shape,
                                       mlir::MLIRContext *context);

} // namespace mmcc::lower

#endif // MMCC_PASSES_LOWER_INDEX_H
