//===- ViewCanonicalFold.cpp - Canonical forms of views and products ------===//

#include "dialects/mm/ConstantFold.h"
#include "dialects/mm/Inference.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace mmcc::mm;

namespace {

//===----------------------------------------------------------------------===//
// Transpose
//===----------------------------------------------------------------------===//

/// A permutation that keeps the order of all dimensions but those of size 1
/// moves no element.
struct TransposeOfUnits : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op,
                                PatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getInput().getType());
    int64_t previous = -1;
    for (int64_t source : op.getPermutation()) {
      if (type.getDimSize(source) == 1)
        continue;
      if (source < previous)
        return failure();
      previous = source;
    }
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), op.getInput());
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Concat
//===----------------------------------------------------------------------===//

/// concat(concat(a, b), c) along one axis is concat(a, b, c); inputs without
/// elements along the axis add nothing.
struct FlattenConcat : OpRewritePattern<ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConcatOp op,
                                PatternRewriter &rewriter) const override {
    int64_t axis = op.getAxis();
    SmallVector<Value> flat;
    bool changed = false;
    for (Value input : op.getInputs()) {
      auto inner = input.getDefiningOp<ConcatOp>();
      if (inner && static_cast<int64_t>(inner.getAxis()) == axis) {
        llvm::append_range(flat, inner.getInputs());
        changed = true;
      } else if (cast<RankedTensorType>(input.getType()).getDimSize(axis) ==
                 0) {
        changed = true;
      } else {
        flat.push_back(input);
      }
    }
    if (!changed || flat.empty())
      return failure();
    rewriter.replaceOpWithNewOp<ConcatOp>(op, op.getType(), flat,
                                          op.getAxisAttr());
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Slice
//===----------------------------------------------------------------------===//

/// slice(slice(x)): offset1 + (offset2 + i * step2) * step1.
struct SliceOfSlice : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SliceOp op,
                                PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<SliceOp>();
    if (!inner)
      return failure();
    Shape offsets;
    SmallVector<int64_t> steps;
    for (size_t i = 0; i < op.getSteps().size(); ++i) {
      int64_t step = inner.getSteps()[i];
      offsets.push_back(inner.getOffsets().getDim(i) +
                        op.getOffsets().getDim(i) * step);
      int64_t combined;
      if (llvm::MulOverflow(step, op.getSteps()[i], combined))
        return failure();
      steps.push_back(combined);
    }
    rewriter.replaceOpWithNewOp<SliceOp>(
        op, op.getType(), inner.getInput(),
        DimsAttr::get(op.getContext(), offsets), steps);
    return success();
  }
};

/// A slice that touches one input of a concat only reads that input.
struct SliceOfConcat : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SliceOp op,
                                PatternRewriter &rewriter) const override {
    auto concat = op.getInput().getDefiningOp<ConcatOp>();
    if (!concat)
      return failure();
    int64_t axis = concat.getAxis();
    Dim offset = op.getOffsets().getDim(axis);
    Dim count = getShape(op.getType())[axis];
    int64_t step = op.getSteps()[axis];
    Dim begin = Dim::constant(op.getContext(), 0);
    for (Value input : concat.getInputs()) {
      Dim end = begin + getShape(input.getType())[axis];
      Dim first = offset - begin, past = end - offset;
      bool inside;
      if (step == 1 && first.isConstant(0) && past == count) {
        inside = true;
      } else {
        // Otherwise all of first, last and the input's end must be known.
        std::optional<int64_t> low = first.getConstant();
        std::optional<int64_t> room = past.getConstant();
        std::optional<int64_t> n = count.getConstant();
        inside = low && room && n && *n > 0 && *low >= 0 && *room > 0 &&
                 *low + (*n - 1) * step >= 0 && (*n - 1) * step < *room;
      }
      if (inside) {
        Shape offsets = op.getOffsets().getDims();
        offsets[axis] = first;
        rewriter.replaceOpWithNewOp<SliceOp>(
            op, op.getType(), input, DimsAttr::get(op.getContext(), offsets),
            op.getSteps());
        return success();
      }
      begin = end;
    }
    return failure();
  }
};

//===----------------------------------------------------------------------===//
// Matmul
//===----------------------------------------------------------------------===//

/// A product with a constant matrix is a linear layer.
struct MatmulToLinear : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op,
                                PatternRewriter &rewriter) const override {
    auto rhs = cast<RankedTensorType>(op.getRhs().getType());
    auto lhs = cast<RankedTensorType>(op.getLhs().getType());
    if (rhs.getRank() != 2 || rhs.getElementType() != lhs.getElementType() ||
        !isa<FloatType>(lhs.getElementType()) || !isConstantView(op.getRhs()))
      return failure();
    rewriter.replaceOpWithNewOp<LinearOp>(op, op.getType(), op.getLhs(),
                                          op.getRhs(), Value());
    return success();
  }
};

} // namespace

void TransposeOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                              MLIRContext *context) {
  patterns.add<TransposeOfUnits>(context);
}
void ConcatOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                           MLIRContext *context) {
  patterns.add<FlattenConcat>(context);
}
void SliceOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                          MLIRContext *context) {
  patterns.add<SliceOfSlice, SliceOfConcat>(context);
}
void MatmulOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                           MLIRContext *context) {
  patterns.add<MatmulToLinear>(context);
}
