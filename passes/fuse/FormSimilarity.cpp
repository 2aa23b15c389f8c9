//===- FormSimilarity.cpp - Contrastive heads -----------------------------===//

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/fuse/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_FORMSIMILARITY
#include "passes/fuse/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

/// Rows divided by their lengths: base / max(|base|, epsilon).
struct UnitRows {
  Value base;
  double epsilon;
};

/// |base| of each row, sqrt(sum(base^2)) with the dimension kept.
bool isLengthOf(Value value, Value base) {
  auto root = value.getDefiningOp<mm::SqrtOp>();
  auto sum = root ? root.getOperand().getDefiningOp<mm::ReduceOp>() : nullptr;
  if (!sum || sum.getKind() != mm::ReduceKind::Sum || !sum.getKeep() ||
      sum.getAxes() != ArrayRef<int64_t>{1})
    return false;
  Value squares = sum.getInput();
  if (auto product = squares.getDefiningOp<mm::MulOp>())
    return product.getLhs() == base && product.getRhs() == base;
  auto power = squares.getDefiningOp<mm::PowOp>();
  return power && power.getLhs() == base && isSplat(power.getRhs(), 2.0);
}

std::optional<UnitRows> matchUnitRows(Value value) {
  auto quotient = value.getDefiningOp<mm::DivOp>();
  if (!quotient || getTensorType(value).getRank() != 2 ||
      !getTensorType(value).getElementType().isF32())
    return std::nullopt;
  Value base = quotient.getLhs(), length = quotient.getRhs();
  if (auto broadcast = length.getDefiningOp<mm::BroadcastOp>())
    length = broadcast.getInput();
  if (base.getType() != value.getType() ||
      !mm::getShape(base.getType())[1].getConstant())
    return std::nullopt;
  double epsilon = 0;
  if (auto larger = length.getDefiningOp<mm::MaxOp>()) {
    std::optional<double> number = getSplat(larger.getRhs());
    if (!number || *number < 0)
      return std::nullopt;
    epsilon = *number;
    length = larger.getLhs();
  }
  if (!isLengthOf(length, base) || isConstantExpression(base))
    return std::nullopt;
  return UnitRows{base, epsilon};
}

/// unit(x) · unit(y) transposed.
struct ProductOfUnits : OpRewritePattern<mm::MatmulOp> {
  ProductOfUnits(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(mm::MatmulOp op,
                                PatternRewriter &rewriter) const override {
    auto transpose = op.getRhs().getDefiningOp<mm::TransposeOp>();
    if (!transpose || transpose.getPermutation() != ArrayRef<int64_t>{1, 0})
      return failure();
    std::optional<UnitRows> lhs = matchUnitRows(op.getLhs());
    std::optional<UnitRows> rhs = matchUnitRows(transpose.getInput());
    if (!lhs || !rhs)
      return failure();
    rewriter.replaceOpWithNewOp<mm::SimilarityOp>(
        op, lhs->base, rhs->base, rewriter.getF64FloatAttr(lhs->epsilon),
        rewriter.getF64FloatAttr(rhs->epsilon));
    ++count;
    return success();
  }

  Pass::Statistic &count;
};

struct FormSimilarity : mmcc::impl::FormSimilarityBase<FormSimilarity> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<ProductOfUnits>(&getContext(), numFormed);
    if (failed(
            applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
