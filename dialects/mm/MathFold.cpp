//===- MathFold.cpp - Folders of elementwise maths ------------------------===//

#include "dialects/mm/ConstantFold.h"
#include "llvm/ADT/APSInt.h"
#include <cmath>

using namespace mlir;
using namespace mmcc::mm;

//===----------------------------------------------------------------------===//
// One operand
//===----------------------------------------------------------------------===//

using FloatUnary = function_ref<std::optional<APFloat>(APFloat)>;
using IntUnary = function_ref<std::optional<APInt>(APInt, bool isUnsigned)>;

static Attribute foldUnary(Attribute input, Type type, FloatUnary onFloat,
                           IntUnary onInt) {
  return foldElementwise(input, type, [&](ArrayRef<Attribute> e) -> Attribute {
    if (auto number = dyn_cast<FloatAttr>(e[0])) {
      std::optional<APFloat> value =
          onFloat ? onFloat(number.getValue()) : std::nullopt;
      return value ? FloatAttr::get(number.getType(), *value) : FloatAttr();
    }
    auto number = cast<IntegerAttr>(e[0]);
    std::optional<APInt> value =
        onInt ? onInt(number.getValue(), isUnsignedElement(number.getType()))
              : std::nullopt;
    return value ? IntegerAttr::get(number.getType(), *value) : IntegerAttr();
  });
}

/// Computes in double and rounds once: exact for roots of narrower types.
static APFloat inDouble(const APFloat &x, double (*f)(double)) {
  bool inexact;
  APFloat wide = x;
  wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
  APFloat result(f(wide.convertToDouble()));
  result.convert(x.getSemantics(), APFloat::rmNearestTiesToEven, &inexact);
  return result;
}

static APFloat roundTo(APFloat x, APFloat::roundingMode mode) {
  x.roundToIntegral(mode);
  return x;
}

/// Rounding leaves an integer as it is.
static OpFoldResult foldRounding(Value input, Attribute constant,
                                 APFloat::roundingMode mode) {
  auto type = cast<RankedTensorType>(input.getType());
  if (type.getElementType().isInteger())
    return input;
  return foldUnary(
      constant, type, [&](APFloat x) { return roundTo(x, mode); }, nullptr);
}

OpFoldResult AbsOp::fold(FoldAdaptor adaptor) {
  if (getInput().getDefiningOp<AbsOp>())
    return getInput();
  return foldUnary(
      adaptor.getInput(), getType(),
      [](APFloat x) {
        x.clearSign();
        return x;
      },
      [](APInt x, bool isUnsigned) { return isUnsigned ? x : x.abs(); });
}

OpFoldResult NegOp::fold(FoldAdaptor adaptor) {
  if (auto inner = getInput().getDefiningOp<NegOp>())
    return inner.getInput();
  return foldUnary(
      adaptor.getInput(), getType(), [](APFloat x) { return neg(x); },
      [](APInt x, bool) { return -x; });
}

OpFoldResult NotOp::fold(FoldAdaptor adaptor) {
  if (auto inner = getInput().getDefiningOp<NotOp>())
    return inner.getInput();
  return foldUnary(adaptor.getInput(), getType(), nullptr,
                   [](APInt x, bool) { return ~x; });
}

OpFoldResult SqrtOp::fold(FoldAdaptor adaptor) {
  return foldUnary(
      adaptor.getInput(), getType(),
      [](APFloat x) { return inDouble(x, std::sqrt); }, nullptr);
}

OpFoldResult RsqrtOp::fold(FoldAdaptor adaptor) {
  return foldUnary(
      adaptor.getInput(), getType(),
      [](APFloat x) {
        return inDouble(x, [](double v) { return 1.0 / std::sqrt(v); });
      },
      nullptr);
}

OpFoldResult ReciprocalOp::fold(FoldAdaptor adaptor) {
  return foldUnary(
      adaptor.getInput(), getType(),
      [](APFloat x) { return APFloat::getOne(x.getSemantics()) / x; }, nullptr);
}

OpFoldResult ReluOp::fold(FoldAdaptor adaptor) {
  if (getInput().getDefiningOp<ReluOp>())
    return getInput();
  return foldUnary(
      adaptor.getInput(), getType(),
      [](APFloat x) { return maximum(x, APFloat::getZero(x.getSemantics())); },
      [](APInt x, bool isUnsigned) {
        return !isUnsigned && x.isNegative() ? APInt::getZero(x.getBitWidth())
                                             : x;
      });
}

OpFoldResult CeilOp::fold(FoldAdaptor adaptor) {
  return foldRounding(getInput(), adaptor.getInput(),
                      APFloat::rmTowardPositive);
}
OpFoldResult FloorOp::fold(FoldAdaptor adaptor) {
  return foldRounding(getInput(), adaptor.getInput(),
                      APFloat::rmTowardNegative);
}
OpFoldResult RoundOp::fold(FoldAdaptor adaptor) {
  return foldRounding(getInput(), adaptor.getInput(),
                      APFloat::rmNearestTiesToEven);
}

