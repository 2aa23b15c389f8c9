//===- ReduceFold.cpp - Folder of reductions ------------------------------===//

#include "dialects/mm/ConstantFold.h"

using namespace mlir;
using namespace mmcc::mm;

/// Float elements are combined in double, in order, and rounded once.
static double combine(ReduceKind kind, double a, double b) {
  switch (kind) {
  case ReduceKind::Sum:
  case ReduceKind::Mean:
    return a + b;
  case ReduceKind::Prod:
    return a * b;
  case ReduceKind::Max:
    return maximum(APFloat(a), APFloat(b)).convertToDouble();
  case ReduceKind::Min:
    return minimum(APFloat(a), APFloat(b)).convertToDouble();
  }
  llvm_unreachable("all kinds are handled");
}

static APInt combine(ReduceKind kind, const APInt &a, const APInt &b,
                     bool isUnsigned) {
  switch (kind) {
  case ReduceKind::Sum:
  case ReduceKind::Mean:
    return a + b;
  case ReduceKind::Prod:
    return a * b;
  case ReduceKind::Max:
    return (isUnsigned ? a.ugt(b) : a.sgt(b)) ? a : b;
  case ReduceKind::Min:
    return (isUnsigned ? a.ult(b) : a.slt(b)) ? a : b;
  }
  llvm_unreachable("all kinds are handled");
}

static Attribute reduceElements(ReduceKind kind, ArrayRef<Attribute> elements) {
  if (auto first = dyn_cast<FloatAttr>(elements[0])) {
    double value = first.getValueAsDouble();
    for (Attribute next : elements.drop_front())
      value = combine(kind, value, cast<FloatAttr>(next).getValueAsDouble());
    if (kind == ReduceKind::Mean)
      value /= static_cast<double>(elements.size());
    return FloatAttr::get(first.getType(), value);
  }
  auto first = cast<IntegerAttr>(elements[0]);
  bool isUnsigned = isUnsignedElement(first.getType());
  APInt value = first.getValue();
  for (Attribute next : elements.drop_front())
    value =
        combine(kind, value, cast<IntegerAttr>(next).getValue(), isUnsigned);
  if (kind == ReduceKind::Mean) {
    APInt count(value.getBitWidth(), elements.size());
    value = isUnsigned ? value.udiv(count) : value.sdiv(count);
  }
  return IntegerAttr::get(first.getType(), value);
}

OpFoldResult ReduceOp::fold(FoldAdaptor adaptor) {
  auto from = cast<RankedTensorType>(getInput().getType());
  // One element along every axis: each kind gives that element.
  bool single = llvm::all_of(
      getAxes(), [&](int64_t axis) { return from.getDimSize(axis) == 1; });
  if (single && from == getType())
    return getInput();

  auto type = cast<RankedTensorType>(getType());
  auto input = dyn_cast_or_null<DenseElementsAttr>(adaptor.getInput());
  if (!input || input.empty() || !from.hasStaticShape() ||
      input.getNumElements() > kMaxFoldedElements ||
      !from.getElementType().isIntOrFloat() ||
      from.getElementTypeBitWidth() < 8)
    return {};
  SmallVector<SmallVector<Attribute>> groups(type.getNumElements());
  SmallVector<int64_t> strides = rowMajorStrides(from.getShape());
  // Strides of the result seen from the input: 0 along reduced dimensions.
  SmallVector<int64_t> groupStrides(from.getRank(), 0);
  int64_t size = 1;
  for (int64_t i = from.getRank() - 1; i >= 0; --i) {
    if (llvm::is_contained(getAxes(), i))
      continue;
    groupStrides[i] = size;
    size *= from.getDimSize(i);
  }
  auto elements = input.getValues<Attribute>();
  forEachIndex(from.getShape(), [&](ArrayRef<int64_t> index) {
    int64_t position = 0, group = 0;
    for (auto [i, stride, groupStride] :
         llvm::zip_equal(index, strides, groupStrides)) {
      position += i * stride;
      group += i * groupStride;
    }
    groups[group].push_back(elements[position]);
  });
  SmallVector<Attribute> values;
  for (ArrayRef<Attribute> group : groups)
    values.push_back(reduceElements(getKind(), group));
  return DenseElementsAttr::get(type, values);
}
