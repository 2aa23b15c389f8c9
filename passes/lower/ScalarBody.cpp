//===- ScalarBody.cpp - Elementwise operations as scalar arithmetic -------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/Kernel.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;

namespace mmcc::lower {

Type scalarType(Type elementType) {
  if (auto integer = dyn_cast<IntegerType>(elementType))
    return IntegerType::get(elementType.getContext(), integer.getWidth());
  return elementType;
}

namespace {

/// Scalar arithmetic on values of one type.
struct Scalar {
  OpBuilder &b;
  Location loc;
  Type type;
  bool isUnsigned;

  bool isFloat() const { return isa<FloatType>(type); }

  Value constant(double value) {
    if (auto floatType = dyn_cast<FloatType>(type))
      return b.create<arith::ConstantOp>(loc, b.getFloatAttr(type, value));
    return b.create<arith::ConstantOp>(
        loc, b.getIntegerAttr(type, static_cast<int64_t>(value)));
  }
  Value add(Value x, Value y) {
    if (isFloat())
      return b.create<arith::AddFOp>(loc, x, y);
    return b.create<arith::AddIOp>(loc, x, y);
  }
  Value sub(Value x, Value y) {
    if (isFloat())
      return b.create<arith::SubFOp>(loc, x, y);
    return b.create<arith::SubIOp>(loc, x, y);
  }
  Value mul(Value x, Value y) {
    if (isFloat())
      return b.create<arith::MulFOp>(loc, x, y);
    return b.create<arith::MulIOp>(loc, x, y);
  }
  Value div(Value x, Value y) {
    if (isFloat())
      return b.create<arith::DivFOp>(loc, x, y);
    if (isUnsigned)
      return b.create<arith::DivUIOp>(loc, x, y);
    return b.create<arith::DivSIOp>(loc, x, y);
  }
  Value rem(Value x, Value y) {
    if (isFloat())
      return b.create<arith::RemFOp>(loc, x, y);
    if (isUnsigned)
      return b.create<arith::RemUIOp>(loc, x, y);
    return b.create<arith::RemSIOp>(loc, x, y);
  }
  Value compare(mm::Predicate predicate, Value x, Value y) {
    using F = arith::CmpFPredicate;
    using I = arith::CmpIPredicate;
    static constexpr F floats[] = {F::OEQ, F::UNE, F::OLT,
                                   F::OLE, F::OGT, F::OGE};
    static constexpr I sints[] = {I::eq, I::ne, I::slt, I::sle, I::sgt, I::sge};
    static constexpr I uints[] = {I::eq, I::ne, I::ult, I::ule, I::ugt, I::uge};
    unsigned index = static_cast<unsigned>(predicate);
    if (isFloat())
      return b.create<arith::CmpFOp>(loc, floats[index], x, y);
    return b.create<arith::CmpIOp>(
        loc, isUnsigned || type.isInteger(1) ? uints[index] : sints[index], x,
        y);
  }
  Value select(Value condition, Value x, Value y) {
    return b.create<arith::SelectOp>(loc, condition, x, y);
  }
  Value less(Value x, Value y) { return compare(mm::Predicate::LT, x, y); }
  Value maximum(Value x, Value y) {
    if (isFloat())
      return b.create<arith::MaximumFOp>(loc, x, y);
    return select(less(x, y), y, x);
  }
  Value minimum(Value x, Value y) {
    if (isFloat())
      return b.create<arith::MinimumFOp>(loc, x, y);
    return select(less(y, x), y, x);
  }
  Value neg(Value x) {
    if (isFloat())
      return b.create<arith::NegFOp>(loc, x);
    return sub(constant(0), x);
  }
  Value sigmoid(Value x) {
    return div(constant(1),
               add(constant(1), b.create<math::ExpOp>(loc, neg(x))));
  }
  /// Remainder with the sign of the divisor.
  Value pythonMod(Value x, Value y) {
    Value r = rem(x, y);
    if (isUnsigned)
      return r;
    Value zero = constant(0);
    Value signsDiffer =
        b.create<arith::XOrIOp>(loc, less(r, zero), less(y, zero));
    Value fix = b.create<arith::AndIOp>(
        loc, compare(mm::Predicate::NE, r, zero), signsDiffer);
    return select(fix, add(r, y), r);
  }
  Value gelu(mm::GeluKind kind, Value x) {
    if (kind == mm::GeluKind::Quick)
      return mul(x, sigmoid(mul(x, constant(1.702))));
    Value half = mul(x, constant(0.5));
    Value inner;
    if (kind == mm::GeluKind::Erf) {
      inner = b.create<math::ErfOp>(loc, mul(x, constant(M_SQRT1_2)));
    } else {
      Value cube = mul(mul(x, x), x);
      inner = b.create<math::TanhOp>(
          loc, mul(constant(std::sqrt(2.0 / M_PI)),
                   add(x, mul(constant(0.044715), cube))));
    }
    return mul(half, add(constant(1), inner));
  }
  /// Integer power by squaring; the exponent is non-negative or the result 0
  /// (1 and -1 keep theirs), as numpy's truncation gives.
  Value integerPow(Value base, Value exponent) {
    Value one = constant(1), result = one, power = base, e = exponent;
    for (unsigned bit = 0; bit < std::min(type.getIntOrFloatBitWidth(), 6u);
         ++bit) {
      Value odd = compare(mm::Predicate::NE,
                          b.create<arith::AndIOp>(loc, e, one), constant(0));
      result = select(odd, mul(result, power), result);
      power = mul(power, power);
      e = b.create<arith::ShRUIOp>(loc, e, one);
    }
    return result;
  }
  /// Shift with amounts past the width giving zero.
  template <typename Op> Value shift(Value x, Value amount) {
    Value width = constant(type.getIntOrFloatBitWidth());
    Value tooFar =
        b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::uge, amount, width);
    Value safe = select(tooFar, constant(0), amount);
    return select(tooFar, constant(0), b.create<Op>(loc, x, safe));
  }
};

template <typename MathOp> Value unary(Scalar &s, ArrayRef<Value> args) {
  return s.b.create<MathOp>(s.loc, args[0]);
}

} // namespace

