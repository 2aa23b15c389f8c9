//===- ConstantFold.cpp - Computing with small constants ------------------===//

#include "dialects/mm/ConstantFold.h"

using namespace mlir;

namespace mmcc::mm {

void forEachIndex(ArrayRef<int64_t> shape,
                  function_ref<void(ArrayRef<int64_t>)> visit) {
  if (llvm::is_contained(shape, 0))
    return;
  SmallVector<int64_t> index(shape.size(), 0);
  while (true) {
    visit(index);
    int64_t dim = static_cast<int64_t>(shape.size()) - 1;
    while (dim >= 0 && ++index[dim] == shape[dim])
      index[dim--] = 0;
    if (dim < 0)
      return;
  }
}

SmallVector<int64_t> rowMajorStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t i = static_cast<int64_t>(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

/// A static type that is worth computing: with elements, and fewer than any
/// product of their sizes could overflow on.
static RankedTensorType foldableType(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape() ||
      !tensor.getElementType().isIntOrFloat())
    return {};
  int64_t count = 1;
  for (int64_t size : tensor.getShape())
    if (size == 0 || llvm::MulOverflow(count, size, count))
      return {};
  return tensor;
}

DenseElementsAttr foldMovement(Attribute input, Type type, SourceIndex source) {
  auto constant = dyn_cast_or_null<DenseElementsAttr>(input);
  RankedTensorType tensor = foldableType(type);
  if (!constant || !tensor || constant.empty())
    return {};
  if (constant.isSplat())
    return DenseElementsAttr::get(tensor, constant.getSplatValue<Attribute>());
  if (tensor.getNumElements() > kMaxFoldedElements)
    return {};
  auto elements = constant.getValues<Attribute>();
  SmallVector<Attribute> values;
  forEachIndex(tensor.getShape(), [&](ArrayRef<int64_t> index) {
    values.push_back(elements[source(index)]);
  });
  return DenseElementsAttr::get(tensor, values);
}

DenseElementsAttr
foldElementwise(ArrayRef<Attribute> operands, Type type,
                function_ref<Attribute(ArrayRef<Attribute>)> compute) {
  RankedTensorType tensor = foldableType(type);
  SmallVector<DenseElementsAttr> constants;
  for (Attribute operand : operands) {
    auto constant = dyn_cast_or_null<DenseElementsAttr>(operand);
    if (!constant || constant.empty())
      return {};
    constants.push_back(constant);
  }
  if (!tensor)
    return {};
  if (llvm::all_of(constants, [](auto c) { return c.isSplat(); })) {
    SmallVector<Attribute> elements;
    for (DenseElementsAttr constant : constants)
      elements.push_back(constant.getSplatValue<Attribute>());
    Attribute value = compute(elements);
    return value ? DenseElementsAttr::get(tensor, value) : DenseElementsAttr();
  }
  if (tensor.getNumElements() > kMaxFoldedElements)
    return {};
  SmallVector<SmallVector<int64_t>> strides;
  for (DenseElementsAttr constant : constants) {
    ArrayRef<int64_t> shape = constant.getType().getShape();
    SmallVector<int64_t> own = rowMajorStrides(shape);
    for (auto [stride, size] : llvm::zip_equal(own, shape))
      if (size == 1)
        stride = 0;
    strides.push_back(own);
  }
  SmallVector<Attribute> values;
  bool complete = true;
  forEachIndex(tensor.getShape(), [&](ArrayRef<int64_t> index) {
    if (!complete)
      return;
    SmallVector<Attribute> elements;
    for (auto [constant, own] : llvm::zip_equal(constants, strides)) {
      int64_t position = 0;
      for (auto [i, stride] : llvm::zip_equal(index.take_back(own.size()), own))
        position += i * stride;
      elements.push_back(constant.getValues<Attribute>()[position]);
    }
    values.push_back(compute(elements));
    complete = static_cast<bool>(values.back());
  });
  return complete ? DenseElementsAttr::get(tensor, values)
                  : DenseElementsAttr();
}

Attribute getSplat(Attribute constant) {
  auto dense = dyn_cast_or_null<DenseElementsAttr>(constant);
  if (!dense || dense.empty() || !dense.isSplat())
    return {};
  return dense.getSplatValue<Attribute>();
}

bool isConstantView(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (isa<ConstantOp>(op))
      return true;
    if (!isa<ReshapeOp, TransposeOp, SliceOp>(op))
      return false;
    value = op->getOperand(0);
  }
  return false;
}

bool isUnsignedElement(Type element) {
  return element.isUnsignedInteger() || element.isInteger(1);
}

bool isSplatOf(Attribute constant, double value) {
  Attribute splat = getSplat(constant);
  if (auto number = dyn_cast_or_null<FloatAttr>(splat))
    return number.getValueAsDouble() == value;
  auto number = dyn_cast_or_null<IntegerAttr>(splat);
  if (!number || number.getValue().getBitWidth() > 64)
    return false;
  return isUnsignedElement(number.getType())
             ? static_cast<double>(number.getValue().getZExtValue()) == value
             : static_cast<double>(number.getValue().getSExtValue()) == value;
}

} // namespace mmcc::mm
