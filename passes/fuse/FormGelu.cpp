//===- FormGelu.cpp - Recognises the forms of GELU ------------------------===//
//
// Every form is c * x * gate(p(x)), where the gate is 1 + erf, 1 + tanh or
// sigmoid and p an odd polynomial. The product is opened into factors, one of
// which must be the gate; for each value that its argument may be a polynomial
// of, the coefficients decide.
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/fuse/Passes.h"
#include <array>
#include <cmath>

namespace mmcc {
#define GEN_PASS_DEF_FORMGELU
#include "passes/fuse/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

/// Coefficients of x^0 to x^3.
using Polynomial = std::array<double, 4>;

/// `value` as a polynomial of `x`; nothing beyond the third degree.
std::optional<Polynomial> getPolynomial(Value value, Value x, int depth = 0) {
  if (value == x)
    return Polynomial{0, 1, 0, 0};
  if (depth > 8)
    return std::nullopt;
  if (std::optional<double> number = getSplat(value))
    return Polynomial{*number, 0, 0, 0};
  Operation *op = value.getDefiningOp();
  if (!op ||
      !isa<mm::AddOp, mm::SubOp, mm::MulOp, mm::DivOp, mm::PowOp, mm::NegOp>(
          op))
    return std::nullopt;
  std::optional<Polynomial> a = getPolynomial(op->getOperand(0), x, depth + 1);
  if (!a)
    return std::nullopt;
  Polynomial result = {0, 0, 0, 0};
  if (isa<mm::NegOp>(op)) {
    for (int i = 0; i < 4; ++i)
      result[i] = -(*a)[i];
    return result;
  }
  auto multiply = [](const Polynomial &a,
                     const Polynomial &b) -> std::optional<Polynomial> {
    Polynomial product = {0, 0, 0, 0};
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j) {
        if (i + j < 4)
          product[i + j] += a[i] * b[j];
        else if (a[i] != 0 && b[j] != 0)
          return std::nullopt;
      }
    return product;
  };
  if (isa<mm::PowOp>(op)) {
    std::optional<double> exponent = getSplat(op->getOperand(1));
    if (exponent == 2.0)
      return multiply(*a, *a);
    if (exponent != 3.0)
      return std::nullopt;
    std::optional<Polynomial> square = multiply(*a, *a);
    return square ? multiply(*square, *a) : std::nullopt;
  }
  std::optional<Polynomial> b = getPolynomial(op->getOperand(1), x, depth + 1);
  if (!b)
    return std::nullopt;
  if (isa<mm::MulOp>(op))
    return multiply(*a, *b);
  if (isa<mm::DivOp>(op)) {
    if ((*b)[0] == 0 || (*b)[1] != 0 || (*b)[2] != 0 || (*b)[3] != 0)
      return std::nullopt;
    for (int i = 0; i < 4; ++i)
      result[i] = (*a)[i] / (*b)[0];
    return result;
  }
  double sign = isa<mm::SubOp>(op) ? -1 : 1;
  for (int i = 0; i < 4; ++i)
    result[i] = (*a)[i] + sign * (*b)[i];
  return result;
}

/// The values, nearest first, that `value` may be a polynomial of.
void collectBases(Value value, SmallVectorImpl<Value> &bases, int depth = 0) {
  if (depth > 6 || bases.size() > 24 || getSplat(value))
    return;
  if (!llvm::is_contained(bases, value))
    bases.push_back(value);
  Operation *op = value.getDefiningOp();
  if (op &&
      isa<mm::AddOp, mm::SubOp, mm::MulOp, mm::DivOp, mm::PowOp, mm::NegOp>(op))
    for (Value operand : op->getOperands())
      collectBases(operand, bases, depth + 1);
}

/// factor == coefficient * (1 + erf(argument)), or with tanh, or
/// coefficient * sigmoid(argument).
struct Gate {
  Operation *function = nullptr;
  double coefficient = 1;
};

std::optional<Gate> matchGate(Value factor) {
  if (auto sigmoid = factor.getDefiningOp<mm::SigmoidOp>())
    return Gate{sigmoid, 1.0};
  auto add = factor.getDefiningOp<mm::AddOp>();
  if (!add)
    return std::nullopt;
  for (auto [term, one] : {std::pair(add.getLhs(), add.getRhs()),
                           std::pair(add.getRhs(), add.getLhs())}) {
    std::optional<double> constant = getSplat(one);
    if (!constant || *constant == 0)
      continue;
    Scaled scaled = stripScale(term);
    Operation *op = scaled.base.getDefiningOp();
    if (op && isa<mm::ErfOp, mm::TanhOp>(op) &&
        isClose(scaled.factor, *constant,
                literalTolerance(getElementTypeOrSelf(factor))))
      return Gate{op, *constant};
  }
  return std::nullopt;
}