Value emitScalar(OpBuilder &b, Location loc, Operation *op,
                 ArrayRef<Value> args) {
  // The type that decides is the first data operand's.
  unsigned decisive = isa<mm::SelectOp>(op) ? 1 : 0;
  Type element = cast<RankedTensorType>(op->getOperand(decisive).getType())
                     .getElementType();
  Scalar s{b, loc, args[decisive].getType(), element.isUnsignedInteger()};
  Value x = args[0], y = args.size() > 1 ? args[1] : Value();
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<mm::QuantizeOp>([&](mm::QuantizeOp op) -> Value {
        // Conversion to floats of 8 bits rounds and clamps.
        if (op.getIsFloat())
          return b.create<arith::TruncFOp>(loc, b.getFloat8E4M3FNType(),
                                           s.div(x, y));
        bool isUnsigned = op.getIsUnsigned();
        Value number = b.create<math::RoundEvenOp>(loc, s.div(x, y));
        if (op.getZero())
          number = s.add(number, args[2]);
        number = s.maximum(number, s.constant(isUnsigned ? 0 : -128));
        number = s.minimum(number, s.constant(isUnsigned ? 255 : 127));
        // Through 32 bits: every level converts to those in one instruction.
        return b.create<arith::TruncIOp>(
            loc, b.getI8Type(),
            b.create<arith::FPToSIOp>(loc, b.getI32Type(), number));
      })
      .Case<mm::AddOp>([&](auto) { return s.add(x, y); })
      .Case<mm::SubOp>([&](auto) { return s.sub(x, y); })
      .Case<mm::MulOp>([&](auto) { return s.mul(x, y); })
      .Case<mm::DivOp>([&](auto) { return s.div(x, y); })
      .Case<mm::ModOp>([&](auto) { return s.pythonMod(x, y); })
      .Case<mm::FModOp>([&](auto) { return s.rem(x, y); })
      .Case<mm::PowOp>([&](auto) -> Value {
        if (s.isFloat())
          return b.create<math::PowFOp>(loc, x, y);
        return s.integerPow(x, y);
      })
      .Case<mm::MaxOp>([&](auto) { return s.maximum(x, y); })
      .Case<mm::MinOp>([&](auto) { return s.minimum(x, y); })
      .Case<mm::AndOp>([&](auto) { return b.create<arith::AndIOp>(loc, x, y); })
      .Case<mm::OrOp>([&](auto) { return b.create<arith::OrIOp>(loc, x, y); })
      .Case<mm::XorOp>([&](auto) { return b.create<arith::XOrIOp>(loc, x, y); })
      .Case<mm::ShlOp>([&](auto) { return s.shift<arith::ShLIOp>(x, y); })
      .Case<mm::ShrOp>([&](auto) { return s.shift<arith::ShRUIOp>(x, y); })
      .Case<mm::CompareOp>(
          [&](auto op) { return s.compare(op.getPredicate(), x, y); })
      .Case<mm::SelectOp>([&](auto) { return s.select(x, y, args[2]); })
      .Case<mm::AbsOp>([&](auto) -> Value {
        if (s.isFloat())
          return b.create<math::AbsFOp>(loc, x);
        return s.isUnsigned ? x : s.maximum(x, s.neg(x));
      })
      .Case<mm::NegOp>([&](auto) { return s.neg(x); })
      .Case<mm::SqrtOp>([&](auto) { return unary<math::SqrtOp>(s, args); })
      .Case<mm::RsqrtOp>([&](auto) {
        return s.div(s.constant(1), b.create<math::SqrtOp>(loc, x));
      })
      .Case<mm::ReciprocalOp>([&](auto) { return s.div(s.constant(1), x); })
      .Case<mm::ExpOp>([&](auto) { return unary<math::ExpOp>(s, args); })
      .Case<mm::LogOp>([&](auto) { return unary<math::LogOp>(s, args); })
      .Case<mm::ErfOp>([&](auto) { return unary<math::ErfOp>(s, args); })
      .Case<mm::SinOp>([&](auto) { return unary<math::SinOp>(s, args); })
      .Case<mm::CosOp>([&](auto) { return unary<math::CosOp>(s, args); })
      .Case<mm::TanOp>([&](auto) { return unary<math::TanOp>(s, args); })
      .Case<mm::AsinOp>([&](auto) { return unary<math::AsinOp>(s, args); })
      .Case<mm::AcosOp>([&](auto) { return unary<math::AcosOp>(s, args); })
      .Case<mm::AtanOp>([&](auto) { return unary<math::AtanOp>(s, args); })
      .Case<mm::SinhOp>([&](auto) { return unary<math::SinhOp>(s, args); })
      .Case<mm::CoshOp>([&](auto) { return unary<math::CoshOp>(s, args); })
      .Case<mm::TanhOp>([&](auto) { return unary<math::TanhOp>(s, args); })
      .Case<mm::AsinhOp>([&](auto) { return unary<math::AsinhOp>(s, args); })
      .Case<mm::AcoshOp>([&](auto) { return unary<math::AcoshOp>(s, args); })
      .Case<mm::AtanhOp>([&](auto) { return unary<math::AtanhOp>(s, args); })
      .Case<mm::SigmoidOp>([&](auto) { return s.sigmoid(x); })
      .Case<mm::SiluOp>([&](auto) { return s.mul(x, s.sigmoid(x)); })
      .Case<mm::GeluOp>([&](auto op) { return s.gelu(op.getKind(), x); })
      .Case<mm::ReluOp>([&](auto) { return s.maximum(x, s.constant(0)); })
      .Case<mm::CeilOp>([&](auto) { return unary<math::CeilOp>(s, args); })
      .Case<mm::FloorOp>([&](auto) { return unary<math::FloorOp>(s, args); })
      .Case<mm::RoundOp>(
          [&](auto) { return unary<math::RoundEvenOp>(s, args); })
      .Case<mm::SignOp>([&](auto) -> Value {
        Value zero = s.constant(0);
        Value sign = s.select(s.less(zero, x), s.constant(1), zero);
        if (s.isUnsigned)
          return sign;
        sign = s.select(s.less(x, zero), s.constant(-1), sign);
        if (!s.isFloat())
          return sign;
        return s.select(s.compare(mm::Predicate::NE, x, x), x, sign);
      })
      .Case<mm::NotOp>([&](auto) -> Value {
        Value ones = b.create<arith::ConstantOp>(
            loc, b.getIntegerAttr(s.type, s.type.isInteger(1) ? 1 : -1));
        return b.create<arith::XOrIOp>(loc, x, ones);
      })
      .Case<mm::IsNaNOp>(
          [&](auto) { return s.compare(mm::Predicate::NE, x, x); })
      .Case<mm::IsInfOp>([&](auto) {
        return s.compare(mm::Predicate::EQ, b.create<math::AbsFOp>(loc, x),
                         s.constant(INFINITY));
      })
      .Default([](Operation *) { return Value(); });
}

