//===- BinaryFold.cpp - Folders of arithmetic, comparisons, selection -----===//

#include "dialects/mm/ConstantFold.h"
#include <cmath>

using namespace mlir;
using namespace mmcc::mm;

using FloatBinary =
    function_ref<std::optional<APFloat>(const APFloat &, const APFloat &)>;
using IntBinary = function_ref<std::optional<APInt>(
    const APInt &, const APInt &, bool isUnsigned)>;

static Attribute foldBinary(ArrayRef<Attribute> operands, Type type,
                            FloatBinary onFloat, IntBinary onInt) {
  return foldElementwise(
      operands, type, [&](ArrayRef<Attribute> e) -> Attribute {
        if (auto lhs = dyn_cast<FloatAttr>(e[0])) {
          auto rhs = dyn_cast<FloatAttr>(e[1]);
          if (!onFloat || !rhs || rhs.getType() != lhs.getType())
            return {};
          std::optional<APFloat> value =
              onFloat(lhs.getValue(), rhs.getValue());
          return value ? FloatAttr::get(lhs.getType(), *value) : FloatAttr();
        }
        auto lhs = cast<IntegerAttr>(e[0]);
        auto rhs = dyn_cast<IntegerAttr>(e[1]);
        if (!onInt || !rhs || rhs.getType() != lhs.getType())
          return {};
        std::optional<APInt> value = onInt(lhs.getValue(), rhs.getValue(),
                                           isUnsignedElement(lhs.getType()));
        return value ? IntegerAttr::get(lhs.getType(), *value) : IntegerAttr();
      });
}

/// x when `other` is the neutral element and does not widen the shape.
/// x + 0 is taken for x, although -0 + 0 is +0.
static Value neutral(Value x, Attribute other, double element, Type type) {
  return x.getType() == type && isSplatOf(other, element) ? x : Value();
}

