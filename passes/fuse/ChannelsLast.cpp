//===- ChannelsLast.cpp - Convolution with channels last ------------------===//

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/fuse/LayoutPropagation.h"
#include "passes/fuse/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_CHANNELSLAST
#include "passes/fuse/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

/// mm.conv and mm.pool: the input is the first operand, and the attribute
/// `channels_last` says all.
template <typename OpT> struct TurnPattern : OpRewritePattern<OpT> {
  TurnPattern(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern<OpT>(context), count(count) {}

  LogicalResult matchAndRewrite(OpT op,
                                PatternRewriter &rewriter) const override {
    int64_t rank = getTensorType(op.getInput()).getRank();
    if (op.getChannelsLast() || rank < 3)
      return failure();
    Location loc = op.getLoc();
    Value input =
        transposeTo(rewriter, loc, op.getInput(), channelsLastView(rank));
    mm::Shape shape = mm::getShape(op.getType()), turned;
    for (int64_t source : channelsLastView(rank))
      turned.push_back(shape[source]);
    OperationState state(loc, op->getName());
    state.addOperands(input);
    state.addOperands(op->getOperands().drop_front());
    state.addTypes(
        mm::makeTensorType(turned, getElementTypeOrSelf(op.getType())));
    NamedAttrList attributes(op->getAttrs());
    attributes.set(op.getChannelsLastAttrName(), rewriter.getBoolAttr(true));
    state.addAttributes(attributes);
    Operation *result = rewriter.create(state);
    replaceWithValue(rewriter, op,
                     transposeTo(rewriter, loc, result->getResult(0),
                                 channelsFirstView(rank)));
    ++count;
    return success();
  }

  Pass::Statistic &count;
};

struct ChannelsLast : mmcc::impl::ChannelsLastBase<ChannelsLast> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<TurnPattern<mm::ConvOp>, TurnPattern<mm::PoolOp>>(
        context, numConverted);
    populateLayoutPropagation(patterns);
    if (failed(
            applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
