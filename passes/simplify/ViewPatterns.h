//===- ViewPatterns.h - The patterns of mm-canonicalize-views ---*- C++ -*-===//
//
// Views (reshape, transpose) sink: every pattern here moves one from an operand
// of an operation to its result, or shortens a chain. Nothing moves a view
// towards the inputs except in front of constants and of operands that another
// operand's view was lifted from, so the rewriting ends.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_SIMPLIFY_VIEWPATTERNS_H
#define MMCC_PASSES_SIMPLIFY_VIEWPATTERNS_H

#include "dialects/mm/MM.h"
#include "mlir/IR/PatternMatch.h"

namespace mmcc {

/// Chains of reshape and transpose, each replaced by the shortest.
void populateViewChainPatterns(mlir::RewritePatternSet &patterns);
/// transpose sinks.
void populateSinkTransposePatterns(mlir::RewritePatternSet &patterns);
/// reshape sinks.
void populateSinkReshapePatterns(mlir::RewritePatternSet &patterns);
/// reshape sinks past slice, pad and concat.
void populateReshapedSlicePatterns(mlir::RewritePatternSet &patterns);
/// gather, pad, concat in terms of slices; broadcasts that say nothing.
void populateSliceFormPatterns(mlir::RewritePatternSet &patterns);

inline mlir::RankedTensorType tensorTypeOf(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType());
}

/// `value` in another shape with as many elements, or itself.
mlir::Value createReshape(mlir::OpBuilder &builder, mlir::Location location,
                          mlir::Value value, llvm::ArrayRef<mm::Dim> shape);
/// `value` permuted, or itself.
mlir::Value createTranspose(mlir::OpBuilder &builder, mlir::Location location,
                            mlir::Value value,
                            llvm::ArrayRef<int64_t> permutation);

/// A copy of the one-result operation `op` on other operands, with a result of
/// `shape`.
mlir::Value cloneWithOperands(mlir::RewriterBase &rewriter, mlir::Operation *op,
                              mlir::ValueRange operands,
                              llvm::ArrayRef<mm::Dim> shape);

/// Whether `op` may have views moved across it one element at a time.
bool isElementwise(mlir::Operation *op);

/// The dimensions of `shape` after 1s in front up to `rank`.
mm::Shape extendRank(mlir::MLIRContext *context, llvm::ArrayRef<mm::Dim> shape,
                     size_t rank);
/// The opposite: drops 1s in front while there are more than `rank` dimensions,
/// so that a bias [channels] stays one.
mm::Shape withoutLeadingUnits(llvm::ArrayRef<mm::Dim> shape, size_t rank);
/// Whether all dimensions are 1 (or there are none).
bool isSingleElement(llvm::ArrayRef<mm::Dim> shape);

} // namespace mmcc

#endif // MMCC_PASSES_SIMPLIFY_VIEWPATTERNS_H
