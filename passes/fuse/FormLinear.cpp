//===- FormLinear.cpp - Products with one constant matrix -----------------===//

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/fuse/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_FORMLINEAR
#include "passes/fuse/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

/// Whether `value` is one constant matrix: all dimensions but the last two are
/// of size 1.
bool isConstantMatrix(Value value) {
  auto type = getTensorType(value);
  if (type.getRank() < 2 || !type.hasStaticShape())
    return false;
  for (int64_t size : type.getShape().drop_back(2))
    if (size != 1)
      return false;
  return isConstantExpression(value);
}

Value dropLeadingOnes(PatternRewriter &rewriter, Value matrix) {
  mm::Shape shape = mm::getShape(matrix.getType());
  return reshapeTo(rewriter, matrix.getLoc(), matrix,
                   ArrayRef(shape).take_back(2));
}

SmallVector<int64_t> swapLastTwo(int64_t rank) {
  SmallVector<int64_t> permutation;
  for (int64_t i = 0; i < rank; ++i)
    permutation.push_back(i);
  std::swap(permutation[rank - 1], permutation[rank - 2]);
  return permutation;
}

struct FormLinearPattern : OpRewritePattern<mm::MatmulOp> {
  FormLinearPattern(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(mm::MatmulOp op,
                                PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    if (!isa<FloatType>(op.getType().getElementType()))
      return failure();
    if (isConstantMatrix(op.getRhs())) {
      Value weight = dropLeadingOnes(rewriter, op.getRhs());
      Value linear =
          rewriter.create<mm::LinearOp>(loc, op.getLhs(), weight, Value());
      replaceWithValue(rewriter, op, linear);
      ++count;
      return success();
    }
    if (!isConstantMatrix(op.getLhs()))
      return failure();
    // W x = (xᵀ Wᵀ)ᵀ
    Value weight = dropLeadingOnes(rewriter, op.getLhs());
    weight = transposeTo(rewriter, loc, weight, {1, 0});
    int64_t rank = getTensorType(op.getRhs()).getRank();
    Value input = transposeTo(rewriter, loc, op.getRhs(), swapLastTwo(rank));
    Value linear = rewriter.create<mm::LinearOp>(loc, input, weight, Value());
    replaceWithValue(rewriter, op,
                     transposeTo(rewriter, loc, linear, swapLastTwo(rank)));
    ++count;
    return success();
  }

  Pass::Statistic &count;
};

/// linear(x) + b, also through a reshape that keeps the last dimension.
struct AttachBias : OpRewritePattern<mm::AddOp> {
  AttachBias(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(mm::AddOp op,
                                PatternRewriter &rewriter) const override {
    for (auto [value, bias] : {std::pair(op.getLhs(), op.getRhs()),
                               std::pair(op.getRhs(), op.getLhs())}) {
      auto reshape = value.getDefiningOp<mm::ReshapeOp>();
      if (reshape && reshape->hasOneUse() && keepsLast(reshape))
        value = reshape.getInput();
      else
        reshape = nullptr;
      auto linear = value.getDefiningOp<mm::LinearOp>();
      if (!linear || linear.getBias() || !linear->hasOneUse() ||
          (reshape ? reshape.getType() : linear.getType()) != op.getType())
        continue;
      auto type = getTensorType(bias);
      int64_t width = getTensorType(linear.getWeight()).getDimSize(1);
      if (type.getRank() == 0 || !type.hasStaticShape() ||
          type.getNumElements() != width || type.getShape().back() != width ||
          !isConstantExpression(bias))
        continue;
      Value vector = reshapeTo(rewriter, op.getLoc(), bias,
                               mm::makeShape(op.getContext(), {width}));
      Location loc = rewriter.getFusedLoc({linear.getLoc(), op.getLoc()});
      Value result = rewriter.create<mm::LinearOp>(loc, linear.getInput(),
                                                   linear.getWeight(), vector);
      replaceWithValue(rewriter, op, result);
      ++count;
      return success();
    }
    return failure();
  }

  static bool keepsLast(mm::ReshapeOp reshape) {
    auto from = getTensorType(reshape.getInput()), to = reshape.getType();
    return from.getRank() > 0 && to.getRank() > 0 &&
           !from.isDynamicDim(from.getRank() - 1) &&
           from.getShape().back() == to.getShape().back();
  }

  Pass::Statistic &count;
};

struct FormLinear : mmcc::impl::FormLinearBase<FormLinear> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FormLinearPattern>(&getContext(), numFormed);
    patterns.add<AttachBias>(&getContext(), numBiases);
    if (failed(
            applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