Value emitCast(OpBuilder &b, Location loc, Value value, Type from, Type to) {
  Type fromScalar = scalarType(from), toScalar = scalarType(to);
  if (from == to || fromScalar == toScalar)
    return value;
  bool fromFloat = isa<FloatType>(from), toFloat = isa<FloatType>(to);
  unsigned fromBits = from.getIntOrFloatBitWidth();
  unsigned toBits = to.getIntOrFloatBitWidth();
  if (to.isInteger(1)) {
    Scalar s{b, loc, value.getType(), from.isUnsignedInteger()};
    return s.compare(mm::Predicate::NE, value, s.constant(0));
  }
  bool fromUnsigned = from.isUnsignedInteger() || from.isInteger(1);
  if (fromFloat && toFloat) {
    // Formats of equal width (f16, bf16) meet in f32.
    if (fromBits == toBits)
      return b.create<arith::TruncFOp>(
          loc, to, b.create<arith::ExtFOp>(loc, b.getF32Type(), value));
    if (fromBits < toBits)
      return b.create<arith::ExtFOp>(loc, to, value);
    return b.create<arith::TruncFOp>(loc, to, value);
  }
  if (fromFloat) {
    if (fromBits < 32)
      value = b.create<arith::ExtFOp>(loc, b.getF32Type(), value);
    if (to.isUnsignedInteger() && toBits == 64)
      return b.create<arith::FPToUIOp>(loc, toScalar, value);
    // Narrow integers wrap from the 64-bit value, as C compilers do on x86.
    Value wide = b.create<arith::FPToSIOp>(loc, b.getI64Type(), value);
    if (toBits == 64)
      return wide;
    return b.create<arith::TruncIOp>(loc, toScalar, wide);
  }
  if (toFloat) {
    Type target = toBits < 32 ? b.getF32Type() : to;
    Value result =
        fromUnsigned
            ? b.create<arith::UIToFPOp>(loc, target, value).getResult()
            : b.create<arith::SIToFPOp>(loc, target, value).getResult();
    if (target != to)
      result = b.create<arith::TruncFOp>(loc, to, result);
    return result;
  }
  if (toBits < fromBits)
    return b.create<arith::TruncIOp>(loc, toScalar, value);
  if (fromUnsigned)
    return b.create<arith::ExtUIOp>(loc, toScalar, value);
  return b.create<arith::ExtSIOp>(loc, toScalar, value);
}

