//===- ConstantValues.cpp - What the compiler knows of a value ------------===//

#include "passes/fuse/ConstantValues.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/SmallPtrSet.h"
#include <cmath>
#include <cstring>

using namespace mlir;

namespace mmcc {

//===----------------------------------------------------------------------===//
// Elements of constants
//===----------------------------------------------------------------------===//

/// Size of one element in a resource blob (booleans take a byte); 0 for types
/// that are not read.
static size_t blobElementBytes(Type type) {
  if (type.isInteger(1))
    return 1;
  if (!type.isIntOrFloat() || type.getIntOrFloatBitWidth() % 8)
    return 0;
  return type.getIntOrFloatBitWidth() / 8;
}

static double decode(const char *data, Type type) {
  uint64_t bits = 0;
  size_t bytes = blobElementBytes(type);
  std::memcpy(&bits, data, bytes);
  if (auto floatType = dyn_cast<FloatType>(type)) {
    APFloat number(floatType.getFloatSemantics(),
                   APInt(floatType.getWidth(), bits));
    bool inexact;
    number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                   &inexact);
    return number.convertToDouble();
  }
  if (type.isInteger(1))
    return bits != 0;
  APInt number(type.getIntOrFloatBitWidth(), bits);
  return type.isUnsignedInteger() ? number.roundToDouble(false)
                                  : number.signedRoundToDouble();
}

static double toDouble(APFloat number) {
  bool inexact;
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
  return number.convertToDouble();
}

static double toDouble(const APInt &number, Type type) {
  if (type.isInteger(1))
    return number.getZExtValue() != 0;
  return type.isUnsignedInteger() ? number.roundToDouble(false)
                                  : number.signedRoundToDouble();
}

std::optional<SmallVector<double>> getElements(Value value, int64_t limit) {
  auto constant = value.getDefiningOp<mm::ConstantOp>();
  if (!constant)
    return std::nullopt;
  auto type = getTensorType(value);
  Type elementType = type.getElementType();
  int64_t count = type.getNumElements();
  if (count > limit)
    return std::nullopt;
  SmallVector<double> elements;
  if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue())) {
    elements.reserve(count);
    if (isa<FloatType>(elementType))
      for (const APFloat &number : dense.getValues<APFloat>())
        elements.push_back(toDouble(number));
    else if (isa<IntegerType>(elementType))
      for (const APInt &number : dense.getValues<APInt>())
        elements.push_back(toDouble(number, elementType));
    else
      return std::nullopt;
    return elements;
  }
  auto resource = dyn_cast<DenseResourceElementsAttr>(constant.getValue());
  size_t bytes = blobElementBytes(elementType);
  if (!resource || !bytes || bytes > 8)
    return std::nullopt;
  AsmResourceBlob *blob = resource.getRawHandle().getBlob();
  if (!blob || blob->getData().size() / bytes != static_cast<size_t>(count))
    return std::nullopt;
  elements.reserve(count);
  for (int64_t i = 0; i < count; ++i)
    elements.push_back(decode(blob->getData().data() + i * bytes, elementType));
  return elements;
}

static std::optional<double> getConstantSplat(mm::ConstantOp constant) {
  auto type = getTensorType(constant.getResult());
  Type elementType = type.getElementType();
  if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
      dense && dense.isSplat()) {
    if (isa<FloatType>(elementType))
      return toDouble(dense.getSplatValue<APFloat>());
    if (isa<IntegerType>(elementType))
      return toDouble(dense.getSplatValue<APInt>(), elementType);
    return std::nullopt;
  }
  // A weight of many equal elements is not worth reading through.
  std::optional<SmallVector<double>> elements =
      getElements(constant.getResult(), 4096);
  if (!elements || elements->empty())
    return std::nullopt;
  for (double element : *elements)
    if (element != elements->front())
      return std::nullopt;
  return elements->front();
}

//===----------------------------------------------------------------------===//
// Splats
//===----------------------------------------------------------------------===//

static std::optional<double> getSplat(Value value, int depth) {
  Operation *op = value.getDefiningOp();
  if (!op || depth > 12)
    return std::nullopt;
  if (auto constant = dyn_cast<mm::ConstantOp>(op))
    return getConstantSplat(constant);
  if (isa<mm::ReshapeOp, mm::TransposeOp, mm::BroadcastOp, mm::SliceOp>(op))
    return getSplat(op->getOperand(0), depth + 1);
  Type resultType = getElementTypeOrSelf(value);
  if (auto cast = dyn_cast<mm::CastOp>(op)) {
    std::optional<double> number = getSplat(cast.getInput(), depth + 1);
    // Integers hold what a literal says only when it is whole.
    if (number && !isa<FloatType>(resultType) &&
        (resultType.isInteger(1) ? (*number != 0 && *number != 1)
                                 : *number != std::trunc(*number)))
      return std::nullopt;
    return number;
  }
  if (!isa<FloatType>(resultType) || op->getNumResults() != 1 ||
      !isa<mm::NegOp, mm::SqrtOp, mm::RsqrtOp, mm::ReciprocalOp, mm::ExpOp,
           mm::AddOp, mm::SubOp, mm::MulOp, mm::DivOp, mm::PowOp>(op))
    return std::nullopt;
  std::optional<double> a = getSplat(op->getOperand(0), depth + 1);
  if (!a)
    return std::nullopt;
  if (isa<mm::NegOp>(op))
    return -*a;
  if (isa<mm::SqrtOp>(op))
    return std::sqrt(*a);
  if (isa<mm::RsqrtOp>(op))
    return 1.0 / std::sqrt(*a);
  if (isa<mm::ReciprocalOp>(op))
    return 1.0 / *a;
  if (isa<mm::ExpOp>(op))
    return std::exp(*a);
  std::optional<double> b = getSplat(op->getOperand(1), depth + 1);
  if (!b)
    return std::nullopt;
  if (isa<mm::AddOp>(op))
    return *a + *b;
  if (isa<mm::SubOp>(op))
    return *a - *b;
  if (isa<mm::MulOp>(op))
    return *a * *b;
  if (isa<mm::DivOp>(op))
    return *a / *b;
  return std::pow(*a, *b);
}

