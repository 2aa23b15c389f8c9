//===- AlgebraLogic.cpp - Comparisons, masks, casts -----------------------===//

#include "dialects/mm/ConstantFold.h"
#include "mlir/IR/Matchers.h"
#include "passes/simplify/AlgebraPatterns.h"
#include <cmath>

using namespace mlir;

namespace mmcc {
namespace {

/// b if `value` is a truth value as a number: cast(b), or b itself.
Value getTruth(Value value) {
  if (elementTypeOf(value).isInteger(1))
    return value;
  auto cast = value.getDefiningOp<mm::CastOp>();
  if (cast && elementTypeOf(cast.getInput()).isInteger(1))
    return cast.getInput();
  return {};
}

std::optional<mm::Predicate> inverseOf(mm::Predicate predicate, Type element) {
  switch (predicate) {
  case mm::Predicate::EQ:
    return mm::Predicate::NE;
  case mm::Predicate::NE:
    return mm::Predicate::EQ;
  default:
    break;
  }
  // With NaN both x < y and x >= y are false.
  if (!element.isInteger())
    return std::nullopt;
  switch (predicate) {
  case mm::Predicate::LT:
    return mm::Predicate::GE;
  case mm::Predicate::LE:
    return mm::Predicate::GT;
  case mm::Predicate::GT:
    return mm::Predicate::LE;
  default:
    return mm::Predicate::LT;
  }
}

struct NotOfCompare : OpRewritePattern<mm::NotOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::NotOp op,
                                PatternRewriter &rewriter) const override {
    auto compare = op.getInput().getDefiningOp<mm::CompareOp>();
    if (!compare || !compare->hasOneUse())
      return failure();
    std::optional<mm::Predicate> inverse =
        inverseOf(compare.getPredicate(), elementTypeOf(compare.getLhs()));
    if (!inverse)
      return failure();
    rewriter.replaceOpWithNewOp<mm::CompareOp>(op, compare.getLhs(),
                                               compare.getRhs(), *inverse);
    return success();
  }
};

/// b compared with 0 or 1 is b, not b, or known.
struct CompareOfTruth : OpRewritePattern<mm::CompareOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::CompareOp op,
                                PatternRewriter &rewriter) const override {
    Value truth = getTruth(op.getLhs());
    std::optional<double> number = getScalar(op.getRhs());
    if (!truth || !number || (*number != 0 && *number != 1) ||
        !haveSameShape(op, truth))
      return failure();
    bool whenFalse = holds(op.getPredicate(), 0, *number);
    bool whenTrue = holds(op.getPredicate(), 1, *number);
    if (whenFalse == whenTrue)
      return failure();
    if (whenTrue)
      rewriter.replaceOp(op, truth);
    else
      rewriter.replaceOpWithNewOp<mm::NotOp>(op, truth);
    return success();
  }

  static bool holds(mm::Predicate predicate, double a, double b) {
    switch (predicate) {
    case mm::Predicate::EQ:
      return a == b;
    case mm::Predicate::NE:
      return a != b;
    case mm::Predicate::LT:
      return a < b;
    case mm::Predicate::LE:
      return a <= b;
    case mm::Predicate::GT:
      return a > b;
    case mm::Predicate::GE:
      return a >= b;
    }
    llvm_unreachable("all predicates are handled");
  }
};

struct XorWithTrue : OpRewritePattern<mm::XorOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::XorOp op,
                                PatternRewriter &rewriter) const override {
    if (!elementTypeOf(op).isInteger(1) || getScalar(op.getRhs()) != 1.0 ||
        !haveSameShape(op, op.getLhs()))
      return failure();
    rewriter.replaceOpWithNewOp<mm::NotOp>(op, op.getLhs());
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Selection
//===----------------------------------------------------------------------===//

struct SimplifySelect : OpRewritePattern<mm::SelectOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::SelectOp op,
                                PatternRewriter &rewriter) const override {
    if (auto negation = op.getCondition().getDefiningOp<mm::NotOp>()) {
      rewriter.replaceOpWithNewOp<mm::SelectOp>(
          op, negation.getInput(), op.getOnFalse(), op.getOnTrue());
      return success();
    }
    if (std::optional<double> condition = getScalar(op.getCondition())) {
      Value taken = *condition != 0 ? op.getOnTrue() : op.getOnFalse();
      rewriter.replaceOpWithNewOp<mm::BroadcastOp>(op, op.getType(), taken);
      return success();
    }
    if (!elementTypeOf(op).isInteger(1) ||
        !haveSameShape(op, op.getCondition()))
      return failure();
    std::optional<double> onTrue = getScalar(op.getOnTrue());
    std::optional<double> onFalse = getScalar(op.getOnFalse());
    if (onTrue == 1.0 && onFalse == 0.0)
      rewriter.replaceOp(op, op.getCondition());
    else if (onTrue == 0.0 && onFalse == 1.0)
      rewriter.replaceOpWithNewOp<mm::NotOp>(op, op.getCondition());
    else
      return failure();
    return success();
  }
};

