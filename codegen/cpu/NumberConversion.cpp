#include "codegen/cpu/NumberConversion.h"

#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/IntrinsicsX86.h"

#include <cmath>

using namespace mlir;

namespace mmcc::cpu {

namespace {
/// Layout of an 8-bit float: sign, exponent, `mantissa` bits.
struct Float8 {
  unsigned mantissa;
  int bias;
  unsigned largest;
  unsigned nan;
  /// Only 0x80 is NaN, and there is no negative zero.
  bool unsignedZero;
};
} // namespace

static std::optional<Float8> float8Of(Type type) {
  if (isa<Float8E4M3FNType>(type))
    return Float8{3, 7, 0x7e, 0x7f, false};
  if (isa<Float8E5M2Type>(type))
    return Float8{2, 15, 0x7b, 0x7e, false};
  if (isa<Float8E4M3FNUZType>(type))
    return Float8{3, 8, 0x7f, 0x80, true};
  if (isa<Float8E5M2FNUZType>(type))
    return Float8{2, 16, 0x7f, 0x80, true};
  return std::nullopt;
}

llvm::Type *valueType(Type type, llvm::LLVMContext &context) {
  if (type.isF32())
    return llvm::Type::getFloatTy(context);
  if (type.isF64())
    return llvm::Type::getDoubleTy(context);
  if (type.isF16())
    return llvm::Type::getHalfTy(context);
  if (type.isBF16())
    return llvm::Type::getInt16Ty(context);
  if (float8Of(type))
    return llvm::Type::getInt8Ty(context);
  if (isa<IndexType>(type))
    return llvm::Type::getInt64Ty(context);
  if (auto integer = dyn_cast<IntegerType>(type))
    if (integer.getWidth() == 1 || integer.getWidth() == 8 ||
        integer.getWidth() == 16 || integer.getWidth() == 32 ||
        integer.getWidth() == 64)
      return llvm::Type::getIntNTy(context, integer.getWidth());
  return nullptr;
}

llvm::Type *memoryType(Type type, llvm::LLVMContext &context) {
  return type.isInteger(1) ? llvm::Type::getInt8Ty(context)
                           : valueType(type, context);
}

llvm::Type *withLanesOf(llvm::Type *scalar, llvm::Type *shape) {
  if (auto *vector = llvm::dyn_cast<llvm::FixedVectorType>(shape))
    return llvm::FixedVectorType::get(scalar, vector->getNumElements());
  return scalar;
}

//===----------------------------------------------------------------------===//
// Widening
//===----------------------------------------------------------------------===//

/// Bits of a float8 to f32.
static llvm::Value *widenFloat8(llvm::IRBuilder<> &b, llvm::Value *bits,
                                const Float8 &format) {
  llvm::Type *i32 = withLanesOf(b.getInt32Ty(), bits->getType());
  llvm::Type *f32 = withLanesOf(b.getFloatTy(), bits->getType());
  auto integer = [&](uint32_t value) {
    return llvm::ConstantInt::get(i32, value);
  };
  llvm::Value *wide = b.CreateZExt(bits, i32);
  llvm::Value *magnitude = b.CreateAnd(wide, integer(0x7f));
  // Exponent and mantissa move into place, and the bias changes.
  llvm::Value *normal =
      b.CreateAdd(b.CreateShl(magnitude, integer(23 - format.mantissa)),
                  integer(uint32_t(127 - format.bias) << 23));
  float unit = std::ldexp(1.0f, 1 - format.bias - int(format.mantissa));
  llvm::Value *denormal =
      b.CreateBitCast(b.CreateFMul(b.CreateUIToFP(magnitude, f32),
                                   llvm::ConstantFP::get(f32, unit)),
                      i32);
  llvm::Value *value =
      b.CreateSelect(b.CreateICmpULT(magnitude, integer(1 << format.mantissa)),
                     denormal, normal);
  llvm::Value *sign =
      b.CreateShl(b.CreateAnd(wide, integer(0x80)), integer(24));
  value = b.CreateOr(value, sign);
  if (format.largest < 0x7e) { // Infinity follows the largest number.
    llvm::Value *infinity = b.CreateOr(sign, integer(0x7f800000));
    value =
        b.CreateSelect(b.CreateICmpEQ(magnitude, integer(format.largest + 1)),
                       infinity, value);
    value =
        b.CreateSelect(b.CreateICmpUGT(magnitude, integer(format.largest + 1)),
                       integer(0x7fc00000), value);
  } else {
    llvm::Value *isNan = format.unsignedZero
                             ? b.CreateICmpEQ(wide, integer(0x80))
                             : b.CreateICmpEQ(magnitude, integer(0x7f));
    value = b.CreateSelect(isNan, integer(0x7fc00000), value);
  }
  return b.CreateBitCast(value, f32);
}

llvm::Value *widenFloat(llvm::IRBuilder<> &b, llvm::Value *value, Type type) {
  if (type.isF32() || type.isF64())
    return value;
  llvm::Type *f32 = withLanesOf(b.getFloatTy(), value->getType());
  if (type.isF16())
    return b.CreateFPExt(value, f32);
  if (std::optional<Float8> format = float8Of(type))
    return widenFloat8(b, value, *format);
  llvm::Type *i32 = withLanesOf(b.getInt32Ty(), value->getType());
  return b.CreateBitCast(
      b.CreateShl(b.CreateZExt(value, i32), llvm::ConstantInt::get(i32, 16)),
      f32);
}

//===----------------------------------------------------------------------===//
// Rounding
//===----------------------------------------------------------------------===//

/// Adds half a unit of the last of the bits that stay, minus one when it is
/// even: cutting the rest off then rounds to nearest even.
static llvm::Value *addRounding(llvm::IRBuilder<> &b, llvm::Value *bits,
                                unsigned dropped) {
  llvm::Type *i32 = bits->getType();
  auto integer = [&](uint32_t value) {
    return llvm::ConstantInt::get(i32, value);
  };
  llvm::Value *odd =
      b.CreateAnd(b.CreateLShr(bits, integer(dropped)), integer(1));
  return b.CreateAdd(b.CreateAdd(bits, integer((1u << (dropped - 1)) - 1)),
                     odd);
}

static llvm::Value *roundFloat8(llvm::IRBuilder<> &b, llvm::Value *value,
                                const Float8 &format) {
  llvm::Type *f32 = value->getType();
  llvm::Type *i32 = withLanesOf(b.getInt32Ty(), f32);
  auto integer = [&](uint32_t v) { return llvm::ConstantInt::get(i32, v); };
  llvm::Value *bits = b.CreateBitCast(value, i32);
  llvm::Value *magnitude = b.CreateAnd(bits, integer(0x7fffffff));
  unsigned dropped = 23 - format.mantissa;
  llvm::Value *normal = b.CreateSub(
      b.CreateLShr(addRounding(b, magnitude, dropped), integer(dropped)),
      integer(uint32_t(127 - format.bias) << format.mantissa));
  // Below the smallest normal number the code counts units of the last place.
  float scale = std::ldexp(1.0f, format.bias - 1 + int(format.mantissa));
  llvm::Value *count =
      b.CreateUnaryIntrinsic(llvm::Intrinsic::roundeven,
                             b.CreateFMul(b.CreateBitCast(magnitude, f32),
                                          llvm::ConstantFP::get(f32, scale)));
  uint32_t smallestNormal = uint32_t(127 + 1 - format.bias) << 23;
  llvm::Value *isSmall = b.CreateICmpULT(magnitude, integer(smallestNormal));
  count = b.CreateSelect(isSmall, count, llvm::Constant::getNullValue(f32));
  llvm::Value *code =
      b.CreateSelect(isSmall, b.CreateFPToUI(count, i32), normal);
  code = b.CreateBinaryIntrinsic(llvm::Intrinsic::umin, code,
                                 integer(format.largest));
  llvm::Value *sign =
      b.CreateAnd(b.CreateLShr(bits, integer(24)), integer(0x80));
  if (format.unsignedZero)
    sign = b.CreateSelect(b.CreateICmpEQ(code, integer(0)), integer(0), sign);
  code = b.CreateOr(code, sign);
  llvm::Value *isNan = b.CreateICmpUGT(magnitude, integer(0x7f800000));
  code = b.CreateSelect(isNan, integer(format.nan), code);
  return b.CreateTrunc(code, withLanesOf(b.getInt8Ty(), f32));
}

static llvm::Value *roundBFloat(llvm::IRBuilder<> &b, llvm::Value *value) {
  llvm::Type *i32 = withLanesOf(b.getInt32Ty(), value->getType());
  auto integer = [&](uint32_t v) { return llvm::ConstantInt::get(i32, v); };
  llvm::Value *bits = b.CreateBitCast(value, i32);
  llvm::Value *rounded = addRounding(b, bits, 16);
  // Rounding could carry a NaN over into infinity.
  llvm::Value *quiet = b.CreateOr(bits, integer(0x00400000));
  llvm::Value *isNan = b.CreateFCmpUNO(value, value);
  llvm::Value *high =
      b.CreateLShr(b.CreateSelect(isNan, quiet, rounded), integer(16));
  return b.CreateTrunc(high, withLanesOf(b.getInt16Ty(), value->getType()));
}

llvm::Value *roundFloat(llvm::IRBuilder<> &b, llvm::Value *value, Type type) {
  bool isDouble = value->getType()->getScalarType()->isDoubleTy();
  llvm::Type *f32 = withLanesOf(b.getFloatTy(), value->getType());
  if (type.isF64())
    return isDouble ? value
                    : b.CreateFPExt(value, withLanesOf(b.getDoubleTy(),
                                                       value->getType()));
  if (isDouble)
    value = b.CreateFPTrunc(value, f32);
  if (type.isF32())
    return value;
  if (type.isF16())
    return b.CreateFPTrunc(value, withLanesOf(b.getHalfTy(), f32));
  if (type.isBF16())
    return roundBFloat(b, value);
  return roundFloat8(b, value, *float8Of(type));
}

//===----------------------------------------------------------------------===//
// To integers
//===----------------------------------------------------------------------===//

/// Lanes of f32 to 32-bit integers by one instruction, which makes the most
/// negative number of what is out of range; null if the level has none for so
/// many. `rounded` to nearest even, or cut off.
static llvm::Value *convertLanes(llvm::IRBuilder<> &b, llvm::Value *value,
                                 bool rounded) {
  auto *type = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
  if (!type || !type->getElementType()->isFloatTy())
    return nullptr;
  using namespace llvm::Intrinsic;
  if (type->getNumElements() == 8)
    return b.CreateIntrinsic(
        rounded ? x86_avx_cvt_ps2dq_256 : x86_avx_cvtt_ps2dq_256, {}, {value});
  llvm::StringRef features = b.GetInsertBlock()
                                 ->getParent()
                                 ->getFnAttribute("target-features")
                                 .getValueAsString();
  if (type->getNumElements() != 16 || !features.contains("+avx512f"))
    return nullptr;
  // Rounding: to nearest, or the thread's mode, of which cutting off has no
  // need; exceptions are masked.
  constexpr uint32_t kNearest = 8, kMode = 4;
  llvm::Value *none = llvm::Constant::getNullValue(
      llvm::FixedVectorType::get(b.getInt32Ty(), 16));
  return b.CreateIntrinsic(rounded ? x86_avx512_mask_cvtps2dq_512
                                   : x86_avx512_mask_cvttps2dq_512,
                           {},
                           {value, none, b.getInt16(0xffff),
                            b.getInt32(rounded ? kNearest : kMode)});
}

/// cvttss2si and its kin: `bits` is 32 or 64.
static llvm::Value *truncateToInteger(llvm::IRBuilder<> &b, llvm::Value *value,
                                      unsigned bits) {
  if (bits == 32)
    if (llvm::Value *converted = convertLanes(b, value, /*rounded=*/false))
      return converted;
  llvm::Type *type = value->getType();
  llvm::Type *integer = withLanesOf(b.getIntNTy(bits), type);
  double limit = std::ldexp(1.0, bits - 1);
  // In double, -2^31 - 0.5 still truncates to a 32-bit integer.
  bool exact = bits == 64 || type->getScalarType()->isFloatTy();
  llvm::Value *above =
      exact ? b.CreateFCmpOGE(value, llvm::ConstantFP::get(type, -limit))
            : b.CreateFCmpOGT(value, llvm::ConstantFP::get(type, -limit - 1));
  llvm::Value *inRange = b.CreateAnd(
      above, b.CreateFCmpOLT(value, llvm::ConstantFP::get(type, limit)));
  return b.CreateSelect(
      inRange, b.CreateFPToSI(value, integer),
      llvm::ConstantInt::get(integer, llvm::APInt::getSignedMinValue(bits)));
}

llvm::Value *nearestInteger(llvm::IRBuilder<> &b, llvm::Value *value,
                            unsigned bits) {
  if (bits == 1 || bits > 32)
    return nullptr;
  llvm::Value *result = convertLanes(b, value, /*rounded=*/true);
  return result ? b.CreateTrunc(
                      result, withLanesOf(b.getIntNTy(bits), value->getType()))
                : nullptr;
}

llvm::Value *floatToInteger(llvm::IRBuilder<> &b, llvm::Value *value,
                            unsigned bits, bool isSigned) {
  llvm::Type *type = value->getType();
  llvm::Type *target = withLanesOf(b.getIntNTy(bits), type);
  if (bits == 1)
    return b.CreateFCmpUNE(value, llvm::Constant::getNullValue(type));
  if (bits == 64 && !isSigned) {
    // The upper half of the range is converted after moving it down.
    llvm::Value *limit = llvm::ConstantFP::get(type, 0x1p63);
    llvm::Value *isHigh = b.CreateFCmpOGE(value, limit);
    llvm::Value *low = truncateToInteger(b, value, 64);
    llvm::Value *high = b.CreateXor(
        truncateToInteger(b, b.CreateFSub(value, limit), 64),
        llvm::ConstantInt::get(target, llvm::APInt::getSignedMinValue(64)));
    return b.CreateSelect(isHigh, high, low);
  }
  bool through64 = bits == 64 || (bits == 32 && !isSigned);
  llvm::Value *result = truncateToInteger(b, value, through64 ? 64 : 32);
  return b.CreateTrunc(result, target);
}

} // namespace mmcc::cpu
