//===- FormSilu.cpp - Recognises x * sigmoid(x) ---------------------------===//

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/fuse/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_FORMSILU
#include "passes/fuse/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

struct FormSiluPattern : OpRewritePattern<mm::MulOp> {
  FormSiluPattern(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(mm::MulOp mul,
                                PatternRewriter &rewriter) const override {
    for (auto [x, other] : {std::pair(mul.getLhs(), mul.getRhs()),
                            std::pair(mul.getRhs(), mul.getLhs())}) {
      auto sigmoid = other.getDefiningOp<mm::SigmoidOp>();
      if (!sigmoid)
        continue;
      if (sigmoid.getInput() == x) {
        rewriter.replaceOpWithNewOp<mm::SiluOp>(mul, x);
        ++count;
        return success();
      }
      // (y * x) * sigmoid(x): a gated unit that multiplied first.
      auto inner = x.getDefiningOp<mm::MulOp>();
      if (!inner || !inner->hasOneUse())
        continue;
      for (auto [a, b] : {std::pair(inner.getLhs(), inner.getRhs()),
                          std::pair(inner.getRhs(), inner.getLhs())}) {
        if (sigmoid.getInput() != a || a.getType() != mul.getType())
          continue;
        Value silu = rewriter.create<mm::SiluOp>(mul.getLoc(), a);
        rewriter.replaceOpWithNewOp<mm::MulOp>(mul, silu, b);
        ++count;
        return success();
      }
    }
    return failure();
  }

  Pass::Statistic &count;
};

struct FormSilu : mmcc::impl::FormSiluBase<FormSilu> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FormSiluPattern>(&getContext(), numFormed);
    if (failed(
            applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
