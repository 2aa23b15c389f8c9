//===- BlockInteger.cpp - Integer arithmetic and casts of blocks ----------===//
//
// Nothing traps and nothing is undefined: dividing by zero gives zero, dividing
// the most negative number by -1 gives itself, shifting by the width or more
// gives what shifting one by one would.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/BlockEmitter.h"
#include "codegen/cpu/NumberConversion.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/IR/Intrinsics.h"

using namespace mlir;

namespace mmcc::cpu {

llvm::Value *BlockEmitter::divide(Operation *op) {
  auto [lhs, rhs] = operandPair(op);
  llvm::Type *type = lhs->getType();
  llvm::Value *zero = llvm::Constant::getNullValue(type);
  llvm::Value *one = llvm::ConstantInt::get(type, 1);
  if (type->getScalarSizeInBits() == 1)
    return isa<arith::RemSIOp, arith::RemUIOp>(op) ? zero
                                                   : b.CreateAnd(lhs, rhs);
  llvm::Value *isZero = b.CreateICmpEQ(rhs, zero);
  bool isUnsigned = isa<arith::DivUIOp, arith::RemUIOp, arith::CeilDivUIOp>(op);
  llvm::Value *isMinusOne =
      isUnsigned ? nullptr
                 : b.CreateICmpEQ(rhs, llvm::Constant::getAllOnesValue(type));
  llvm::Value *unsafe = isUnsigned ? isZero : b.CreateOr(isZero, isMinusOne);
  llvm::Value *safe = b.CreateSelect(unsafe, one, rhs);
  llvm::Value *quotient =
      isUnsigned ? b.CreateUDiv(lhs, safe) : b.CreateSDiv(lhs, safe);
  llvm::Value *rest = b.CreateSub(lhs, b.CreateMul(quotient, safe));
  if (isa<arith::RemSIOp, arith::RemUIOp>(op))
    return b.CreateSelect(unsafe, zero, rest);
  llvm::Value *inexact = b.CreateICmpNE(rest, zero);
  if (isa<arith::CeilDivUIOp>(op))
    quotient = b.CreateAdd(quotient, b.CreateZExt(inexact, type));
  if (isa<arith::FloorDivSIOp, arith::CeilDivSIOp>(op)) {
    llvm::Value *opposite = b.CreateICmpSLT(b.CreateXor(lhs, safe), zero);
    if (isa<arith::FloorDivSIOp>(op))
      quotient = b.CreateSub(
          quotient, b.CreateZExt(b.CreateAnd(inexact, opposite), type));
    else
      quotient = b.CreateAdd(
          quotient,
          b.CreateZExt(b.CreateAnd(inexact, b.CreateNot(opposite)), type));
  }
  if (isMinusOne)
    quotient = b.CreateSelect(isMinusOne, b.CreateNeg(lhs), quotient);
  return b.CreateSelect(isZero, zero, quotient);
}

llvm::Value *BlockEmitter::shift(Operation *op) {
  auto [lhs, rhs] = operandPair(op);
  llvm::Type *type = lhs->getType();
  unsigned bits = type->getScalarSizeInBits();
  llvm::Value *isFar = b.CreateICmpUGE(rhs, llvm::ConstantInt::get(type, bits));
  llvm::Value *zero = llvm::Constant::getNullValue(type);
  if (isa<arith::ShRSIOp>(op)) {
    llvm::Value *most = llvm::ConstantInt::get(type, bits - 1);
    return b.CreateAShr(lhs, b.CreateSelect(isFar, most, rhs));
  }
  llvm::Value *amount = b.CreateSelect(isFar, zero, rhs);
  llvm::Value *value = isa<arith::ShLIOp>(op) ? b.CreateShl(lhs, amount)
                                              : b.CreateLShr(lhs, amount);
  return b.CreateSelect(isFar, zero, value);
}

/// Square and multiply. Negative exponents round the true result towards zero,
/// which leaves only the powers of 1 and -1; 0 to a negative power gives 0.
llvm::Value *BlockEmitter::integerPower(llvm::Value *base,
                                        llvm::Value *exponent) {
  llvm::Type *type = base->getType();
  unsigned bits = type->getScalarSizeInBits();
  llvm::Value *zero = llvm::Constant::getNullValue(type);
  llvm::Value *one = llvm::ConstantInt::get(type, 1);
  llvm::Value *minusOne = llvm::Constant::getAllOnesValue(type);
  llvm::Value *result = one, *square = base, *rest = exponent;
  for (unsigned i = 0; i < bits; ++i) {
    llvm::Value *isSet = b.CreateICmpNE(b.CreateAnd(rest, one), zero);
    result = b.CreateSelect(isSet, b.CreateMul(result, square), result);
    square = b.CreateMul(square, square);
    rest = b.CreateLShr(rest, one);
  }
  llvm::Value *isOdd = b.CreateICmpNE(b.CreateAnd(exponent, one), zero);
  llvm::Value *ofMinusOne = b.CreateSelect(isOdd, minusOne, one);
  llvm::Value *inverse = b.CreateSelect(
      b.CreateICmpEQ(base, one), one,
      b.CreateSelect(b.CreateICmpEQ(base, minusOne), ofMinusOne, zero));
  return b.CreateSelect(b.CreateICmpSLT(exponent, zero), inverse, result);
}

llvm::Value *BlockEmitter::integerOp(Operation *op) {
  if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
    static constexpr llvm::CmpInst::Predicate predicates[] = {
        llvm::CmpInst::ICMP_EQ,  llvm::CmpInst::ICMP_NE,
        llvm::CmpInst::ICMP_SLT, llvm::CmpInst::ICMP_SLE,
        llvm::CmpInst::ICMP_SGT, llvm::CmpInst::ICMP_SGE,
        llvm::CmpInst::ICMP_ULT, llvm::CmpInst::ICMP_ULE,
        llvm::CmpInst::ICMP_UGT, llvm::CmpInst::ICMP_UGE};
    auto [lhs, rhs] = operandPair(op);
    return b.CreateICmp(predicates[unsigned(compare.getPredicate())], lhs, rhs);
  }
  if (isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp,
          arith::FloorDivSIOp, arith::CeilDivSIOp, arith::CeilDivUIOp>(op))
    return divide(op);
  if (isa<arith::ShLIOp, arith::ShRSIOp, arith::ShRUIOp>(op))
    return shift(op);
  if (op->getNumOperands() == 2) {
    auto [x, y] = operandPair(op);
    llvm::Value *lhs = x, *rhs = y;
    auto intrinsic = [&](llvm::Intrinsic::ID id) -> llvm::Value * {
      return b.CreateBinaryIntrinsic(id, lhs, rhs);
    };
    return llvm::TypeSwitch<Operation *, llvm::Value *>(op)
        .Case([&](arith::AddIOp) { return b.CreateAdd(lhs, rhs); })
        .Case([&](arith::SubIOp) { return b.CreateSub(lhs, rhs); })
        .Case([&](arith::MulIOp) { return b.CreateMul(lhs, rhs); })
        .Case([&](arith::AndIOp) { return b.CreateAnd(lhs, rhs); })
        .Case([&](arith::OrIOp) { return b.CreateOr(lhs, rhs); })
        .Case([&](arith::XOrIOp) { return b.CreateXor(lhs, rhs); })
        .Case([&](arith::MaxSIOp) { return intrinsic(llvm::Intrinsic::smax); })
        .Case([&](arith::MaxUIOp) { return intrinsic(llvm::Intrinsic::umax); })
        .Case([&](arith::MinSIOp) { return intrinsic(llvm::Intrinsic::smin); })
        .Case([&](arith::MinUIOp) { return intrinsic(llvm::Intrinsic::umin); })
        .Case([&](math::IPowIOp) { return integerPower(lhs, rhs); })
        .Default([](Operation *) { return nullptr; });
  }
  if (op->getNumOperands() != 1)
    return nullptr;
  llvm::Value *x = get(op->getOperand(0));
  return llvm::TypeSwitch<Operation *, llvm::Value *>(op)
      .Case([&](math::AbsIOp) {
        return b.CreateBinaryIntrinsic(llvm::Intrinsic::abs, x, b.getFalse());
      })
      .Case([&](math::CtPopOp) {
        return b.CreateUnaryIntrinsic(llvm::Intrinsic::ctpop, x);
      })
      .Case([&](math::CountLeadingZerosOp) {
        return b.CreateBinaryIntrinsic(llvm::Intrinsic::ctlz, x, b.getFalse());
      })
      .Case([&](math::CountTrailingZerosOp) {
        return b.CreateBinaryIntrinsic(llvm::Intrinsic::cttz, x, b.getFalse());
      })
      .Default([](Operation *) -> llvm::Value * { return nullptr; });
}

