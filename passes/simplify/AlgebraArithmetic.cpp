//===- AlgebraArithmetic.cpp - Sums, products, powers ---------------------===//

#include "dialects/mm/ConstantFold.h"
#include "mlir/IR/Matchers.h"
#include "passes/simplify/AlgebraPatterns.h"
#include <cmath>

using namespace mlir;

namespace mmcc {
namespace {

bool isFloat(Value value) { return isa<FloatType>(elementTypeOf(value)); }
bool isSigned(Value value) {
  return !mm::isUnsignedElement(elementTypeOf(value));
}

/// Whether a factor is neither lost nor infinite in the element type.
bool isOrdinary(double number, Type elementType) {
  auto type = dyn_cast<FloatType>(elementType);
  if (!type)
    return true;
  return FloatAttr::get(type, number).getValue().isNormal();
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

/// A constant with equal elements that widens nothing is a scalar.
struct ScalarOperand : RewritePattern {
  ScalarOperand(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), 2, context) {}
  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (op->getNumResults() != 1 || op->getNumOperands() < 2 ||
        !op->hasTrait<mm::Elementwise>())
      return failure();
    for (OpOperand &operand : op->getOpOperands()) {
      auto type = cast<RankedTensorType>(operand.get().getType());
      Attribute constant;
      if (type.getRank() == 0 ||
          !matchPattern(operand.get(), m_Constant(&constant)))
        continue;
      Attribute splat = mm::getSplat(constant);
      if (!splat || !isWideWithout(op, operand.getOperandNumber()))
        continue;
      auto scalar = RankedTensorType::get({}, type.getElementType());
      Value value = rewriter.create<mm::ConstantOp>(
          op->getLoc(), DenseElementsAttr::get(scalar, splat));
      rewriter.modifyOpInPlace(op, [&] { operand.set(value); });
      return success();
    }
    return failure();
  }

  static bool isWideWithout(Operation *op, unsigned skipped) {
    mm::Shape shape;
    for (OpOperand &operand : op->getOpOperands()) {
      if (operand.getOperandNumber() == skipped)
        continue;
      std::optional<mm::Shape> joined =
          mm::broadcastShapes(shape, mm::getShape(operand.get().getType()));
      if (!joined)
        return false;
      shape = *joined;
    }
    return shape == mm::getShape(op->getResult(0).getType());
  }
};

/// x op c where c changes no value but widens the shape: a repetition of x.
template <typename BinaryOp>
struct NeutralOperand : OpRewritePattern<BinaryOp> {
  NeutralOperand(MLIRContext *context, double neutral)
      : OpRewritePattern<BinaryOp>(context, /*benefit=*/2), neutral(neutral) {}
  LogicalResult matchAndRewrite(BinaryOp op,
                                PatternRewriter &rewriter) const override {
    if (getScalar(op.getRhs()) != neutral || haveSameShape(op, op.getLhs()))
      return failure();
    rewriter.replaceOpWithNewOp<mm::BroadcastOp>(op, op.getType(), op.getLhs());
    return success();
  }
  double neutral;
};

/// The same for truth values.
template <typename BinaryOp> struct NeutralTruth : NeutralOperand<BinaryOp> {
  using NeutralOperand<BinaryOp>::NeutralOperand;
  LogicalResult matchAndRewrite(BinaryOp op,
                                PatternRewriter &rewriter) const override {
    if (!elementTypeOf(op).isInteger(1))
      return failure();
    return NeutralOperand<BinaryOp>::matchAndRewrite(op, rewriter);
  }
};

//===----------------------------------------------------------------------===//
// Sums and signs
//===----------------------------------------------------------------------===//

struct SimplifySub : OpRewritePattern<mm::SubOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::SubOp op,
                                PatternRewriter &rewriter) const override {
    if (auto negation = op.getRhs().getDefiningOp<mm::NegOp>()) {
      rewriter.replaceOpWithNewOp<mm::AddOp>(op, op.getLhs(),
                                             negation.getInput());
      return success();
    }
    std::optional<double> number = getScalar(op.getRhs());
    if (!number || !isSigned(op.getRhs()) ||
        cast<RankedTensorType>(op.getRhs().getType()).getRank() != 0)
      return failure();
    Value negated = createScalar(rewriter, op.getLoc(),
                                 elementTypeOf(op.getRhs()), -*number);
    rewriter.replaceOpWithNewOp<mm::AddOp>(op, op.getLhs(), negated);
    return success();
  }
};

