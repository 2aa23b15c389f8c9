#include "codegen/cpu/Reduction.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Intrinsics.h"

namespace mmcc::cpu {

std::optional<Combine> parseCombine(llvm::StringRef name) {
  return llvm::StringSwitch<std::optional<Combine>>(name)
      .Case("sum", Combine::sum)
      .Case("prod", Combine::prod)
      .Case("max", Combine::max)
      .Case("min", Combine::min)
      .Case("argmax", Combine::argmax)
      .Case("argmin", Combine::argmin)
      .Default(std::nullopt);
}

llvm::Constant *Reduction::identityValue() const {
  bool isFloat = scalar->isFloatingPointTy();
  unsigned bits = scalar->getScalarSizeInBits();
  switch (combine) {
  case Combine::sum:
    return llvm::Constant::getNullValue(scalar);
  case Combine::prod:
    return isFloat
               ? llvm::ConstantFP::get(scalar, 1.0)
               : llvm::cast<llvm::Constant>(llvm::ConstantInt::get(scalar, 1));
  case Combine::max:
  case Combine::argmax:
    if (isFloat)
      return llvm::ConstantFP::getInfinity(scalar, /*Negative=*/true);
    // Booleans are ordered false < true.
    return bits == 1 ? llvm::ConstantInt::getFalse(scalar)
                     : llvm::ConstantInt::get(
                           scalar, llvm::APInt::getSignedMinValue(bits));
  case Combine::min:
  case Combine::argmin:
    if (isFloat)
      return llvm::ConstantFP::getInfinity(scalar);
    return bits == 1 ? llvm::ConstantInt::getTrue(scalar)
                     : llvm::ConstantInt::get(
                           scalar, llvm::APInt::getSignedMaxValue(bits));
  }
  return nullptr;
}

Partial Reduction::identity(unsigned width) const {
  auto wide = [&](llvm::Constant *value) -> llvm::Value * {
    if (width == 1)
      return value;
    return llvm::ConstantVector::getSplat(llvm::ElementCount::getFixed(width),
                                          value);
  };
  Partial result = {wide(identityValue())};
  if (hasIndex()) // Loses against every index where values are equal.
    result.push_back(wide(llvm::ConstantInt::get(
        b.getInt64Ty(), llvm::APInt::getSignedMaxValue(64))));
  return result;
}

llvm::Value *Reduction::joinValues(llvm::Value *lhs, llvm::Value *rhs) const {
  bool isFloat = scalar->isFloatingPointTy();
  bool isBool = scalar->isIntegerTy(1);
  auto minMax = [&](llvm::Intrinsic::ID ofFloat, llvm::Intrinsic::ID ofInt) {
    llvm::Value *value =
        b.CreateBinaryIntrinsic(isFloat ? ofFloat : ofInt, lhs, rhs);
    if (auto *call = llvm::dyn_cast<llvm::CallInst>(value); call && isFloat)
      call->setHasNoSignedZeros(true);
    return value;
  };
  switch (combine) {
  case Combine::sum:
    if (isBool)
      return b.CreateOr(lhs, rhs);
    return isFloat ? b.CreateFAdd(lhs, rhs) : b.CreateAdd(lhs, rhs);
  case Combine::prod:
    return isFloat ? b.CreateFMul(lhs, rhs) : b.CreateMul(lhs, rhs);
  case Combine::max:
    // Floats without a sign are ordered as their bits are, NaN last; the
    // identity, -inf, is a negative integer. One instruction does it.
    if (isFloat && magnitudes) {
      llvm::Type *type = lhs->getType();
      llvm::Type *bits = b.getIntNTy(scalar->getScalarSizeInBits());
      if (auto *vector = llvm::dyn_cast<llvm::FixedVectorType>(type))
        bits = llvm::VectorType::getInteger(vector);
      llvm::Value *larger = b.CreateBinaryIntrinsic(llvm::Intrinsic::smax,
                                                    b.CreateBitCast(lhs, bits),
                                                    b.CreateBitCast(rhs, bits));
      return b.CreateBitCast(larger, type);
    }
    return minMax(llvm::Intrinsic::maximum,
                  isBool ? llvm::Intrinsic::umax : llvm::Intrinsic::smax);
  default:
    return minMax(llvm::Intrinsic::minimum,
                  isBool ? llvm::Intrinsic::umin : llvm::Intrinsic::smin);
  }
}

Partial Reduction::join(const Partial &lhs, const Partial &rhs) const {
  if (!hasIndex())
    return {joinValues(lhs[0], rhs[0])};
  bool isMax = combine == Combine::argmax;
  llvm::Value *better;
  if (scalar->isFloatingPointTy())
    better = isMax ? b.CreateFCmpOGT(rhs[0], lhs[0])
                   : b.CreateFCmpOLT(rhs[0], lhs[0]);
  else
    better = isMax ? b.CreateICmpSGT(rhs[0], lhs[0])
                   : b.CreateICmpSLT(rhs[0], lhs[0]);
  llvm::Value *equal = scalar->isFloatingPointTy()
                           ? b.CreateFCmpOEQ(rhs[0], lhs[0])
                           : b.CreateICmpEQ(rhs[0], lhs[0]);
  llvm::Value *earlier = b.CreateAnd(equal, b.CreateICmpSLT(rhs[1], lhs[1]));
  llvm::Value *take = b.CreateOr(better, earlier);
  return {b.CreateSelect(take, rhs[0], lhs[0]),
          b.CreateSelect(take, rhs[1], lhs[1])};
}

Partial Reduction::across(Partial lanes) const {
  auto *type = llvm::dyn_cast<llvm::FixedVectorType>(lanes[0]->getType());
  unsigned width = type ? type->getNumElements() : 1;
  if (width == 1)
    return lanes;
  for (; width > 1; width /= 2) {
    llvm::SmallVector<int> low, high;
    for (unsigned i = 0; i < width / 2; ++i) {
      low.push_back(i);
      high.push_back(width / 2 + i);
    }
    Partial lower, upper;
    for (llvm::Value *value : lanes) {
      lower.push_back(b.CreateShuffleVector(value, low));
      upper.push_back(b.CreateShuffleVector(value, high));
    }
    lanes = join(lower, upper);
  }
  for (llvm::Value *&value : lanes)
    value = b.CreateExtractElement(value, uint64_t(0));
  return lanes;
}

Partial Reduction::settle(Partial result) const {
  if (!hasIndex())
    return result;
  llvm::Type *type = result[1]->getType();
  llvm::Value *none = b.CreateICmpEQ(
      result[1],
      llvm::ConstantInt::get(type, llvm::APInt::getSignedMaxValue(64)));
  return {result[0],
          b.CreateSelect(none, llvm::Constant::getNullValue(type), result[1])};
}

} // namespace mmcc::cpu
