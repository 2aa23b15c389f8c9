#include "codegen/cpu/AffineEmitter.h"

#include "llvm/IR/Constants.h"

#include <numeric>

using namespace mlir;

namespace mmcc::cpu {

/// Largest number known to divide `expr` at the first lane.
static uint64_t divisorOf(AffineExpr expr, ArrayRef<bool> laneDims,
                          const Lanes &lanes) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return std::abs(constant.getValue());
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return laneDims[dim.getPosition()] ? lanes.align : 1;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return 1;
  uint64_t lhs = divisorOf(binary.getLHS(), laneDims, lanes);
  uint64_t rhs = divisorOf(binary.getRHS(), laneDims, lanes);
  if (expr.getKind() == AffineExprKind::Add ||
      expr.getKind() == AffineExprKind::Mod)
    return std::gcd(lhs, rhs);
  if (expr.getKind() != AffineExprKind::Mul)
    return 1;
  // Large divisors say nothing more than small ones here.
  return std::min<uint64_t>(lhs, 1u << 20) * std::min<uint64_t>(rhs, 1u << 20);
}

std::optional<AffineExpr> laneStride(AffineExpr expr, ArrayRef<bool> laneDims,
                                     const Lanes &lanes) {
  MLIRContext *context = expr.getContext();
  AffineExpr zero = getAffineConstantExpr(0, context);
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return laneDims[dim.getPosition()] ? getAffineConstantExpr(1, context)
                                       : zero;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return zero;
  auto lhs = laneStride(binary.getLHS(), laneDims, lanes);
  auto rhs = laneStride(binary.getRHS(), laneDims, lanes);
  if (!lhs || !rhs)
    return std::nullopt;
  if (expr.getKind() == AffineExprKind::Add)
    return *lhs + *rhs;
  if (*rhs == zero && *lhs == zero)
    return zero;
  if (*rhs != zero)
    return std::nullopt;
  if (expr.getKind() == AffineExprKind::Mul) {
    if (binary.getRHS().isSymbolicOrConstant())
      return *lhs * binary.getRHS();
    return std::nullopt;
  }
  // floordiv, ceildiv, mod: uniform where all lanes fall into one period.
  auto stride = dyn_cast<AffineConstantExpr>(*lhs);
  auto period = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (!stride || !period || stride.getValue() <= 0 || period.getValue() <= 0)
    return std::nullopt;
  uint64_t span = uint64_t(stride.getValue()) * lanes.width;
  if (period.getValue() % span != 0 ||
      divisorOf(binary.getLHS(), laneDims, lanes) % span != 0)
    return std::nullopt;
  if (expr.getKind() == AffineExprKind::Mod)
    return *lhs;
  if (expr.getKind() == AffineExprKind::FloorDiv)
    return zero;
  return std::nullopt;
}

llvm::Value *splat(llvm::IRBuilder<> &b, llvm::Value *value, unsigned width) {
  if (width == 1 || value->getType()->isVectorTy())
    return value;
  return b.CreateVectorSplat(width, value);
}

void matchLanes(llvm::IRBuilder<> &b, llvm::Value *&lhs, llvm::Value *&rhs) {
  auto width = [](llvm::Value *value) {
    auto *type = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
    return type ? type->getNumElements() : 1;
  };
  unsigned lanes = std::max(width(lhs), width(rhs));
  lhs = splat(b, lhs, lanes);
  rhs = splat(b, rhs, lanes);
}

llvm::Constant *laneNumbers(llvm::Type *type, unsigned width) {
  SmallVector<llvm::Constant *> numbers;
  for (unsigned i = 0; i < width; ++i)
    numbers.push_back(llvm::ConstantInt::get(type, i));
  return llvm::ConstantVector::get(numbers);
}

static bool nonNegative(AffineExpr expr, ArrayRef<IndexOperand> dims) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue() >= 0;
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return dims[dim.getPosition()].nonNegative;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary) // A symbol is a size.
    return true;
  if (expr.getKind() == AffineExprKind::Mod)
    return nonNegative(binary.getRHS(), dims);
  return nonNegative(binary.getLHS(), dims) &&
         nonNegative(binary.getRHS(), dims);
}

