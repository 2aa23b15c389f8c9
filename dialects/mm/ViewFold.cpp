//===- ViewFold.cpp - Folders of constants and data movement --------------===//

#include "dialects/mm/ConstantFold.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace mmcc::mm;

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getResult().getType())
    return getInput();
  auto type = cast<RankedTensorType>(getResult().getType());
  Attribute input = adaptor.getInput();
  // Weights stay where they are; only their type is another.
  if (auto resource = dyn_cast_or_null<DenseResourceElementsAttr>(input))
    return DenseResourceElementsAttr::get(type, resource.getRawHandle());
  if (input && type.hasStaticShape()) {
    SmallVector<int64_t> strides = rowMajorStrides(type.getShape());
    if (DenseElementsAttr folded =
            foldMovement(input, type, [&](ArrayRef<int64_t> index) {
              int64_t position = 0;
              for (auto [i, stride] : llvm::zip_equal(index, strides))
                position += i * stride;
              return position;
            }))
      return folded;
  }
  if (auto inner = getInput().getDefiningOp<ReshapeOp>()) {
    getInputMutable().assign(inner.getInput());
    return getResult();
  }
  return {};
}

OpFoldResult TransposeOp::fold(FoldAdaptor adaptor) {
  ArrayRef<int64_t> permutation = getPermutation();
  bool identity = true;
  for (auto [index, source] : llvm::enumerate(permutation))
    identity &= static_cast<int64_t>(index) == source;
  if (identity)
    return getInput();
  auto from = cast<RankedTensorType>(getInput().getType());
  if (adaptor.getInput() && from.hasStaticShape()) {
    SmallVector<int64_t> strides = rowMajorStrides(from.getShape());
    if (DenseElementsAttr folded = foldMovement(
            adaptor.getInput(), getResult().getType(),
            [&](ArrayRef<int64_t> index) {
              int64_t position = 0;
              for (auto [i, source] : llvm::zip_equal(index, permutation))
                position += i * strides[source];
              return position;
            }))
      return folded;
  }
  // Of two permutations in a row, one is left.
  if (auto inner = getInput().getDefiningOp<TransposeOp>()) {
    SmallVector<int64_t> combined;
    for (int64_t source : permutation)
      combined.push_back(inner.getPermutation()[source]);
    setPermutation(combined);
    getInputMutable().assign(inner.getInput());
    return getResult();
  }
  return {};
}

OpFoldResult BroadcastOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getResult().getType())
    return getInput();
  if (DenseElementsAttr folded =
          foldElementwise(adaptor.getInput(), getResult().getType(),
                          [](ArrayRef<Attribute> e) { return e[0]; }))
    return folded;
  if (auto inner = getInput().getDefiningOp<BroadcastOp>()) {
    getInputMutable().assign(inner.getInput());
    return getResult();
  }
  return {};
}

OpFoldResult ConcatOp::fold(FoldAdaptor adaptor) {
  if (getInputs().size() == 1)
    return getInputs()[0];
  auto type = cast<RankedTensorType>(getResult().getType());
  if (!type.hasStaticShape() || type.getNumElements() == 0)
    return {};
  SmallVector<DenseElementsAttr> parts;
  Attribute common;
  bool allEqual = true;
  for (Attribute input : adaptor.getInputs()) {
    auto dense = dyn_cast_or_null<DenseElementsAttr>(input);
    if (!dense || !type.getElementType().isIntOrFloat())
      return {};
    parts.push_back(dense);
    if (dense.empty())
      continue;
    Attribute splat = getSplat(dense);
    allEqual &= splat && (!common || common == splat);
    common = splat;
  }
  if (allEqual)
    return DenseElementsAttr::get(type, common);
  if (type.getNumElements() > kMaxFoldedElements)
    return {};
  SmallVector<Attribute> values;
  int64_t axis = getAxis();
  forEachIndex(type.getShape(), [&](ArrayRef<int64_t> index) {
    SmallVector<int64_t> local(index);
    size_t part = 0;
    while (local[axis] >= parts[part].getType().getShape()[axis])
      local[axis] -= parts[part++].getType().getShape()[axis];
    int64_t position = 0;
    for (auto [i, stride] : llvm::zip_equal(
             local, rowMajorStrides(parts[part].getType().getShape())))
      position += i * stride;
    values.push_back(parts[part].getValues<Attribute>()[position]);
  });
  return DenseElementsAttr::get(type, values);
}

OpFoldResult SliceOp::fold(FoldAdaptor adaptor) {
  // One type and unit steps leave no room for another offset than 0.
  bool unitSteps = llvm::all_of(getSteps(), [](int64_t s) { return s == 1; });
  if (unitSteps && getInput().getType() == getResult().getType())
    return getInput();
  auto from = cast<RankedTensorType>(getInput().getType());
  if (!adaptor.getInput() || !from.hasStaticShape())
    return {};
  SmallVector<int64_t> strides = rowMajorStrides(from.getShape());
  int64_t start = 0;
  for (auto [index, stride] : llvm::enumerate(strides)) {
    std::optional<int64_t> offset = getOffsets().getDim(index).getConstant();
    if (!offset)
      return {};
    start += *offset * stride;
  }
  return foldMovement(adaptor.getInput(), getResult().getType(),
                      [&](ArrayRef<int64_t> index) {
                        int64_t position = start;
                        for (auto [i, stride, step] :
                             llvm::zip_equal(index, strides, getSteps()))
                          position += i * step * stride;
                        return position;
                      });
}

OpFoldResult PadOp::fold(FoldAdaptor) {
  // One type and nothing in front leave nothing behind either.
  bool inFront = llvm::any_of(getLow().getDims(), [](const Dim &amount) {
    return !amount.isConstant(0);
  });
  return !inFront && getInput().getType() == getResult().getType() ? getInput()
                                                                   : Value();
}

OpFoldResult GatherOp::fold(FoldAdaptor adaptor) {
  auto from = cast<RankedTensorType>(getInput().getType());
  auto indices = dyn_cast_or_null<DenseIntElementsAttr>(adaptor.getIndices());
  if (!adaptor.getInput() || !indices || !from.hasStaticShape())
    return {};
  int64_t axis = getAxis(), size = from.getDimSize(axis);
  int64_t indexRank = indices.getType().getRank();
  auto valid = [&](const APInt &i) {
    return i.getSExtValue() >= -size && i.getSExtValue() < size;
  };
  if (indices.getNumElements() > kMaxFoldedElements ||
      !llvm::all_of(indices.getValues<APInt>(), valid))
    return {};
  SmallVector<int64_t> strides = rowMajorStrides(from.getShape());
  SmallVector<int64_t> indexStrides =
      rowMajorStrides(indices.getType().getShape());
  return foldMovement(
      adaptor.getInput(), getResult().getType(), [&](ArrayRef<int64_t> index) {
        int64_t at = 0, position = 0;
        for (int64_t i = 0; i < indexRank; ++i)
          at += index[axis + i] * indexStrides[i];
        int64_t taken = indices.getValues<APInt>()[at].getSExtValue();
        position = (taken < 0 ? taken + size : taken) * strides[axis];
        for (int64_t i = 0; i < from.getRank(); ++i)
          if (i != axis)
            position += index[i < axis ? i : i + indexRank - 1] * strides[i];
        return position;
      });
}