static bool isIntegerType(Type type) {
  return cast<RankedTensorType>(type).getElementType().isInteger();
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

OpFoldResult AddOp::fold(FoldAdaptor adaptor) {
  if (Value x = neutral(getLhs(), adaptor.getRhs(), 0, getType()))
    return x;
  return foldBinary(
      adaptor.getOperands(), getType(),
      [](const APFloat &a, const APFloat &b) { return a + b; },
      [](const APInt &a, const APInt &b, bool) { return a + b; });
}

OpFoldResult SubOp::fold(FoldAdaptor adaptor) {
  if (Value x = neutral(getLhs(), adaptor.getRhs(), 0, getType()))
    return x;
  return foldBinary(
      adaptor.getOperands(), getType(),
      [](const APFloat &a, const APFloat &b) { return a - b; },
      [](const APInt &a, const APInt &b, bool) { return a - b; });
}

OpFoldResult MulOp::fold(FoldAdaptor adaptor) {
  if (Value x = neutral(getLhs(), adaptor.getRhs(), 1, getType()))
    return x;
  // 0 * x is 0 for integers only: a float x may be infinite or NaN.
  auto type = cast<RankedTensorType>(getType());
  if (isIntegerType(type) && type.hasStaticShape() &&
      isSplatOf(adaptor.getRhs(), 0))
    return DenseElementsAttr::get(type, getSplat(adaptor.getRhs()));
  return foldBinary(
      adaptor.getOperands(), type,
      [](const APFloat &a, const APFloat &b) { return a * b; },
      [](const APInt &a, const APInt &b, bool) { return a * b; });
}

/// Division by zero, and the one quotient that does not fit, stay.
static bool canDivide(const APInt &a, const APInt &b, bool isUnsigned) {
  return !b.isZero() &&
         (isUnsigned || !(a.isMinSignedValue() && b.isAllOnes()));
}

OpFoldResult DivOp::fold(FoldAdaptor adaptor) {
  if (Value x = neutral(getLhs(), adaptor.getRhs(), 1, getType()))
    return x;
  return foldBinary(
      adaptor.getOperands(), getType(),
      [](const APFloat &a, const APFloat &b) { return a / b; },
      [](const APInt &a, const APInt &b,
         bool isUnsigned) -> std::optional<APInt> {
        if (!canDivide(a, b, isUnsigned))
          return std::nullopt;
        return isUnsigned ? a.udiv(b) : a.sdiv(b);
      });
}

OpFoldResult ModOp::fold(FoldAdaptor adaptor) {
  return foldBinary(adaptor.getOperands(), getType(), nullptr,
                    [](const APInt &a, const APInt &b,
                       bool isUnsigned) -> std::optional<APInt> {
                      if (!canDivide(a, b, isUnsigned))
                        return std::nullopt;
                      if (isUnsigned)
                        return a.urem(b);
                      APInt rest = a.srem(b);
                      if (!rest.isZero() && rest.isNegative() != b.isNegative())
                        rest += b;
                      return rest;
                    });
}

OpFoldResult FModOp::fold(FoldAdaptor adaptor) {
  return foldBinary(
      adaptor.getOperands(), getType(),
      [](APFloat a, const APFloat &b) -> std::optional<APFloat> {
        a.mod(b);
        return a;
      },
      [](const APInt &a, const APInt &b,
         bool isUnsigned) -> std::optional<APInt> {
        if (!canDivide(a, b, isUnsigned))
          return std::nullopt;
        return isUnsigned ? a.urem(b) : a.srem(b);
      });
}

/// Exponents whose power is one exact operation; others belong to evaluate.
static std::optional<APFloat> exactPower(const APFloat &x, double exponent) {
  const llvm::fltSemantics &semantics = x.getSemantics();
  bool inexact;
  APFloat wide = x;
  wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
  if (exponent == 0)
    return APFloat::getOne(semantics);
  if (exponent == 1)
    return x;
  if (exponent == 2)
    return x * x;
  if (exponent == -1)
    return APFloat::getOne(semantics) / x;
  if (exponent == 0.5 && !x.isNegative() && !x.isNaN()) {
    APFloat root(std::sqrt(wide.convertToDouble()));
    root.convert(semantics, APFloat::rmNearestTiesToEven, &inexact);
    return root;
  }
  return std::nullopt;
}

OpFoldResult PowOp::fold(FoldAdaptor adaptor) {
  if (Value x = neutral(getLhs(), adaptor.getRhs(), 1, getType()))
    return x;
  return foldElementwise(
      adaptor.getOperands(), getType(), [](ArrayRef<Attribute> e) -> Attribute {
        double exponent;
        if (auto number = dyn_cast<FloatAttr>(e[1]))
          exponent = number.getValueAsDouble();
        else if (auto number = dyn_cast<IntegerAttr>(e[1]);
                 number && number.getValue().getSignificantBits() < 32)
          exponent = number.getValue().getSExtValue();
        else
          return {};
        if (auto base = dyn_cast<FloatAttr>(e[0])) {
          std::optional<APFloat> value = exactPower(base.getValue(), exponent);
          return value ? FloatAttr::get(base.getType(), *value) : FloatAttr();
        }
        auto base = cast<IntegerAttr>(e[0]);
        if (exponent < 0 || exponent > 64 || exponent != std::floor(exponent))
          return {};
        APInt power(base.getValue().getBitWidth(), 1);
        for (int i = 0; i < static_cast<int>(exponent); ++i)
          power *= base.getValue();
        return IntegerAttr::get(base.getType(), power);
      });
}

OpFoldResult MaxOp::fold(FoldAdaptor adaptor) {
  if (getLhs() == getRhs())
    return getLhs();
  if (Value x = neutral(getLhs(), adaptor.getRhs(), -INFINITY, getType()))
    return x;
  return foldBinary(
      adaptor.getOperands(), getType(),
      [](const APFloat &a, const APFloat &b) { return maximum(a, b); },
      [](const APInt &a, const APInt &b, bool isUnsigned) {
        return (isUnsigned ? a.ugt(b) : a.sgt(b)) ? a : b;
      });
}

OpFoldResult MinOp::fold(FoldAdaptor adaptor) {
  if (getLhs() == getRhs())
    return getLhs();
  if (Value x = neutral(getLhs(), adaptor.getRhs(), INFINITY, getType()))
    return x;
  return foldBinary(
      adaptor.getOperands(), getType(),
      [](const APFloat &a, const APFloat &b) { return minimum(a, b); },
      [](const APInt &a, const APInt &b, bool isUnsigned) {
        return (isUnsigned ? a.ult(b) : a.slt(b)) ? a : b;
      });
}

//===----------------------------------------------------------------------===//
// Bits
//===----------------------------------------------------------------------===//

static bool isAllOnes(Attribute constant) {
  auto number = dyn_cast_or_null<IntegerAttr>(getSplat(constant));
  return number && number.getValue().isAllOnes();
}

OpFoldResult AndOp::fold(FoldAdaptor adaptor) {
  if (getLhs() == getRhs() ||
      (getLhs().getType() == getType() && isAllOnes(adaptor.getRhs())))
    return getLhs();
  return foldBinary(adaptor.getOperands(), getType(), nullptr,
                    [](const APInt &a, const APInt &b, bool) { return a & b; });
}

OpFoldResult OrOp::fold(FoldAdaptor adaptor) {
  if (getLhs() == getRhs())
    return getLhs();
  if (Value x = neutral(getLhs(), adaptor.getRhs(), 0, getType()))
    return x;
  return foldBinary(adaptor.getOperands(), getType(), nullptr,
                    [](const APInt &a, const APInt &b, bool) { return a | b; });
}

OpFoldResult XorOp::fold(FoldAdaptor adaptor) {
  if (Value x = neutral(getLhs(), adaptor.getRhs(), 0, getType()))
    return x;
  return foldBinary(adaptor.getOperands(), getType(), nullptr,
                    [](const APInt &a, const APInt &b, bool) { return a ^ b; });
}

/// Shifting by the width or more is undefined in the language.
static OpFoldResult foldShift(Value lhs, ArrayRef<Attribute> operands,
                              Type type, bool left) {
  if (Value x = neutral(lhs, operands[1], 0, type))
    return x;
  return foldBinary(
      operands, type, nullptr,
      [&](const APInt &a, const APInt &b, bool) -> std::optional<APInt> {
        if (b.uge(a.getBitWidth()))
          return std::nullopt;
        return left ? a.shl(b) : a.lshr(b);
      });
}
OpFoldResult ShlOp::fold(FoldAdaptor adaptor) {
  return foldShift(getLhs(), adaptor.getOperands(), getType(), true);
}
OpFoldResult ShrOp::fold(FoldAdaptor adaptor) {
  return foldShift(getLhs(), adaptor.getOperands(), getType(), false);
}

//===----------------------------------------------------------------------===//
// Comparison and selection
//===----------------------------------------------------------------------===//

OpFoldResult CompareOp::fold(FoldAdaptor adaptor) {
  Predicate predicate = getPredicate();
  Type boolean = IntegerType::get(getContext(), 1);
  auto decide = [&](int order) {
    switch (predicate) {
    case Predicate::EQ:
      return order == 0;
    case Predicate::NE:
      return order != 0;
    case Predicate::LT:
      return order < 0;
    case Predicate::LE:
      return order <= 0;
    case Predicate::GT:
      return order > 0;
    case Predicate::GE:
      return order >= 0;
    }
    llvm_unreachable("all predicates are handled");
  };
  return foldElementwise(
      adaptor.getOperands(), getType(),
      [&](ArrayRef<Attribute> e) -> Attribute {
        if (auto lhs = dyn_cast<FloatAttr>(e[0])) {
          APFloat::cmpResult order =
              lhs.getValue().compare(cast<FloatAttr>(e[1]).getValue());
          if (order == APFloat::cmpUnordered)
            return IntegerAttr::get(boolean, predicate == Predicate::NE);
          return IntegerAttr::get(boolean,
                                  decide(order == APFloat::cmpEqual      ? 0
                                         : order == APFloat::cmpLessThan ? -1
                                                                         : 1));
        }
        APInt a = cast<IntegerAttr>(e[0]).getValue();
        APInt b = cast<IntegerAttr>(e[1]).getValue();
        bool less = isUnsignedElement(cast<IntegerAttr>(e[0]).getType())
                        ? a.ult(b)
                        : a.slt(b);
        return IntegerAttr::get(boolean, decide(a == b ? 0 : less ? -1 : 1));
      });
}

OpFoldResult SelectOp::fold(FoldAdaptor adaptor) {
  if (getOnTrue() == getOnFalse() && getOnTrue().getType() == getType())
    return getOnTrue();
  if (Attribute condition = getSplat(adaptor.getCondition())) {
    Value taken = cast<IntegerAttr>(condition).getValue().isZero()
                      ? getOnFalse()
                      : getOnTrue();
    if (taken.getType() == getType())
      return taken;
  }
  return foldElementwise(
      adaptor.getOperands(), getType(), [](ArrayRef<Attribute> e) {
        return cast<IntegerAttr>(e[0]).getValue().isZero() ? e[2] : e[1];
      });
}