/// floor(a / b), with zero for b = 0.
llvm::Value *AffineEmitter::divide(AffineBinaryOpExpr expr,
                                   ArrayRef<IndexOperand> dims,
                                   ArrayRef<llvm::Value *> symbols) {
  AffineExprKind kind = expr.getKind();
  llvm::Value *lhs = emit(expr.getLHS(), dims, symbols);
  llvm::Value *rhs = emit(expr.getRHS(), dims, symbols);
  matchLanes(b, lhs, rhs);
  llvm::Type *type = lhs->getType();
  llvm::Value *zero = llvm::Constant::getNullValue(type);
  llvm::Value *one = llvm::ConstantInt::get(type, 1);
  auto constant = dyn_cast<AffineConstantExpr>(expr.getRHS());
  llvm::Value *isZero = nullptr;
  if (!constant || constant.getValue() == 0) {
    isZero = b.CreateICmpEQ(rhs, zero);
    rhs = b.CreateSelect(isZero, one, rhs);
  }
  llvm::Value *result;
  if (nonNegative(expr.getLHS(), dims) && nonNegative(expr.getRHS(), dims)) {
    if (kind == AffineExprKind::CeilDiv)
      lhs = b.CreateNUWAdd(lhs, b.CreateSub(rhs, one));
    result = kind == AffineExprKind::Mod ? b.CreateURem(lhs, rhs)
                                         : b.CreateUDiv(lhs, rhs);
  } else {
    llvm::Value *quotient = b.CreateSDiv(lhs, rhs);
    llvm::Value *rest = b.CreateSub(lhs, b.CreateMul(quotient, rhs));
    llvm::Value *inexact = b.CreateICmpNE(rest, zero);
    llvm::Value *opposite = b.CreateICmpSLT(b.CreateXor(lhs, rhs), zero);
    if (kind == AffineExprKind::CeilDiv) {
      llvm::Value *up = b.CreateAnd(inexact, b.CreateNot(opposite));
      result = b.CreateAdd(quotient, b.CreateZExt(up, type));
    } else {
      llvm::Value *down = b.CreateAnd(inexact, opposite);
      result = kind == AffineExprKind::Mod
                   ? b.CreateAdd(rest, b.CreateSelect(down, rhs, zero))
                   : b.CreateSub(quotient, b.CreateZExt(down, type));
    }
  }
  return isZero ? b.CreateSelect(isZero, zero, result) : result;
}

llvm::Value *AffineEmitter::emit(AffineExpr expr, ArrayRef<IndexOperand> dims,
                                 ArrayRef<llvm::Value *> symbols) {
  switch (expr.getKind()) {
  case AffineExprKind::Constant:
    return b.getInt64(cast<AffineConstantExpr>(expr).getValue());
  case AffineExprKind::DimId:
    return dims[cast<AffineDimExpr>(expr).getPosition()].value;
  case AffineExprKind::SymbolId:
    return symbols[cast<AffineSymbolExpr>(expr).getPosition()];
  case AffineExprKind::Add:
  case AffineExprKind::Mul: {
    auto binary = cast<AffineBinaryOpExpr>(expr);
    llvm::Value *lhs = emit(binary.getLHS(), dims, symbols);
    llvm::Value *rhs = emit(binary.getRHS(), dims, symbols);
    matchLanes(b, lhs, rhs);
    return expr.getKind() == AffineExprKind::Add ? b.CreateNSWAdd(lhs, rhs)
                                                 : b.CreateNSWMul(lhs, rhs);
  }
  default:
    return divide(cast<AffineBinaryOpExpr>(expr), dims, symbols);
  }
}

SmallVector<llvm::Value *>
AffineEmitter::emitSizes(AffineMap map, ArrayRef<llvm::Value *> symbols) {
  SmallVector<llvm::Value *> results;
  for (AffineExpr expr : map.getResults())
    results.push_back(emit(expr, {}, symbols));
  return results;
}

} // namespace mmcc::cpu
