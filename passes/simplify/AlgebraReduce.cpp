//===- AlgebraReduce.cpp - Means, and reductions of reductions ------------===//

#include "passes/simplify/AlgebraPatterns.h"
#include <cmath>

using namespace mlir;

namespace mmcc {
namespace {

/// How many elements a reduction combines, if static.
std::optional<int64_t> getCount(mm::ReduceOp op) {
  auto type = cast<RankedTensorType>(op.getInput().getType());
  int64_t count = 1;
  for (int64_t axis : op.getAxes()) {
    if (type.isDynamicDim(axis) ||
        llvm::MulOverflow(count, type.getDimSize(axis), count))
      return std::nullopt;
  }
  return count;
}

/// Half the distance between 1 and the next number of the type.
double roundingOf(Type element) {
  const llvm::fltSemantics &semantics =
      cast<FloatType>(element).getFloatSemantics();
  return std::ldexp(1.0,
                    -static_cast<int>(APFloat::semanticsPrecision(semantics)));
}

/// sum * (1 / n), or sum / n where the quotient stays one.
template <typename ScaleOp> struct SumToMean : OpRewritePattern<ScaleOp> {
  SumToMean(MLIRContext *context)
      : OpRewritePattern<ScaleOp>(context, /*benefit=*/2) {}
  LogicalResult matchAndRewrite(ScaleOp op,
                                PatternRewriter &rewriter) const override {
    auto sum = op.getLhs().template getDefiningOp<mm::ReduceOp>();
    std::optional<double> number = getScalar(op.getRhs());
    if (!sum || !number || sum.getKind() != mm::ReduceKind::Sum ||
        !sum->hasOneUse() || !haveSameShape(op, sum) ||
        !isa<FloatType>(elementTypeOf(op)))
      return failure();
    std::optional<int64_t> count = getCount(sum);
    if (!count || *count == 0)
      return failure();
    bool isProduct = std::is_same_v<ScaleOp, mm::MulOp>;
    double ratio = isProduct ? *number * *count : *number / *count;
    if (!(std::abs(ratio - 1.0) <= 2 * roundingOf(elementTypeOf(op))))
      return failure();
    rewriter.replaceOpWithNewOp<mm::ReduceOp>(
        op, sum.getInput(), mm::ReduceKind::Mean, sum.getAxes(), sum.getKeep());
    return success();
  }
};

struct ReduceOfReduce : OpRewritePattern<mm::ReduceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::ReduceOp op,
                                PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<mm::ReduceOp>();
    if (!inner || !inner->hasOneUse() || inner.getKind() != op.getKind())
      return failure();
    // A mean of integers is truncated each time.
    if (op.getKind() == mm::ReduceKind::Mean &&
        !isa<FloatType>(elementTypeOf(op)))
      return failure();
    int64_t rank = cast<RankedTensorType>(inner.getInput().getType()).getRank();
    SmallVector<int64_t> axes(inner.getAxes()), left;
    for (int64_t i = 0; i < rank; ++i)
      if (inner.getKeep() || !llvm::is_contained(inner.getAxes(), i))
        left.push_back(i);
    for (int64_t axis : op.getAxes())
      if (!llvm::is_contained(axes, left[axis]))
        axes.push_back(left[axis]);
    llvm::sort(axes);
    Value reduced = rewriter.create<mm::ReduceOp>(
        op.getLoc(), inner.getInput(), op.getKind(), axes,
        op.getKeep() && inner.getKeep());
    if (reduced.getType() == op.getType())
      rewriter.replaceOp(op, reduced);
    else
      rewriter.replaceOpWithNewOp<mm::ReshapeOp>(op, op.getType(), reduced);
    return success();
  }
};

/// Each axis holds one element.
struct ReduceOfUnits : OpRewritePattern<mm::ReduceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::ReduceOp op,
                                PatternRewriter &rewriter) const override {
    if (getCount(op) != 1)
      return failure();
    rewriter.replaceOpWithNewOp<mm::ReshapeOp>(op, op.getType(), op.getInput());
    return success();
  }
};

/// A reshape that only drops or restores the reduced dimensions is `keep`.
struct ReshapeOfReduce : OpRewritePattern<mm::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::ReshapeOp op,
                                PatternRewriter &rewriter) const override {
    auto reduce = op.getInput().getDefiningOp<mm::ReduceOp>();
    if (!reduce || !reduce->hasOneUse())
      return failure();
    mm::Shape shape;
    for (auto [index, dim] :
         llvm::enumerate(mm::getShape(reduce.getInput().getType()))) {
      if (!llvm::is_contained(reduce.getAxes(), static_cast<int64_t>(index)))
        shape.push_back(dim);
      else if (!reduce.getKeep())
        shape.push_back(mm::Dim::constant(op.getContext(), 1));
    }
    if (shape != mm::getShape(op.getType()))
      return failure();
    rewriter.replaceOpWithNewOp<mm::ReduceOp>(
        op, reduce.getInput(), reduce.getKind(), reduce.getAxes(),
        !reduce.getKeep());
    return success();
  }
};

} // namespace

void populateReducePatterns(RewritePatternSet &patterns) {
  patterns.add<SumToMean<mm::MulOp>, SumToMean<mm::DivOp>, ReduceOfReduce,
               ReduceOfUnits, ReshapeOfReduce>(patterns.getContext());
}

} // namespace mmcc
