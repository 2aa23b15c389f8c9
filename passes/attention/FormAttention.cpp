//===- FormAttention.cpp - Recognises attention ---------------------------===//

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/attention/AttentionBuild.h"
#include "passes/attention/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_FORMATTENTION
#include "passes/attention/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

struct FormAttention : mmcc::impl::FormAttentionBase<FormAttention> {
  using FormAttentionBase::FormAttentionBase;

  void runOnOperation() override {
    // Those that import made are rewritten once, in the same way.
    SmallVector<mm::AttentionOp> existing;
    SmallVector<mm::SoftmaxOp> softmaxes;
    getOperation().walk([&](Operation *op) {
      if (auto attention = dyn_cast<mm::AttentionOp>(op))
        existing.push_back(attention);
      else if (auto softmax = dyn_cast<mm::SoftmaxOp>(op))
        softmaxes.push_back(softmax);
    });
    IRRewriter rewriter(&getContext());
    for (mm::AttentionOp attention : existing)
      buildAttention(rewriter, matchExisting(attention));
    for (mm::SoftmaxOp softmax : softmaxes)
      runOnSoftmax(rewriter, softmax);
    // What the attentions replaced, and views that they did not need.
    RewritePatternSet none(&getContext());
    if (failed(applyPatternsAndFoldGreedily(getOperation(), std::move(none))))
      signalPassFailure();
  }

  void runOnSoftmax(IRRewriter &rewriter, mm::SoftmaxOp softmax) {
    std::string reason;
    std::optional<AttentionMatch> match = matchAttention(softmax, reason);
    mm::AttentionOp attention;
    if (match) {
      attention = buildAttention(rewriter, *match);
      reason = "the number of heads is not static";
    }
    if (!attention) {
      ++numLeft;
      if (explain)
        softmax.emitRemark("no attention: ") << reason;
      return;
    }
    ++numFormed;
    numCausal += attention.getCausal();
    numMasked += static_cast<bool>(attention.getMask());
    numGrouped +=
        attention.getKey().getType() != attention.getQuery().getType() &&
        mm::getShape(attention.getKey().getType())[1] !=
            mm::getShape(attention.getQuery().getType())[1];
  }
};

} // namespace
