//===- FormSoftmax.cpp - Recognises softmax in its pieces -----------------===//

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/attention/Passes.h"
#include "passes/fuse/ConstantValues.h"

namespace mmcc {
#define GEN_PASS_DEF_FORMSOFTMAX
#include "passes/attention/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

/// The input of a reduction along one dimension, which stays with size 1.
struct Reduced {
  Value input;
  int64_t axis = -1;
};
std::optional<Reduced> matchReduce(Value value, mm::ReduceKind kind) {
  auto reduce = value.getDefiningOp<mm::ReduceOp>();
  if (!reduce || reduce.getKind() != kind || !reduce.getKeep() ||
      reduce.getAxes().size() != 1)
    return std::nullopt;
  return Reduced{reduce.getInput(), reduce.getAxes().front()};
}

/// exp(x - max(x)) / sum(exp(x - max(x))), the quotient also as a product with
/// a reciprocal. Without the maximum the result would be the same, but what
/// overflows today would not overflow then: that stays as it is.
struct FormSoftmaxPattern : RewritePattern {
  FormSoftmaxPattern(StringRef rootName, MLIRContext *context,
                     Pass::Statistic &count)
      : RewritePattern(rootName, 1, context), count(count) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    for (auto [numerator, denominator] :
         {std::pair(op->getOperand(0), op->getOperand(1)),
          std::pair(op->getOperand(1), op->getOperand(0))}) {
      if (isa<mm::DivOp>(op) && numerator != op->getOperand(0))
        continue;
      Value sum = denominator;
      if (isa<mm::MulOp>(op)) {
        auto reciprocal = denominator.getDefiningOp<mm::ReciprocalOp>();
        if (!reciprocal)
          continue;
        sum = reciprocal.getInput();
      }
      auto exp = numerator.getDefiningOp<mm::ExpOp>();
      std::optional<Reduced> total = matchReduce(sum, mm::ReduceKind::Sum);
      if (!exp || !total || total->input != numerator)
        continue;
      auto sub = exp.getInput().getDefiningOp<mm::SubOp>();
      std::optional<Reduced> largest;
      if (sub)
        largest = matchReduce(sub.getRhs(), mm::ReduceKind::Max);
      if (!largest || largest->input != sub.getLhs() ||
          largest->axis != total->axis)
        continue;
      rewriter.replaceOpWithNewOp<mm::SoftmaxOp>(
          op, sub.getLhs(), rewriter.getI64IntegerAttr(total->axis),
          rewriter.getBoolAttr(false));
      ++count;
      return success();
    }
    return failure();
  }

  Pass::Statistic &count;
};

struct FormSoftmax : mmcc::impl::FormSoftmaxBase<FormSoftmax> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    for (StringRef name :
         {mm::DivOp::getOperationName(), mm::MulOp::getOperationName()})
      patterns.add<FormSoftmaxPattern>(name, context, numFormed);
    if (failed(
            applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
