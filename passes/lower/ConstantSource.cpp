//===- ConstantSource.cpp - Where a constant's elements are read ----------===//

#include "passes/lower/ConstantSource.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "passes/lower/Index.h"

#include <cstring>

using namespace mlir;

namespace mmcc::lower {

std::optional<ConstantBytes> bytesOf(ElementsAttr value) {
  Type element = value.getElementType();
  if (!element.isIntOrFloat() || element.isInteger(1))
    return std::nullopt;
  int64_t width = (element.getIntOrFloatBitWidth() + 7) / 8;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob ||
        int64_t(blob->getData().size()) / width < value.getNumElements())
      return std::nullopt;
    return ConstantBytes{blob->getData(), width, false};
  }
  if (auto dense = dyn_cast<DenseElementsAttr>(value))
    return ConstantBytes{dense.getRawData(), width, dense.isSplat()};
  return std::nullopt;
}

SmallVector<int64_t> denseStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;)
    strides[i - 1] = strides[i] * shape[i];
  return strides;
}

std::optional<ConstantSource> sourceOf(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (auto constant = dyn_cast<mm::ConstantOp>(op))
    return ConstantSource{
        constant.getValue(), 0,
        denseStrides(cast<RankedTensorType>(value.getType()).getShape())};
  if (!isa<mm::TransposeOp, mm::ReshapeOp, mm::SliceOp>(op))
    return std::nullopt;
  std::optional<ConstantSource> source = sourceOf(op->getOperand(0));
  if (!source)
    return std::nullopt;
  if (auto transpose = dyn_cast<mm::TransposeOp>(op)) {
    SmallVector<int64_t> strides;
    for (int64_t dim : transpose.getPermutation())
      strides.push_back(source->strides[dim]);
    source->strides = strides;
    return source;
  }
  if (auto slice = dyn_cast<mm::SliceOp>(op)) {
    for (auto [i, step] : llvm::enumerate(slice.getSteps())) {
      std::optional<int64_t> offset =
          slice.getOffsets().getDim(i).getConstant();
      if (!offset)
        return std::nullopt;
      source->offset += *offset * source->strides[i];
      source->strides[i] *= step;
    }
    return source;
  }
  // Reshape: every group must step evenly.
  Shape from = mm::getShape(op->getOperand(0).getType());
  Shape to = mm::getShape(value.getType());
  SmallVector<int64_t> strides;
  for (const ReshapeGroup &group : reshapeGroups(from, to)) {
    std::optional<int64_t> inner;
    int64_t expected = 0;
    for (unsigned i = group.fromEnd; i-- > group.fromBegin;) {
      int64_t extent = *from[i].getConstant();
      if (extent == 1)
        continue;
      if (!inner)
        inner = source->strides[i];
      else if (source->strides[i] != expected)
        return std::nullopt;
      expected = source->strides[i] * extent;
    }
    SmallVector<int64_t> groupStrides(group.toEnd - group.toBegin);
    int64_t stride = inner.value_or(0);
    for (unsigned j = group.toEnd; j-- > group.toBegin;) {
      groupStrides[j - group.toBegin] = stride;
      stride *= *to[j].getConstant();
    }
    llvm::append_range(strides, groupStrides);
  }
  source->strides = strides;
  return source;
}

/// Adds the parts of `matrix` [k, n]; false if it is not made of constants.
static bool addParts(Value matrix, SmallVectorImpl<MatrixPart> &parts) {
  if (auto concat = matrix.getDefiningOp<mm::ConcatOp>())
    return concat.getAxis() == 1 &&
           llvm::all_of(concat.getInputs(),
                        [&](Value input) { return addParts(input, parts); });
  // A transposed concatenation along n is a concatenation along dimension 0.
  if (auto transpose = matrix.getDefiningOp<mm::TransposeOp>())
    if (auto concat = transpose.getInput().getDefiningOp<mm::ConcatOp>();
        concat && concat.getAxis() == 0 &&
        transpose.getPermutation() == ArrayRef<int64_t>{1, 0})
      return llvm::all_of(concat.getInputs(), [&](Value input) {
        std::optional<ConstantSource> source = sourceOf(input);
        if (!source)
          return false;
        std::swap(source->strides[0], source->strides[1]);
        auto shape = cast<RankedTensorType>(input.getType()).getShape();
        parts.push_back({std::move(*source), shape[1], shape[0]});
        return true;
      });
  std::optional<ConstantSource> source = sourceOf(matrix);
  if (!source)
    return false;
  auto shape = cast<RankedTensorType>(matrix.getType()).getShape();
  parts.push_back({std::move(*source), shape[0], shape[1]});
  return true;
}

template <typename T> std::optional<std::vector<T>> readColumns(Value matrix) {
  auto type = cast<RankedTensorType>(matrix.getType());
  Type element = type.getElementType();
  bool fits =
      std::is_same_v<T, float> ? element.isF32() : element.isSignlessInteger(8);
  std::optional<SmallVector<MatrixPart>> parts = matrixParts(matrix);
  if (!parts || !fits)
    return std::nullopt;
  std::vector<T> numbers(type.getNumElements());
  T *to = numbers.data();
  for (const MatrixPart &part : *parts) {
    std::optional<ConstantBytes> bytes = bytesOf(part.source.value);
    if (!bytes)
      return std::nullopt;
    int64_t row = part.source.strides[0], column = part.source.strides[1];
    // Mapped files promise no alignment.
    for (int64_t n = 0; n < part.columns; ++n)
      for (int64_t k = 0; k < part.rows; ++k, ++to)
        std::memcpy(to, bytes->at(part.source.offset + k * row + n * column),
                    sizeof(T));
  }
  return numbers;
}

template std::optional<std::vector<float>> readColumns<float>(Value);
template std::optional<std::vector<int8_t>> readColumns<int8_t>(Value);

std::optional<SmallVector<MatrixPart>> matrixParts(Value matrix) {
  SmallVector<MatrixPart> parts;
  if (!addParts(matrix, parts))
    return std::nullopt;
  return parts;
}

} // namespace mmcc::lower