OpFoldResult SignOp::fold(FoldAdaptor adaptor) {
  return foldUnary(
      adaptor.getInput(), getType(),
      [](APFloat x) {
        APFloat one = APFloat::getOne(x.getSemantics());
        return x.isZero() || x.isNaN() ? x : x.isNegative() ? neg(one) : one;
      },
      [](APInt x, bool isUnsigned) {
        unsigned width = x.getBitWidth();
        if (x.isZero())
          return x;
        return !isUnsigned && x.isNegative() ? APInt::getAllOnes(width)
                                             : APInt(width, 1);
      });
}

static Attribute foldPredicate(Attribute input, Type type,
                               function_ref<bool(const APFloat &)> test) {
  auto element = cast<RankedTensorType>(type).getElementType();
  return foldElementwise(input, type, [&](ArrayRef<Attribute> e) -> Attribute {
    auto number = dyn_cast<FloatAttr>(e[0]);
    return IntegerAttr::get(element, number && test(number.getValue()));
  });
}

OpFoldResult IsNaNOp::fold(FoldAdaptor adaptor) {
  return foldPredicate(adaptor.getInput(), getType(),
                       [](const APFloat &x) { return x.isNaN(); });
}
OpFoldResult IsInfOp::fold(FoldAdaptor adaptor) {
  return foldPredicate(adaptor.getInput(), getType(),
                       [](const APFloat &x) { return x.isInfinity(); });
}

// Transcendental functions are left to the evaluate stage, whose kernels give
// one answer on every build host; a libm does not.
#define MMCC_NOT_FOLDED(OP)                                                    \
  OpFoldResult OP::fold(FoldAdaptor) { return {}; }
MMCC_NOT_FOLDED(ExpOp)
MMCC_NOT_FOLDED(LogOp)
MMCC_NOT_FOLDED(ErfOp)
MMCC_NOT_FOLDED(SinOp)
MMCC_NOT_FOLDED(CosOp)
MMCC_NOT_FOLDED(TanOp)
MMCC_NOT_FOLDED(AsinOp)
MMCC_NOT_FOLDED(AcosOp)
MMCC_NOT_FOLDED(AtanOp)
MMCC_NOT_FOLDED(SinhOp)
MMCC_NOT_FOLDED(CoshOp)
MMCC_NOT_FOLDED(TanhOp)
MMCC_NOT_FOLDED(AsinhOp)
MMCC_NOT_FOLDED(AcoshOp)
MMCC_NOT_FOLDED(AtanhOp)
MMCC_NOT_FOLDED(SigmoidOp)
MMCC_NOT_FOLDED(SiluOp)
#undef MMCC_NOT_FOLDED

//===----------------------------------------------------------------------===//
// Casts
//===----------------------------------------------------------------------===//

/// One element in another type; null where the language says nothing (a float
/// outside the integer's range) or saturation decides (8-bit floats).
static Attribute castElement(Attribute element, Type to) {
  auto number = dyn_cast<FloatAttr>(element);
  if (auto floatType = dyn_cast<FloatType>(to)) {
    if (floatType.getWidth() <= 8)
      return {};
    APFloat value(floatType.getFloatSemantics());
    if (number) {
      bool inexact;
      value = number.getValue();
      value.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                    &inexact);
    } else {
      auto integer = cast<IntegerAttr>(element);
      value.convertFromAPInt(integer.getValue(),
                             !isUnsignedElement(integer.getType()),
                             APFloat::rmNearestTiesToEven);
    }
    return FloatAttr::get(to, value);
  }
  unsigned width = to.getIntOrFloatBitWidth();
  if (number) {
    if (to.isInteger(1))
      return IntegerAttr::get(to, !number.getValue().isZero());
    APSInt value(width, isUnsignedElement(to));
    bool exact;
    APFloat::opStatus status = number.getValue().convertToInteger(
        value, APFloat::rmTowardZero, &exact);
    if (status & APFloat::opInvalidOp)
      return {};
    return IntegerAttr::get(to, value);
  }
  auto integer = cast<IntegerAttr>(element);
  if (to.isInteger(1))
    return IntegerAttr::get(to, !integer.getValue().isZero());
  return IntegerAttr::get(to, isUnsignedElement(integer.getType())
                                  ? integer.getValue().zextOrTrunc(width)
                                  : integer.getValue().sextOrTrunc(width));
}

OpFoldResult CastOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getResult().getType())
    return getInput();
  Type element = cast<RankedTensorType>(getResult().getType()).getElementType();
  return foldElementwise(
      adaptor.getInput(), getResult().getType(),
      [&](ArrayRef<Attribute> e) { return castElement(e[0], element); });
}