struct SimplifyAdd : OpRewritePattern<mm::AddOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::AddOp op,
                                PatternRewriter &rewriter) const override {
    if (auto negation = op.getRhs().getDefiningOp<mm::NegOp>()) {
      rewriter.replaceOpWithNewOp<mm::SubOp>(op, op.getLhs(),
                                             negation.getInput());
      return success();
    }
    if (auto negation = op.getLhs().getDefiningOp<mm::NegOp>()) {
      rewriter.replaceOpWithNewOp<mm::SubOp>(op, op.getRhs(),
                                             negation.getInput());
      return success();
    }
    // (x + a) + b: floats would round elsewhere.
    auto inner = op.getLhs().getDefiningOp<mm::AddOp>();
    if (!inner || isFloat(op) || !getScalar(op.getRhs()) ||
        !getScalar(inner.getRhs()))
      return failure();
    Value sum = rewriter.createOrFold<mm::AddOp>(op.getLoc(), inner.getRhs(),
                                                 op.getRhs());
    rewriter.replaceOpWithNewOp<mm::AddOp>(op, op.getType(), inner.getLhs(),
                                           sum);
    return success();
  }
};

struct SimplifyNeg : OpRewritePattern<mm::NegOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::NegOp op,
                                PatternRewriter &rewriter) const override {
    if (auto difference = op.getInput().getDefiningOp<mm::SubOp>();
        difference && difference->hasOneUse()) {
      rewriter.replaceOpWithNewOp<mm::SubOp>(op, difference.getRhs(),
                                             difference.getLhs());
      return success();
    }
    auto product = op.getInput().getDefiningOp<mm::MulOp>();
    if (!product || !product->hasOneUse())
      return failure();
    std::optional<double> factor = getScalar(product.getRhs());
    if (!factor)
      return failure();
    Value negated =
        rewriter.createOrFold<mm::NegOp>(op.getLoc(), product.getRhs());
    rewriter.replaceOpWithNewOp<mm::MulOp>(op, product.getLhs(), negated);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

struct SimplifyMul : OpRewritePattern<mm::MulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::MulOp op,
                                PatternRewriter &rewriter) const override {
    auto left = op.getLhs().getDefiningOp<mm::NegOp>();
    auto right = op.getRhs().getDefiningOp<mm::NegOp>();
    if (left && right) {
      rewriter.replaceOpWithNewOp<mm::MulOp>(op, left.getInput(),
                                             right.getInput());
      return success();
    }
    std::optional<double> factor = getScalar(op.getRhs());
    if (!factor)
      return failure();
    Type element = elementTypeOf(op);
    if (left) {
      Value negated =
          rewriter.createOrFold<mm::NegOp>(op.getLoc(), op.getRhs());
      rewriter.replaceOpWithNewOp<mm::MulOp>(op, left.getInput(), negated);
      return success();
    }
    if (*factor == -1 && isSigned(op) && haveSameShape(op, op.getLhs())) {
      rewriter.replaceOpWithNewOp<mm::NegOp>(op, op.getLhs());
      return success();
    }
    auto inner = op.getLhs().getDefiningOp<mm::MulOp>();
    std::optional<double> first =
        inner ? getScalar(inner.getRhs()) : std::nullopt;
    if (!first || !isOrdinary(*first * *factor, element))
      return failure();
    Value product = rewriter.createOrFold<mm::MulOp>(
        op.getLoc(), inner.getRhs(), op.getRhs());
    rewriter.replaceOpWithNewOp<mm::MulOp>(op, op.getType(), inner.getLhs(),
                                           product);
    return success();
  }
};

bool isPowerOfTwo(double number) {
  int exponent;
  return std::abs(std::frexp(number, &exponent)) == 0.5;
}