struct Match {
  Value x;
  /// The argument of the GELU is scale * x.
  double scale;
  mm::GeluKind kind;
};

/// Decides by the coefficients. `total` is the factor in front of x * gate.
std::optional<Match> decide(Operation *function, Value x, double total,
                            const Polynomial &p, double tolerance) {
  auto close = [&](double a, double b) { return isClose(a, b, tolerance); };
  if (p[0] != 0 || p[2] != 0 || p[1] == 0)
    return std::nullopt;
  const double tanhSlope = std::sqrt(2.0 / M_PI);
  auto isTanhForm = [&](double p1, double p3, double scale) {
    return close(p1, tanhSlope * scale) &&
           close(p3, tanhSlope * 0.044715 * scale * scale * scale);
  };
  if (isa<mm::ErfOp>(function)) {
    double scale = p[1] * std::sqrt(2.0);
    if (p[3] == 0 && close(total, 0.5 * scale))
      return Match{x, scale, mm::GeluKind::Erf};
  } else if (isa<mm::TanhOp>(function)) {
    double scale = p[1] / tanhSlope;
    if (isTanhForm(p[1], p[3], scale) && close(total, 0.5 * scale))
      return Match{x, scale, mm::GeluKind::Tanh};
  } else if (p[3] == 0) {
    double scale = p[1] / 1.702;
    if (close(total, scale))
      return Match{x, scale, mm::GeluKind::Quick};
  } else {
    // (1 + tanh(u)) / 2 = sigmoid(2 u)
    double scale = p[1] / 2 / tanhSlope;
    if (isTanhForm(p[1] / 2, p[3] / 2, scale) && close(total, scale))
      return Match{x, scale, mm::GeluKind::Tanh};
  }
  return std::nullopt;
}

std::optional<Match> matchGelu(Value root) {
  double tolerance = 4 * literalTolerance(getElementTypeOrSelf(root));
  for (Value factor : getProduct(root).factors) {
    std::optional<Gate> gate = matchGate(factor);
    if (!gate)
      continue;
    SmallVector<Value> bases;
    collectBases(gate->function->getOperand(0), bases);
    for (Value x : bases) {
      if (x.getType() != root.getType())
        continue;
      Product product = getProduct(root, x);
      if (product.factors.size() != 2 ||
          !llvm::is_contained(product.factors, x) ||
          !llvm::is_contained(product.factors, factor))
        continue;
      std::optional<Polynomial> polynomial =
          getPolynomial(gate->function->getOperand(0), x);
      if (!polynomial)
        continue;
      if (std::optional<Match> match =
              decide(gate->function, x, product.coefficient * gate->coefficient,
                     *polynomial, tolerance))
        return match;
    }
  }
  return std::nullopt;
}

struct GeluCounts {
  Pass::Statistic &erf, &tanh, &quick;
};

/// Anchored on the last product or quotient of the chain.
struct FormGeluPattern : RewritePattern {
  FormGeluPattern(StringRef rootName, MLIRContext *context, GeluCounts counts)
      : RewritePattern(rootName, 1, context), counts(counts) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    Value root = op->getResult(0);
    if (!isa<FloatType>(getElementTypeOrSelf(root)))
      return failure();
    std::optional<Match> match = matchGelu(root);
    if (!match)
      return failure();
    Value input = match->x;
    Type elementType = getElementTypeOrSelf(root);
    if (!isClose(match->scale, 1.0, 4 * literalTolerance(elementType)))
      input = rewriter.create<mm::MulOp>(
          op->getLoc(), input,
          makeScalar(rewriter, op->getLoc(), elementType, match->scale));
    Value gelu = rewriter.create<mm::GeluOp>(op->getLoc(), input, match->kind);
    replaceWithValue(rewriter, op, gelu);
    ++(match->kind == mm::GeluKind::Erf    ? counts.erf
       : match->kind == mm::GeluKind::Tanh ? counts.tanh
                                           : counts.quick);
    return success();
  }

  GeluCounts counts;
};

struct FormGelu : mmcc::impl::FormGeluBase<FormGelu> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    GeluCounts counts{numErf, numTanh, numQuick};
    patterns.add<FormGeluPattern>(mm::MulOp::getOperationName(), &getContext(),
                                  counts);
    patterns.add<FormGeluPattern>(mm::DivOp::getOperationName(), &getContext(),
                                  counts);
    if (failed(
            applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
