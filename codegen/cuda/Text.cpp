#include "codegen/cuda/Text.h"

#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;

namespace mmcc::cuda {

/// Name of a narrow float in Scalar.cuh; empty for other types.
static std::string narrowName(Type type) {
  if (type.isF16())
    return "f16";
  if (type.isBF16())
    return "bf16";
  if (isa<Float8E4M3FNType>(type))
    return "f8e4m3";
  if (isa<Float8E5M2Type>(type))
    return "f8e5m2";
  if (isa<Float8E4M3FNUZType>(type))
    return "f8e4m3z";
  if (isa<Float8E5M2FNUZType>(type))
    return "f8e5m2z";
  return "";
}

bool isNarrowFloat(Type type) { return !narrowName(type).empty(); }

std::string valueTypeName(Type type) {
  if (type.isF32() || isNarrowFloat(type))
    return "float";
  if (type.isF64())
    return "double";
  if (isa<IndexType>(type))
    return "Index";
  if (auto integer = dyn_cast<IntegerType>(type)) {
    unsigned width = integer.getWidth();
    if (width == 1)
      return "bool";
    if (width == 8 || width == 16 || width == 32 || width == 64)
      return "int" + std::to_string(width) + "_t";
  }
  return "";
}

std::string memoryTypeName(Type type) {
  if (isNarrowFloat(type))
    return narrowName(type);
  return type.isInteger(1) ? "uint8_t" : valueTypeName(type);
}

static bool mayBeNegative(AffineExpr expr, ArrayRef<IndexText> dims) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue() < 0;
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return dims[dim.getPosition()].isNegative;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary) // A symbol is a size.
    return false;
  return mayBeNegative(binary.getRHS(), dims) ||
         (expr.getKind() != AffineExprKind::Mod &&
          mayBeNegative(binary.getLHS(), dims));
}

static bool isSum(AffineExpr expr) {
  return expr.getKind() == AffineExprKind::Add;
}

std::string affineText(AffineExpr expr, ArrayRef<IndexText> dims) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    int64_t value = constant.getValue();
    std::string text = std::to_string(value);
    return value < 0 ? "(" + text + ")" : text;
  }
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return dims[dim.getPosition()].name;
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return "s" + std::to_string(symbol.getPosition());
  auto binary = cast<AffineBinaryOpExpr>(expr);
  AffineExpr lhs = binary.getLHS(), rhs = binary.getRHS();
  std::string a = affineText(lhs, dims), b = affineText(rhs, dims);
  auto factor = [](AffineExpr e, const std::string &text) {
    return isSum(e) ? "(" + text + ")" : text;
  };
  if (isSum(expr))
    return a + " + " + b;
  if (expr.getKind() == AffineExprKind::Mul)
    return factor(lhs, a) + " * " + factor(rhs, b);
  // Division by a constant of what is not negative is that of C++.
  auto divisor = dyn_cast<AffineConstantExpr>(rhs);
  bool isPlain = divisor && divisor.getValue() > 0 && !mayBeNegative(lhs, dims);
  if (isPlain && expr.getKind() == AffineExprKind::FloorDiv)
    return "(" + factor(lhs, a) + " / " + b + ")";
  if (isPlain && expr.getKind() == AffineExprKind::Mod)
    return "(" + factor(lhs, a) + " % " + b + ")";
  StringRef function =
      expr.getKind() == AffineExprKind::FloorDiv  ? "divideFloor"
      : expr.getKind() == AffineExprKind::CeilDiv ? "divideCeil"
                                                  : "modulo";
  return (function + "<Index>(" + a + ", " + b + ")").str();
}

} // namespace mmcc::cuda