/// (1 - cast(b)) * c and its kin become a choice between two numbers: the value
/// `op(number, c)` or `op(c, number)` is computed for both.
template <typename BinaryOp>
struct ChoiceOfNumbers : OpRewritePattern<BinaryOp> {
  using OpRewritePattern<BinaryOp>::OpRewritePattern;

  struct Choice {
    Value condition;
    double onTrue, onFalse;
  };
  static std::optional<Choice> getChoice(Value value) {
    if (auto cast = value.getDefiningOp<mm::CastOp>();
        cast && elementTypeOf(cast.getInput()).isInteger(1))
      return Choice{cast.getInput(), 1, 0};
    auto select = value.getDefiningOp<mm::SelectOp>();
    if (!select || !select->hasOneUse())
      return std::nullopt;
    std::optional<double> onTrue = getScalar(select.getOnTrue());
    std::optional<double> onFalse = getScalar(select.getOnFalse());
    if (!onTrue || !onFalse)
      return std::nullopt;
    return Choice{select.getCondition(), *onTrue, *onFalse};
  }

  LogicalResult matchAndRewrite(BinaryOp op,
                                PatternRewriter &rewriter) const override {
    Type element = elementTypeOf(op);
    if (!isa<FloatType>(element))
      return failure();
    bool isRight = false;
    std::optional<Choice> choice = getChoice(op.getLhs());
    std::optional<double> number = getScalar(op.getRhs());
    if (!choice || !number) {
      isRight = true;
      choice = getChoice(op.getRhs());
      number = getScalar(op.getLhs());
    }
    if (!choice || !number || !haveSameShape(op, choice->condition))
      return failure();
    auto compute = [&](double value) {
      Value chosen = createScalar(rewriter, op.getLoc(), element, value);
      Value other = createScalar(rewriter, op.getLoc(), element, *number);
      return isRight
                 ? rewriter.createOrFold<BinaryOp>(op.getLoc(), other, chosen)
                 : rewriter.createOrFold<BinaryOp>(op.getLoc(), chosen, other);
    };
    Value onTrue = compute(choice->onTrue), onFalse = compute(choice->onFalse);
    rewriter.replaceOpWithNewOp<mm::SelectOp>(op, choice->condition, onTrue,
                                              onFalse);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Casts
//===----------------------------------------------------------------------===//

/// Whether every value of `from` is exactly one of `to`.
bool isLossless(Type from, Type to) {
  if (from == to || from.isInteger(1))
    return true;
  auto fromFloat = dyn_cast<FloatType>(from), toFloat = dyn_cast<FloatType>(to);
  if (fromFloat && toFloat) {
    const llvm::fltSemantics &a = fromFloat.getFloatSemantics();
    const llvm::fltSemantics &b = toFloat.getFloatSemantics();
    return fromFloat.getWidth() > 8 &&
           APFloat::semanticsPrecision(a) <= APFloat::semanticsPrecision(b) &&
           APFloat::semanticsMinExponent(a) >=
               APFloat::semanticsMinExponent(b) &&
           APFloat::semanticsMaxExponent(a) <= APFloat::semanticsMaxExponent(b);
  }
  if (!from.isInteger())
    return false;
  bool isUnsigned = mm::isUnsignedElement(from);
  unsigned digits = from.getIntOrFloatBitWidth() - (isUnsigned ? 0 : 1);
  if (toFloat)
    return digits <= APFloat::semanticsPrecision(toFloat.getFloatSemantics()) &&
           static_cast<int>(digits) <=
               APFloat::semanticsMaxExponent(toFloat.getFloatSemantics());
  if (!to.isInteger() || to.isInteger(1))
    return false;
  if (mm::isUnsignedElement(to))
    return isUnsigned &&
           from.getIntOrFloatBitWidth() <= to.getIntOrFloatBitWidth();
  return digits < to.getIntOrFloatBitWidth();
}

struct CastOfCast : OpRewritePattern<mm::CastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::CastOp op,
                                PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<mm::CastOp>();
    if (!inner ||
        !isLossless(elementTypeOf(inner.getInput()), elementTypeOf(inner)))
      return failure();
    rewriter.replaceOpWithNewOp<mm::CastOp>(op, op.getType(), inner.getInput(),
                                            op.getSaturateAttr());
    return success();
  }
};

} // namespace

void populateLogicPatterns(RewritePatternSet &patterns) {
  patterns.add<NotOfCompare, CompareOfTruth, XorWithTrue, SimplifySelect,
               ChoiceOfNumbers<mm::AddOp>, ChoiceOfNumbers<mm::SubOp>,
               ChoiceOfNumbers<mm::MulOp>, CastOfCast>(patterns.getContext());
}

} // namespace mmcc
