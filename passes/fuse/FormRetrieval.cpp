//===- FormRetrieval.cpp - Top-k of a product with a bank -----------------===//

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/fuse/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_FORMRETRIEVAL
#include "passes/fuse/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

/// More are taken from scores that were written.
constexpr int64_t kMostKept = 1024;
/// A smaller bank's scores stay in the cache.
constexpr int64_t kSmallestBank = 1024;

/// Whether all elements are above 0, or NaN, by how they are computed.
bool isPositive(Value value, int depth = 0) {
  if (std::optional<double> number = getSplat(value))
    return *number > 0;
  Operation *op = value.getDefiningOp();
  if (!op || depth > 4)
    return false;
  if (isa<mm::ExpOp, mm::SqrtOp, mm::SigmoidOp>(op))
    return true;
  if (isa<mm::MaxOp>(op))
    return isPositive(op->getOperand(0), depth + 1) ||
           isPositive(op->getOperand(1), depth + 1);
  if (isa<mm::BroadcastOp, mm::ReshapeOp, mm::ReciprocalOp>(op))
    return isPositive(op->getOperand(0), depth + 1);
  if (isa<mm::MulOp, mm::DivOp>(op))
    return isPositive(op->getOperand(0), depth + 1) &&
           isPositive(op->getOperand(1), depth + 1);
  return false;
}

/// A factor of whole rows that keeps their order.
struct RowFactor {
  Value factor;
  bool divides;
};

/// The factor of `value` = base * factor or base / factor, one number a row.
std::optional<RowFactor> matchFactor(Value value, Value &base) {
  Operation *op = value.getDefiningOp();
  if (!isa_and_nonnull<mm::MulOp, mm::DivOp>(op) || !value.hasOneUse())
    return std::nullopt;
  for (int side : {0, 1}) {
    Value other = op->getOperand(1 - side);
    auto type = getTensorType(other);
    bool isRow = type.getRank() == 0 || type.getShape().back() == 1;
    if ((side == 1 && isa<mm::DivOp>(op)) || !isRow || !isPositive(other) ||
        op->getOperand(side).getType() != value.getType())
      continue;
    base = op->getOperand(side);
    return RowFactor{other, isa<mm::DivOp>(op)};
  }
  return std::nullopt;
}

struct TopOfProduct : OpRewritePattern<mm::TopKOp> {
  TopOfProduct(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(mm::TopKOp op,
                                PatternRewriter &rewriter) const override {
    Value scores = op.getInput();
    std::optional<int64_t> k =
        mm::getShape(op.getValues().getType()).back().getConstant();
    if (!op.getLargest() || !k || *k < 1 || *k > kMostKept ||
        getTensorType(scores).getRank() != 2 || op.getAxis() != 1)
      return failure();
    SmallVector<RowFactor> factors;
    while (std::optional<RowFactor> factor = matchFactor(scores, scores))
      factors.push_back(*factor);
    auto product = scores.getDefiningOp<mm::LinearOp>();
    if (!product || !scores.hasOneUse() || product.getBias() ||
        getTensorType(product.getInput()).getRank() != 2 ||
        !getTensorType(scores).getElementType().isF32())
      return failure();
    int64_t bank = getTensorType(product.getWeight()).getDimSize(1);
    if (ShapedType::isDynamic(bank) || bank < kSmallestBank ||
        bank >= (int64_t(1) << 24) - 1)
      return failure();

    Location loc = op.getLoc();
    Value found = rewriter.create<mm::RetrieveOp>(loc, product.getInput(),
                                                  product.getWeight(), *k);
    auto plane = [&](int64_t index) -> Value {
      MLIRContext *context = op.getContext();
      mm::Shape shape = mm::getShape(found.getType());
      mm::Shape offsets = mm::makeShape(context, {index, 0, 0});
      shape[0] = mm::Dim::constant(context, 1);
      Value slice = rewriter.create<mm::SliceOp>(
          loc, mm::makeTensorType(shape, rewriter.getF32Type()), found,
          mm::DimsAttr::get(context, offsets), ArrayRef<int64_t>{1, 1, 1});
      return reshapeTo(rewriter, loc, slice, ArrayRef(shape).drop_front());
    };
    Value values = plane(0);
    for (const RowFactor &factor : llvm::reverse(factors)) {
      if (factor.divides)
        values = rewriter.create<mm::DivOp>(loc, values, factor.factor);
      else
        values = rewriter.create<mm::MulOp>(loc, values, factor.factor);
    }
    Value indices =
        rewriter.create<mm::CastOp>(loc, op.getIndices().getType(), plane(1));
    rewriter.replaceOp(op, {values, indices});
    ++count;
    return success();
  }

  Pass::Statistic &count;
};

struct FormRetrieval : mmcc::impl::FormRetrievalBase<FormRetrieval> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<TopOfProduct>(&getContext(), numFormed);
    if (failed(
            applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