struct SimplifyDiv : OpRewritePattern<mm::DivOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::DivOp op,
                                PatternRewriter &rewriter) const override {
    if (!isFloat(op))
      return failure();
    Type element = elementTypeOf(op);
    if (getScalar(op.getLhs()) == 1.0 && haveSameShape(op, op.getRhs())) {
      rewriter.replaceOpWithNewOp<mm::ReciprocalOp>(op, op.getRhs());
      return success();
    }
    std::optional<double> divisor = getScalar(op.getRhs());
    if (!divisor || !isOrdinary(*divisor, element) ||
        !isOrdinary(1.0 / *divisor, element))
      return failure();
    // A narrow type has no bits to spare for a second rounding.
    if (!isPowerOfTwo(*divisor) && !element.isF32() && !element.isF64())
      return failure();
    auto type = cast<RankedTensorType>(op.getRhs().getType());
    Value factor = rewriter.create<mm::ConstantOp>(
        op.getLoc(),
        DenseElementsAttr::get(
            type, Attribute(FloatAttr::get(element, 1.0 / *divisor))));
    rewriter.replaceOpWithNewOp<mm::MulOp>(op, op.getLhs(), factor);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Powers and bounds
//===----------------------------------------------------------------------===//

struct SimplifyPow : OpRewritePattern<mm::PowOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::PowOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<double> exponent = getScalar(op.getRhs());
    Value base = op.getLhs();
    if (!exponent || !haveSameShape(op, base))
      return failure();
    if (*exponent == 2.0) {
      rewriter.replaceOpWithNewOp<mm::MulOp>(op, base, base);
      return success();
    }
    if (!isFloat(base))
      return failure();
    if (*exponent == 0.5)
      rewriter.replaceOpWithNewOp<mm::SqrtOp>(op, base);
    else if (*exponent == -0.5)
      rewriter.replaceOpWithNewOp<mm::RsqrtOp>(op, base);
    else if (*exponent == -1.0)
      rewriter.replaceOpWithNewOp<mm::ReciprocalOp>(op, base);
    else
      return failure();
    return success();
  }
};

struct ReciprocalOfSqrt : OpRewritePattern<mm::ReciprocalOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::ReciprocalOp op,
                                PatternRewriter &rewriter) const override {
    auto root = op.getInput().getDefiningOp<mm::SqrtOp>();
    if (!root)
      return failure();
    rewriter.replaceOpWithNewOp<mm::RsqrtOp>(op, root.getInput());
    return success();
  }
};

/// Bounds of one kind in a row are the tighter one; max(x, 0) is relu.
template <typename BoundOp> struct SimplifyBound : OpRewritePattern<BoundOp> {
  using OpRewritePattern<BoundOp>::OpRewritePattern;
  LogicalResult matchAndRewrite(BoundOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<double> bound = getScalar(op.getRhs());
    if (!bound)
      return failure();
    if (auto inner = op.getLhs().template getDefiningOp<BoundOp>();
        inner && getScalar(inner.getRhs())) {
      Value tighter = rewriter.createOrFold<BoundOp>(
          op.getLoc(), inner.getRhs(), op.getRhs());
      rewriter.replaceOpWithNewOp<BoundOp>(op, op.getType(), inner.getLhs(),
                                           tighter);
      return success();
    }
    if (!std::is_same_v<BoundOp, mm::MaxOp> || *bound != 0 || !isSigned(op) ||
        !haveSameShape(op, op.getLhs()))
      return failure();
    rewriter.replaceOpWithNewOp<mm::ReluOp>(op, op.getLhs());
    return success();
  }
};

} // namespace

void populateArithmeticPatterns(RewritePatternSet &patterns) {
  patterns.add<ScalarOperand, SimplifySub, SimplifyAdd, SimplifyNeg,
               SimplifyMul, SimplifyDiv, SimplifyPow, ReciprocalOfSqrt,
               SimplifyBound<mm::MaxOp>, SimplifyBound<mm::MinOp>>(
      patterns.getContext());
  MLIRContext *context = patterns.getContext();
  patterns.add<NeutralOperand<mm::AddOp>>(context, 0.0);
  patterns.add<NeutralOperand<mm::SubOp>>(context, 0.0);
  patterns.add<NeutralOperand<mm::MulOp>>(context, 1.0);
  patterns.add<NeutralOperand<mm::DivOp>>(context, 1.0);
  patterns.add<NeutralTruth<mm::AndOp>>(context, 1.0);
  patterns.add<NeutralTruth<mm::OrOp>>(context, 0.0);
}

} // namespace mmcc
