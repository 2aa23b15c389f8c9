//===- ArithmeticOperators.cpp - Elementwise maths, logic, types ----------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Node.h"
#include <limits>

using namespace mlir;

namespace mmcc::import {

template <typename OpTy> static void importUnary(Node &n) {
  n.set(0, n.unary<OpTy>(n.required(0)));
}

template <typename OpTy> static void importBinary(Node &n) {
  Tensor a = n.required(0), b = n.required(1);
  n.set(0, n.binary<OpTy>(a, b));
}

/// Sum, Max, Min: any number of inputs.
template <typename OpTy> static void importVariadic(Node &n) {
  Tensor result = n.required(0);
  for (size_t i = 1; i < n.inputCount(); ++i)
    result = n.binary<OpTy>(result, n.required(i));
  n.set(0, result);
}

static void importMean(Node &n) {
  Tensor sum = n.required(0);
  for (size_t i = 1; i < n.inputCount(); ++i)
    sum = n.add(sum, n.required(i));
  if (sum)
    n.set(0, n.div(sum, n.scalar(n.inputCount(), sum.elementType())));
}

template <mm::Predicate predicate> static void importCompare(Node &n) {
  Tensor a = n.required(0), b = n.required(1);
  n.set(0, n.compare(predicate, a, b));
}

static void importMod(Node &n) {
  bool likeC = n.integer("fmod", 0) != 0;
  Tensor a = n.required(0), b = n.required(1);
  if (a && isFloat(a.elementType()) && !likeC)
    n.fail("fmod = 0 is for integers");
  n.set(0, likeC ? n.binary<mm::FModOp>(a, b) : n.binary<mm::ModOp>(a, b));
}

static void importPow(Node &n) {
  Tensor base = n.required(0), exponent = n.required(1);
  if (!base || !exponent)
    return;
  Type type = base.elementType();
  if (exponent.elementType() == type) {
    n.set(0, n.binary<mm::PowOp>(base, exponent));
    return;
  }
  // The exponent takes the base's type if that holds it: always for a float
  // base; an integer base to a float power is a float calculation.
  if (isFloat(type)) {
    n.set(0, n.binary<mm::PowOp>(base, n.castTo(exponent, type)));
  } else if (isFloat(exponent.elementType())) {
    n.set(0, n.castTo(n.binary<mm::PowOp>(
                          n.castTo(base, exponent.elementType()), exponent),
                      type));
  } else {
    n.set(0, n.binary<mm::PowOp>(base, n.castTo(exponent, type)));
  }
}

/// Signed integers keep their sign: the complement of a negative one is not
/// negative, and for that the logical shift is the arithmetic one.
static Tensor shiftRight(Node &n, const Tensor &a, const Tensor &b) {
  Tensor shifted = n.binary<mm::ShrOp>(a, b);
  if (!shifted || isUnsigned(a.elementType()))
    return shifted;
  Tensor negative =
      n.compare(mm::Predicate::LT, a, n.scalar(0, a.elementType()));
  Tensor complement = n.binary<mm::ShrOp>(n.unary<mm::NotOp>(a), b);
  return n.select(negative, n.unary<mm::NotOp>(complement), shifted);
}

static void importBitShift(Node &n) {
  std::string direction = n.text("direction", "");
  Tensor a = n.required(0), b = n.required(1);
  if (direction == "LEFT")
    n.set(0, n.binary<mm::ShlOp>(a, b));
  else if (direction == "RIGHT")
    n.set(0, shiftRight(n, a, b));
  else
    n.fail("direction '" + direction + "' is neither LEFT nor RIGHT");
}

static void importIsInf(Node &n) {
  Tensor x = n.required(0);
  bool negative = n.integer("detect_negative", 1) != 0;
  bool positive = n.integer("detect_positive", 1) != 0;
  if (!x)
    return;
  if (positive && negative) {
    n.set(0, n.unary<mm::IsInfOp>(x));
    return;
  }
  double bound = std::numeric_limits<double>::infinity();
  if (!positive && !negative)
    n.set(0, n.broadcast(n.scalar(0, IntegerType::get(n.context(), 1)),
                         x.shape()));
  else
    n.set(0, n.compare(mm::Predicate::EQ, x,
                       n.scalar(positive ? bound : -bound, x.elementType())));
}

static void importWhere(Node &n) {
  Tensor condition = n.required(0), a = n.required(1), b = n.required(2);
  n.set(0, n.select(condition, a, b));
}

static void importClip(Node &n) {
  Tensor x = n.required(0), low = n.input(1), high = n.input(2);
  if (!x)
    return;
  if (n.hasAttribute("min"))
    low = n.scalar(n.number("min", 0), x.elementType());
  if (n.hasAttribute("max"))
    high = n.scalar(n.number("max", 0), x.elementType());
  if (low)
    x = n.max(x, n.reshape(low, {}));
  if (high)
    x = n.min(x, n.reshape(high, {}));
  n.set(0, x);
}

static bool isEightBitFloat(Type type) {
  return isFloat(type) && type.getIntOrFloatBitWidth() == 8;
}

static void castResult(Node &n, const Tensor &x, Type type) {
  bool saturate = n.integer("saturate", 1) != 0;
  // Only float8e8m0, which has no mm type, is rounded as this says.
  n.ignore({"round_mode"});
  if (!x)
    return;
  n.set(0, n.castTo(x, type, saturate || !isEightBitFloat(type)));
}

static void importCast(Node &n) {
  int64_t to = n.integer("to", 0);
  Type type = elementTypeFor(to, n.context());
  if (!type)
    n.fail("type " + dataTypeName(to) + " is not supported");
  else
    castResult(n, n.required(0), type);
}

static void importCastLike(Node &n) {
  Tensor x = n.required(0), like = n.required(1);
  if (like)
    castResult(n, x, like.elementType());
}

ArrayRef<OperatorRow> arithmeticOperators() {
  static const OperatorRow rows[] = {
      {"Abs", importUnary<mm::AbsOp>},
      {"Neg", importUnary<mm::NegOp>},
      {"Exp", importUnary<mm::ExpOp>},
      {"Log", importUnary<mm::LogOp>},
      {"Sqrt", importUnary<mm::SqrtOp>},
      {"Reciprocal", importUnary<mm::ReciprocalOp>},
      {"Erf", importUnary<mm::ErfOp>},
      {"Sin", importUnary<mm::SinOp>},
      {"Cos", importUnary<mm::CosOp>},
      {"Tan", importUnary<mm::TanOp>},
      {"Asin", importUnary<mm::AsinOp>},
      {"Acos", importUnary<mm::AcosOp>},
      {"Atan", importUnary<mm::AtanOp>},
      {"Sinh", importUnary<mm::SinhOp>},
      {"Cosh", importUnary<mm::CoshOp>},
      {"Tanh", importUnary<mm::TanhOp>},
      {"Asinh", importUnary<mm::AsinhOp>},
      {"Acosh", importUnary<mm::AcoshOp>},
      {"Atanh", importUnary<mm::AtanhOp>},
      {"Ceil", importUnary<mm::CeilOp>},
      {"Floor", importUnary<mm::FloorOp>},
      {"Round", importUnary<mm::RoundOp>},
      {"Sign", importUnary<mm::SignOp>},
      {"Not", importUnary<mm::NotOp>},
      {"BitwiseNot", importUnary<mm::NotOp>},
      {"IsNaN", importUnary<mm::IsNaNOp>},
      {"IsInf", importIsInf},
      {"Add", importBinary<mm::AddOp>},
      {"Sub", importBinary<mm::SubOp>},
      {"Mul", importBinary<mm::MulOp>},
      {"Div", importBinary<mm::DivOp>},
      {"Mod", importMod},
      {"Pow", importPow},
      {"And", importBinary<mm::AndOp>},
      {"Or", importBinary<mm::OrOp>},
      {"Xor", importBinary<mm::XorOp>},
      {"BitwiseAnd", importBinary<mm::AndOp>},
      {"BitwiseOr", importBinary<mm::OrOp>},
      {"BitwiseXor", importBinary<mm::XorOp>},
      {"BitShift", importBitShift},
      {"Sum", importVariadic<mm::AddOp>},
      {"Max", importVariadic<mm::MaxOp>},
      {"Min", importVariadic<mm::MinOp>},
      {"Mean", importMean},
      {"Equal", importCompare<mm::Predicate::EQ>},
      {"Less", importCompare<mm::Predicate::LT>},
      {"LessOrEqual", importCompare<mm::Predicate::LE>},
      {"Greater", importCompare<mm::Predicate::GT>},
      {"GreaterOrEqual", importCompare<mm::Predicate::GE>},
      {"Where", importWhere},
      {"Clip", importClip},
      {"Cast", importCast},
      {"CastLike", importCastLike},
  };
  return rows;
}

} // namespace mmcc::import
