//===- LayoutPropagation.h - Moves layout transposes down -------*- C++ -*-===//
//
// A channels-last value seen channels-first is a transpose, called a *view*
// here: [batch, spatial..., channels] -> [batch, channels, spatial...]. The
// patterns turn op(view(x)) into view(op'(x)), so that views travel to the next
// convolution, whose opposite transpose cancels them, or to the end.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_FUSE_LAYOUTPROPAGATION_H
#define MMCC_PASSES_FUSE_LAYOUTPROPAGATION_H

#include "mlir/IR/PatternMatch.h"

namespace mmcc {

/// [0, rank - 1, 1, ..., rank - 2]: what a view permutes by.
llvm::SmallVector<int64_t> channelsFirstView(int64_t rank);
/// [0, 2, ..., rank - 1, 1]: its inverse.
llvm::SmallVector<int64_t> channelsLastView(int64_t rank);

void populateLayoutPropagation(mlir::RewritePatternSet &patterns);

} // namespace mmcc

#endif // MMCC_PASSES_FUSE_LAYOUTPROPAGATION_H