std::optional<double> getSplat(Value value) { return getSplat(value, 0); }

double literalTolerance(Type elementType) {
  if (elementType.isF64() || elementType.isF32())
    return 2e-6;
  return 4e-3;
}

bool isClose(double a, double b, double tolerance) {
  return a == b ||
         std::fabs(a - b) <= tolerance * std::max(std::fabs(a), std::fabs(b));
}

bool isSplat(Value value, double number) {
  std::optional<double> splat = getSplat(value);
  return splat &&
         isClose(*splat, number, literalTolerance(getElementTypeOrSelf(value)));
}

//===----------------------------------------------------------------------===//
// Constant expressions
//===----------------------------------------------------------------------===//

bool isConstantExpression(Value value) {
  SmallVector<Value> pending = {value};
  SmallPtrSet<Operation *, 16> seen;
  while (!pending.empty()) {
    Operation *op = pending.pop_back_val().getDefiningOp();
    if (!op || op->getNumRegions() != 0 || seen.size() > 512)
      return false;
    if (!isa<mm::MMDialect>(op->getDialect()))
      return false;
    if (!seen.insert(op).second)
      continue;
    for (Type type : op->getResultTypes())
      if (auto tensor = dyn_cast<RankedTensorType>(type);
          !tensor || !tensor.hasStaticShape())
        return false;
    for (NamedAttribute attribute : op->getAttrs())
      if (auto dims = dyn_cast<mm::DimsAttr>(attribute.getValue()))
        for (const mm::Dim &dim : dims.getDims())
          if (!dim.getConstant())
            return false;
    llvm::append_range(pending, op->getOperands());
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// value == factor * base in one step.
static std::optional<Scaled> stripOneScale(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || !isa<FloatType>(getElementTypeOrSelf(value)))
    return std::nullopt;
  if (auto neg = dyn_cast<mm::NegOp>(op))
    return Scaled{neg.getInput(), -1.0};
  if (auto mul = dyn_cast<mm::MulOp>(op)) {
    for (auto [base, scale] : {std::pair(mul.getLhs(), mul.getRhs()),
                               std::pair(mul.getRhs(), mul.getLhs())})
      if (base.getType() == value.getType())
        if (std::optional<double> number = getSplat(scale))
          return Scaled{base, *number};
  } else if (auto div = dyn_cast<mm::DivOp>(op)) {
    if (div.getLhs().getType() == value.getType())
      if (std::optional<double> number = getSplat(div.getRhs());
          number && *number != 0)
        return Scaled{div.getLhs(), 1.0 / *number};
  }
  return std::nullopt;
}

Scaled stripScale(Value value) {
  Scaled result{value, 1.0};
  for (int i = 0; i < 16; ++i) {
    std::optional<Scaled> next = stripOneScale(result.base);
    if (!next)
      break;
    result.base = next->base;
    result.factor *= next->factor;
  }
  return result;
}

Product getProduct(Value value, Value stop) {
  Product product;
  SmallVector<Value> pending = {value};
  for (int opened = 0; !pending.empty();) {
    Value next = pending.pop_back_val();
    if (next == stop || opened > 16) {
      product.factors.push_back(next);
      continue;
    }
    if (std::optional<Scaled> scaled = stripOneScale(next)) {
      product.coefficient *= scaled->factor;
      pending.push_back(scaled->base);
      ++opened;
    } else if (auto mul = next.getDefiningOp<mm::MulOp>()) {
      pending.push_back(mul.getRhs());
      pending.push_back(mul.getLhs());
      ++opened;
    } else {
      product.factors.push_back(next);
    }
  }
  return product;
}

//===----------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------===//

void replaceWithValue(RewriterBase &rewriter, Operation *op, Value value) {
  Type wanted = op->getResult(0).getType();
  if (value.getType() != wanted)
    value = rewriter.create<mm::ReshapeOp>(op->getLoc(), wanted, value);
  rewriter.replaceOp(op, value);
}

Value reshapeTo(OpBuilder &builder, Location location, Value value,
                ArrayRef<mm::Dim> shape) {
  auto type = mm::makeTensorType(shape, getElementTypeOrSelf(value));
  if (type == value.getType())
    return value;
  return builder.create<mm::ReshapeOp>(location, type, value);
}

Value transposeTo(OpBuilder &builder, Location location, Value value,
                  ArrayRef<int64_t> permutation) {
  bool identity = true;
  for (auto [index, source] : llvm::enumerate(permutation))
    identity &= static_cast<int64_t>(index) == source;
  if (identity)
    return value;
  return builder.create<mm::TransposeOp>(location, value, permutation);
}

Value makeScalar(OpBuilder &builder, Location location, Type elementType,
                 double number) {
  auto type = RankedTensorType::get({}, elementType);
  Attribute element;
  if (auto floatType = dyn_cast<FloatType>(elementType))
    element = builder.getFloatAttr(floatType, number);
  else
    element = builder.getIntegerAttr(elementType, static_cast<int64_t>(number));
  return builder.create<mm::ConstantOp>(location,
                                        DenseElementsAttr::get(type, element));
}

} // namespace mmcc
