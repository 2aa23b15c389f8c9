//===- FormRmsNorm.cpp - Recognises root-mean-square normalisation --------===//

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/fuse/NormMatch.h"
#include "passes/fuse/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_FORMRMSNORM
#include "passes/fuse/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

struct FormRmsNormPattern : RewritePattern {
  FormRmsNormPattern(StringRef rootName, MLIRContext *context,
                     Pass::Statistic &count)
      : RewritePattern(rootName, 1, context), count(count) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    std::optional<NormMatch> match = matchNorm(op);
    // Half of a layer norm is left to be recognised whole.
    if (!match || match->centred)
      return failure();
    TrailingAxes trailing = moveAxesLast(*match);
    Value input =
        transposeTo(rewriter, op->getLoc(), match->input, trailing.permutation);
    Value norm = rewriter.create<mm::RmsNormOp>(
        op->getLoc(), input, Value(), rewriter.getI64IntegerAttr(trailing.axis),
        rewriter.getF64FloatAttr(match->epsilon));
    replaceNorm(rewriter, op, *match, trailing, norm);
    ++count;
    return success();
  }

  Pass::Statistic &count;
};

struct AttachScale : OpRewritePattern<mm::MulOp> {
  AttachScale(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(mm::MulOp op,
                                PatternRewriter &rewriter) const override {
    for (auto [value, vector] : {std::pair(op.getLhs(), op.getRhs()),
                                 std::pair(op.getRhs(), op.getLhs())}) {
      auto norm = value.getDefiningOp<mm::RmsNormOp>();
      if (!norm || !norm->hasOneUse() || norm.getScale() ||
          norm.getType() != op.getType())
        continue;
      int64_t axis = norm.getAxis();
      Value scale = shapeNormParameter(rewriter, vector, norm, axis);
      if (!scale)
        continue;
      rewriter.replaceOpWithNewOp<mm::RmsNormOp>(op, norm.getInput(), scale,
                                                 norm.getAxisAttr(),
                                                 norm.getEpsilonAttr());
      ++count;
      return success();
    }
    return failure();
  }

  Pass::Statistic &count;
};

struct FormRmsNorm : mmcc::impl::FormRmsNormBase<FormRmsNorm> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<FormRmsNormPattern>(mm::MulOp::getOperationName(), context,
                                     numFormed);
    patterns.add<FormRmsNormPattern>(mm::DivOp::getOperationName(), context,
                                     numFormed);
    patterns.add<AttachScale>(context, numScales);
    if (failed(
            applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