Value emitOverflow(OpBuilder &b, Location loc, Value x, Value y) {
  auto type = dyn_cast<FloatType>(y.getType());
  if (!type || type.getWidth() != 8 || !isa<FloatType>(x.getType()))
    return y;
  if (x.getType().getIntOrFloatBitWidth() < 32)
    x = b.create<arith::ExtFOp>(loc, b.getF32Type(), x);
  const llvm::fltSemantics &format = type.getFloatSemantics();
  APFloat largest = APFloat::getLargest(format), below = largest;
  below.next(/*nextDown=*/true);
  double top = largest.convertToDouble();
  double limit = top + (top - below.convertToDouble()) / 2;
  // Half way to the next number rounds to even, which may be either.
  APFloat tie(limit);
  bool loses;
  tie.convert(format, APFloat::rmNearestTiesToEven, &loses);
  Scalar s{b, loc, x.getType(), false};
  Value magnitude = b.create<math::AbsFOp>(loc, x);
  Value over = tie.isFinite()
                   ? s.less(s.constant(limit), magnitude)
                   : s.compare(mm::Predicate::GE, magnitude, s.constant(limit));
  auto constant = [&](const APFloat &value) -> Value {
    return b.create<arith::ConstantOp>(loc, b.getFloatAttr(type, value));
  };
  if (!isa<Float8E5M2Type>(type))
    return b.create<arith::SelectOp>(loc, over,
                                     constant(APFloat::getNaN(format)), y);
  Value infinity = b.create<arith::SelectOp>(
      loc, s.less(x, s.constant(0)),
      constant(APFloat::getInf(format, /*Negative=*/true)),
      constant(APFloat::getInf(format)));
  return b.create<arith::SelectOp>(loc, over, infinity, y);
}

} // namespace mmcc::lower
