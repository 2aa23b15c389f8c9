//===- FormLayerNorm.cpp - Recognises layer normalisation -----------------===//

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/fuse/NormMatch.h"
#include "passes/fuse/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_FORMLAYERNORM
#include "passes/fuse/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

/// Anchored on the product or quotient that ends the normalisation.
struct FormLayerNormPattern : RewritePattern {
  FormLayerNormPattern(StringRef rootName, MLIRContext *context,
                       Pass::Statistic &count)
      : RewritePattern(rootName, 1, context), count(count) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    std::optional<NormMatch> match = matchNorm(op);
    if (!match || !match->centred)
      return failure();
    TrailingAxes trailing = moveAxesLast(*match);
    Value input =
        transposeTo(rewriter, op->getLoc(), match->input, trailing.permutation);
    Value norm = rewriter.create<mm::LayerNormOp>(
        op->getLoc(), input, Value(), Value(),
        rewriter.getI64IntegerAttr(trailing.axis),
        rewriter.getF64FloatAttr(match->epsilon));
    replaceNorm(rewriter, op, *match, trailing, norm);
    ++count;
    return success();
  }

  Pass::Statistic &count;
};

/// layer_norm(x) * w and layer_norm(x) + b, where those are still missing.
template <typename OpT> struct AttachParameter : OpRewritePattern<OpT> {
  AttachParameter(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern<OpT>(context), count(count) {}

  LogicalResult matchAndRewrite(OpT op,
                                PatternRewriter &rewriter) const override {
    constexpr bool isScale = std::is_same_v<OpT, mm::MulOp>;
    for (auto [value, vector] : {std::pair(op.getLhs(), op.getRhs()),
                                 std::pair(op.getRhs(), op.getLhs())}) {
      auto norm = value.template getDefiningOp<mm::LayerNormOp>();
      if (!norm || !norm->hasOneUse() || norm.getOffset() ||
          (isScale && norm.getScale()) || norm.getType() != op.getType())
        continue;
      int64_t axis = norm.getAxis();
      Value parameter = shapeNormParameter(rewriter, vector, norm, axis);
      if (!parameter)
        continue;
      Value scale = isScale ? parameter : norm.getScale();
      Value offset = isScale ? Value() : parameter;
      rewriter.replaceOpWithNewOp<mm::LayerNormOp>(op, norm.getInput(), scale,
                                                   offset, norm.getAxisAttr(),
                                                   norm.getEpsilonAttr());
      ++count;
      return success();
    }
    return failure();
  }

  Pass::Statistic &count;
};

struct FormLayerNorm : mmcc::impl::FormLayerNormBase<FormLayerNorm> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<FormLayerNormPattern>(mm::MulOp::getOperationName(), context,
                                       numFormed);
    patterns.add<FormLayerNormPattern>(mm::DivOp::getOperationName(), context,
                                       numFormed);
    patterns.add<AttachParameter<mm::MulOp>>(context, numScales);
    patterns.add<AttachParameter<mm::AddOp>>(context, numOffsets);
    if (failed(
            applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