llvm::Value *BlockEmitter::castOp(Operation *op) {
  if (op->getNumOperands() != 1 || op->getNumResults() != 1)
    return nullptr;
  Type from = op->getOperand(0).getType(), to = op->getResult(0).getType();
  llvm::Type *scalar = valueType(to, b.getContext());
  if (!scalar)
    return nullptr;
  llvm::Value *x = get(op->getOperand(0));
  llvm::Type *type = withLanesOf(scalar, x->getType());
  auto toFloat = [&](bool isSigned) {
    // One rounding: 64-bit integers by way of f64 would be rounded twice.
    llvm::Type *arithmetic =
        withLanesOf(to.isF64() ? b.getDoubleTy() : b.getFloatTy(), type);
    llvm::Value *value = isSigned ? b.CreateSIToFP(x, arithmetic)
                                  : b.CreateUIToFP(x, arithmetic);
    return roundFloat(b, value, to);
  };
  return llvm::TypeSwitch<Operation *, llvm::Value *>(op)
      .Case<arith::ExtFOp, arith::TruncFOp>(
          [&](auto) { return roundFloat(b, widenFloat(b, x, from), to); })
      .Case([&](arith::ExtSIOp) { return b.CreateSExt(x, type); })
      .Case([&](arith::ExtUIOp) { return b.CreateZExt(x, type); })
      .Case([&](arith::TruncIOp) { return b.CreateTrunc(x, type); })
      .Case([&](arith::SIToFPOp) { return toFloat(true); })
      .Case([&](arith::UIToFPOp) { return toFloat(false); })
      .Case([&](arith::FPToSIOp conversion) {
        unsigned bits = scalar->getIntegerBitWidth();
        auto rounded = conversion.getIn().getDefiningOp<math::RoundEvenOp>();
        if (rounded && from.isF32())
          if (llvm::Value *nearest =
                  nearestInteger(b, get(rounded.getOperand()), bits))
            return nearest;
        return floatToInteger(b, widenFloat(b, x, from), bits, true);
      })
      .Case([&](arith::FPToUIOp) {
        return floatToInteger(b, widenFloat(b, x, from),
                              scalar->getIntegerBitWidth(), false);
      })
      .Case([&](arith::IndexCastOp) { return b.CreateSExtOrTrunc(x, type); })
      .Case([&](arith::IndexCastUIOp) { return b.CreateZExtOrTrunc(x, type); })
      .Case([&](arith::BitcastOp) { return b.CreateBitCast(x, type); })
      .Default([](Operation *) -> llvm::Value * { return nullptr; });
}

} // namespace mmcc::cpu
