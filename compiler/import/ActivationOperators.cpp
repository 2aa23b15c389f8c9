//===- ActivationOperators.cpp - Nonlinear functions ----------------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Node.h"

using namespace mlir;
using mmcc::mm::Shape;

namespace mmcc::import {

static Tensor zeroLike(Node &n, const Tensor &x) {
  return x ? n.scalar(0, x.elementType()) : Tensor();
}
static Tensor number(Node &n, const Tensor &x, double value) {
  return x ? n.scalar(value, x.elementType()) : Tensor();
}
static Tensor isPositive(Node &n, const Tensor &x) {
  return n.compare(mm::Predicate::GT, x, zeroLike(n, x));
}
/// exp(x) - 1
static Tensor expMinusOne(Node &n, const Tensor &x) {
  return n.add(n.unary<mm::ExpOp>(x), -1);
}

template <typename OpTy> static void importUnary(Node &n) {
  n.set(0, n.unary<OpTy>(n.required(0)));
}

static void importLeakyRelu(Node &n) {
  Tensor x = n.required(0);
  Tensor negative = n.mul(x, n.number("alpha", 0.01));
  n.set(0,
        n.select(n.compare(mm::Predicate::LT, x, zeroLike(n, x)), negative, x));
}

static void importPRelu(Node &n) {
  Tensor x = n.required(0), slope = n.required(1);
  n.set(0, n.select(n.compare(mm::Predicate::LT, x, zeroLike(n, x)),
                    n.mul(x, slope), x));
}

static void importElu(Node &n) {
  Tensor x = n.required(0);
  n.set(0, n.select(isPositive(n, x), x,
                    n.mul(expMinusOne(n, x), n.number("alpha", 1))));
}

static void importSelu(Node &n) {
  // The constants of Klambauer et al., 2017, as ONNX rounds them to f32.
  double alpha = n.number("alpha", 1.67326319217681884765625);
  double gamma = n.number("gamma", 1.05070102214813232421875);
  Tensor x = n.required(0);
  n.set(0, n.mul(n.select(isPositive(n, x), x, n.mul(expMinusOne(n, x), alpha)),
                 gamma));
}

static void importCelu(Node &n) {
  double alpha = n.number("alpha", 1);
  if (alpha == 0) {
    n.fail("alpha is zero");
    return;
  }
  Tensor x = n.required(0);
  Tensor scaled = x ? n.div(x, number(n, x, alpha)) : x;
  Tensor negative = n.mul(expMinusOne(n, scaled), alpha);
  n.set(0, n.add(n.max(x, zeroLike(n, x)), n.min(negative, zeroLike(n, x))));
}

/// max(0, min(1, alpha x + beta))
static Tensor hardSigmoid(Node &n, const Tensor &x, double alpha, double beta) {
  Tensor line = n.add(n.mul(x, alpha), beta);
  return n.max(n.min(line, number(n, x, 1)), zeroLike(n, x));
}
static void importHardSigmoid(Node &n) {
  double alpha = n.number("alpha", 0.2), beta = n.number("beta", 0.5);
  n.set(0, hardSigmoid(n, n.required(0), alpha, beta));
}
static void importHardSwish(Node &n) {
  Tensor x = n.required(0);
  n.set(0, n.mul(x, hardSigmoid(n, x, 1.0 / 6, 0.5)));
}

/// log(1 + exp(x)), written so that exp cannot overflow.
static Tensor softplus(Node &n, const Tensor &x) {
  Tensor small = n.unary<mm::ExpOp>(n.unary<mm::NegOp>(n.unary<mm::AbsOp>(x)));
  return n.add(n.max(x, zeroLike(n, x)), n.unary<mm::LogOp>(n.add(small, 1)));
}
static void importSoftplus(Node &n) { n.set(0, softplus(n, n.required(0))); }
static void importMish(Node &n) {
  Tensor x = n.required(0);
  n.set(0, n.mul(x, n.unary<mm::TanhOp>(softplus(n, x))));
}
static void importSoftsign(Node &n) {
  Tensor x = n.required(0);
  n.set(0, n.div(x, n.add(n.unary<mm::AbsOp>(x), 1)));
}

static void importThresholdedRelu(Node &n) {
  Tensor x = n.required(0), bound = number(n, x, n.number("alpha", 1));
  n.set(0, n.select(n.compare(mm::Predicate::GT, x, bound), x, zeroLike(n, x)));
}

static void importShrink(Node &n) {
  double lambda = n.number("lambd", 0.5), bias = n.number("bias", 0);
  Tensor x = n.required(0);
  if (x && !isFloat(x.elementType()) &&
      (!isWholeNumber(lambda) || !isWholeNumber(bias))) {
    n.fail("fractions for a tensor of integers are not supported");
    return;
  }
  if (x && isUnsigned(x.elementType()) && lambda < 0) {
    n.fail("a negative bound for unsigned integers is not supported");
    return;
  }
  Tensor above = n.compare(mm::Predicate::GT, x, number(n, x, lambda));
  Tensor result = n.select(above, n.add(x, -bias), zeroLike(n, x));
  // Unsigned integers are never below a bound that is not positive.
  if (x && isUnsigned(x.elementType())) {
    n.set(0, result);
    return;
  }
  Tensor below = n.compare(mm::Predicate::LT, x, number(n, x, -lambda));
  n.set(0, n.select(below, n.add(x, bias), result));
}

static void importSwish(Node &n) {
  double alpha = n.number("alpha", 1);
  Tensor x = n.required(0);
  n.set(0, alpha == 1 ? n.unary<mm::SiluOp>(x)
                      : n.mul(x, n.unary<mm::SigmoidOp>(n.mul(x, alpha))));
}

static void importGelu(Node &n) {
  std::string form = n.text("approximate", "none");
  Tensor x = n.required(0);
  if (form != "none" && form != "tanh")
    n.fail("approximate = '" + form + "' is neither none nor tanh");
  else
    n.set(0,
          n.gelu(x, form == "tanh" ? mm::GeluKind::Tanh : mm::GeluKind::Erf));
}

//===----------------------------------------------------------------------===//
// Along an axis
//===----------------------------------------------------------------------===//

/// Applies `body` to the axis of a softmax; before opset 13 the input counted
/// as a matrix that `axis` divides into rows and columns.
template <typename Body> static void alongAxis(Node &n, Body body) {
  Tensor x = n.required(0);
  bool old = n.opset() < 13;
  int64_t given = n.integer("axis", old ? 1 : -1);
  if (!x)
    return;
  Shape shape = x.shape();
  std::optional<int64_t> axis = n.axis(given, x.rank());
  if (!axis)
    return;
  bool onlyOne = llvm::all_of(ArrayRef(shape).drop_front(*axis + 1),
                              [](const mm::Dim &d) { return d.isConstant(1); });
  if (!old || onlyOne) {
    n.set(0, body(x, *axis));
    return;
  }
  Tensor matrix = n.reshape(
      x, {mm::product(n.context(), ArrayRef(shape).take_front(*axis)),
          mm::product(n.context(), ArrayRef(shape).drop_front(*axis))});
  if (matrix)
    n.set(0, n.reshape(body(matrix, 1), shape));
}

static void importSoftmax(Node &n) {
  alongAxis(n, [&](const Tensor &x, int64_t axis) {
    return n.softmax(x, axis, n.type() == "LogSoftmax");
  });
}

static void importHardmax(Node &n) {
  alongAxis(n, [&](const Tensor &x, int64_t axis) -> Tensor {
    Tensor first =
        n.emit<mm::ArgReduceOp>(x, {n.named("axis", axis), n.flag("keep", true),
                                    n.flag("largest", true)});
    Shape shape(x.rank(), n.dim(1));
    shape[axis] = x.dim(axis);
    Tensor index = n.reshape(n.iota(n.dim(0), 1, x.dim(axis)), shape);
    return n.castTo(n.compare(mm::Predicate::EQ, first, index),
                    x.elementType());
  });
}

ArrayRef<OperatorRow> activationOperators() {
  static const OperatorRow rows[] = {
      {"Relu", importUnary<mm::ReluOp>},
      {"Sigmoid", importUnary<mm::SigmoidOp>},
      {"LeakyRelu", importLeakyRelu},
      {"PRelu", importPRelu},
      {"Elu", importElu},
      {"Selu", importSelu},
      {"Celu", importCelu},
      {"HardSigmoid", importHardSigmoid},
      {"HardSwish", importHardSwish},
      {"Mish", importMish},
      {"Softplus", importSoftplus},
      {"Softsign", importSoftsign},
      {"ThresholdedRelu", importThresholdedRelu},
      {"Shrink", importShrink},
      {"Swish", importSwish},
      {"Gelu", importGelu},
      {"Softmax", importSoftmax},
      {"LogSoftmax", importSoftmax},
      {"Hardmax", importHardmax},
  };
  return rows;
}

} // namespace mmcc::import
