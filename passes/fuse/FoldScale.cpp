//===- FoldScale.cpp - Constant factors into weights ----------------------===//

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/fuse/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_FOLDSCALE
#include "passes/fuse/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

/// Where the channel lies in the result, and which dimension of the weight
/// holds it.
struct ChannelAxes {
  int64_t result, weight;
};

std::optional<ChannelAxes> getChannelAxes(Operation *op) {
  int64_t rank = getTensorType(op->getResult(0)).getRank();
  if (isa<mm::LinearOp>(op))
    return ChannelAxes{rank - 1, 1};
  if (auto conv = dyn_cast<mm::ConvOp>(op))
    return ChannelAxes{conv.getChannelsLast() ? rank - 1 : 1, 0};
  return std::nullopt;
}

/// Whether `factor` is a constant with at most one dimension that is not 1,
/// namely `axis` of a value of rank `rank`.
bool variesAlong(Value factor, int64_t axis, int64_t rank) {
  auto type = getTensorType(factor);
  int64_t lead = rank - type.getRank();
  if (lead < 0 || !type.hasStaticShape())
    return false;
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (type.getDimSize(i) != 1 && i + lead != axis)
      return false;
  return isConstantExpression(factor);
}

struct FoldScalePattern : RewritePattern {
  FoldScalePattern(StringRef rootName, MLIRContext *context,
                   int64_t maxElements, Pass::Statistic &count)
      : RewritePattern(rootName, 1, context), maxElements(maxElements),
        count(count) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (fold(op, op->getOperand(0), op->getOperand(1), rewriter))
      return success();
    if (isa<mm::MulOp>(op) &&
        fold(op, op->getOperand(1), op->getOperand(0), rewriter))
      return success();
    return failure();
  }

  bool fold(Operation *op, Value product, Value factor,
            PatternRewriter &rewriter) const {
    Operation *heavy = product.getDefiningOp();
    std::optional<ChannelAxes> axes;
    if (heavy)
      axes = getChannelAxes(heavy);
    if (!axes || !heavy->hasOneUse() ||
        product.getType() != op->getResult(0).getType() ||
        !variesAlong(factor, axes->result, getTensorType(product).getRank()))
      return false;
    Value weight = heavy->getOperand(1);
    Value bias = heavy->getNumOperands() > 2 ? heavy->getOperand(2) : Value();
    auto weightType = getTensorType(weight);
    if (!weight.hasOneUse() || !weightType.hasStaticShape() ||
        weightType.getNumElements() > maxElements ||
        !isConstantExpression(weight) || (bias && !isConstantExpression(bias)))
      return false;

    Location loc = op->getLoc();
    int64_t channels = getTensorType(factor).getNumElements();
    SmallVector<int64_t> sizes(weightType.getRank(), 1);
    sizes[axes->weight] = channels;
    auto combine = [&](Value constant, ArrayRef<int64_t> shape) -> Value {
      Value shaped = reshapeTo(rewriter, loc, factor,
                               mm::makeShape(op->getContext(), shape));
      if (isa<mm::DivOp>(op))
        return rewriter.create<mm::DivOp>(loc, constant, shaped);
      return rewriter.create<mm::MulOp>(loc, constant, shaped);
    };
    // The new operation stands where the product did, after the factor.
    IRMapping mapping;
    mapping.map(weight, combine(weight, sizes));
    if (bias)
      mapping.map(bias, combine(bias, {channels}));
    Operation *scaled = rewriter.clone(*heavy, mapping);
    rewriter.replaceOp(op, scaled->getResults());
    ++count;
    return true;
  }

  int64_t maxElements;
  Pass::Statistic &count;
};

struct FoldScale : mmcc::impl::FoldScaleBase<FoldScale> {
  using FoldScaleBase::FoldScaleBase;

  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    for (StringRef name :
         {mm::MulOp::getOperationName(), mm::DivOp::getOperationName()})
      patterns.add<FoldScalePattern>(name, context, maxElements, numFolded);
    if (failed(
            applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
