//===- FoldBatchNorm.cpp - Batch normalisation at inference ---------------===//
//
// At inference a batch norm is one factor and one offset per channel:
//
//     factor = scale / sqrt(variance + epsilon)
//     y      = x * factor + (offset - mean * factor)
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/fuse/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_FOLDBATCHNORM
#include "passes/fuse/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

Value makeFactor(PatternRewriter &rewriter, mm::BatchNormOp op) {
  Location loc = op.getLoc();
  Type elementType = getElementTypeOrSelf(op.getVariance());
  Value epsilon =
      makeScalar(rewriter, loc, elementType, op.getEpsilon().convertToDouble());
  Value shifted = rewriter.create<mm::AddOp>(loc, op.getVariance(), epsilon);
  Value root = rewriter.create<mm::SqrtOp>(loc, shifted);
  return rewriter.create<mm::DivOp>(loc, op.getScale(), root);
}

/// `vector` [n] as [1, ..., n, ..., 1] with n at `axis`.
Value alongAxis(PatternRewriter &rewriter, Value vector, int64_t axis,
                int64_t rank) {
  mm::Shape shape =
      mm::makeShape(vector.getContext(), SmallVector<int64_t>(rank, 1));
  shape[axis] = mm::getShape(vector.getType()).front();
  return reshapeTo(rewriter, vector.getLoc(), vector, shape);
}

struct FoldIntoWeights : OpRewritePattern<mm::BatchNormOp> {
  FoldIntoWeights(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern(context, /*benefit=*/2), count(count) {}

  LogicalResult matchAndRewrite(mm::BatchNormOp op,
                                PatternRewriter &rewriter) const override {
    Operation *heavy = op.getInput().getDefiningOp();
    if (!heavy || !heavy->hasOneUse())
      return failure();
    int64_t axis;
    if (auto conv = dyn_cast<mm::ConvOp>(heavy)) {
      if (conv.getChannelsLast())
        return failure();
      axis = 0;
    } else if (isa<mm::LinearOp>(heavy) &&
               getTensorType(op.getInput()).getRank() == 2) {
      axis = 1;
    } else if (auto conv = dyn_cast<mm::ConvTransposeOp>(heavy)) {
      if (conv.getGroups() != 1)
        return failure();
      axis = 1;
    } else {
      return failure();
    }
    Value weight = heavy->getOperand(1);
    Value bias = heavy->getNumOperands() > 2 ? heavy->getOperand(2) : Value();
    Type elementType = getElementTypeOrSelf(weight);
    for (Value value : op->getOperands().drop_front())
      if (!isConstantExpression(value) ||
          getElementTypeOrSelf(value) != elementType)
        return failure();
    if (!isConstantExpression(weight) || (bias && !isConstantExpression(bias)))
      return failure();

    Location loc = op.getLoc();
    Value factor = makeFactor(rewriter, op);
    Value newWeight = rewriter.create<mm::MulOp>(
        loc, weight,
        alongAxis(rewriter, factor, axis, getTensorType(weight).getRank()));
    Value shift = op.getMean();
    if (bias)
      shift = rewriter.create<mm::SubOp>(loc, shift, bias);
    Value scaledShift = rewriter.create<mm::MulOp>(loc, shift, factor);
    Value newBias =
        rewriter.create<mm::SubOp>(loc, op.getOffset(), scaledShift);
    // The three operations keep their bias as last operand.
    OperationState state(loc, heavy->getName());
    state.addOperands({heavy->getOperand(0), newWeight, newBias});
    state.addTypes(op.getType());
    state.addAttributes(heavy->getAttrs());
    Operation *folded = rewriter.create(state);
    rewriter.replaceOp(op, folded->getResults());
    ++count;
    return success();
  }

  Pass::Statistic &count;
};

struct ExpandLone : OpRewritePattern<mm::BatchNormOp> {
  ExpandLone(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(mm::BatchNormOp op,
                                PatternRewriter &rewriter) const override {
    auto type = getTensorType(op.getInput());
    for (Value value : op->getOperands())
      if (getElementTypeOrSelf(value) != type.getElementType())
        return failure();
    Location loc = op.getLoc();
    int64_t rank = type.getRank();
    Value factor = makeFactor(rewriter, op);
    Value scaledMean = rewriter.create<mm::MulOp>(loc, op.getMean(), factor);
    Value shift = rewriter.create<mm::SubOp>(loc, op.getOffset(), scaledMean);
    Value scaled = rewriter.create<mm::MulOp>(
        loc, op.getInput(), alongAxis(rewriter, factor, 1, rank));
    Value result = rewriter.create<mm::AddOp>(
        loc, scaled, alongAxis(rewriter, shift, 1, rank));
    replaceWithValue(rewriter, op, result);
    ++count;
    return success();
  }

  Pass::Statistic &count;
};

struct FoldBatchNorm : mmcc::impl::FoldBatchNormBase<FoldBatchNorm> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FoldIntoWeights>(&getContext(), numFolded);
    patterns.add<ExpandLone>(&getContext(), numExpanded);
    if (failed(
            applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
