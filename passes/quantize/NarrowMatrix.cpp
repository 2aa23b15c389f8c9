//===- NarrowMatrix.cpp - A weight that came as integers ------------------===//

#include "passes/quantize/NarrowMatrix.h"
#include "passes/fuse/ConstantValues.h"

using namespace mlir;

namespace mmcc::quantize {

static mm::Shape shapeOf(OpBuilder &builder, ArrayRef<int64_t> sizes) {
  return mm::makeShape(builder.getContext(), sizes);
}

static bool isByte(Value value) {
  return getTensorType(value).getElementType().isInteger(8);
}

/// Whether only the last two dimensions are not of size 1.
static bool isMatrix(RankedTensorType type) {
  return type.getRank() >= 2 && type.hasStaticShape() &&
         llvm::all_of(type.getShape().drop_back(2),
                      [](int64_t size) { return size == 1; });
}

static std::optional<NarrowMatrix> matchDequantize(OpBuilder &builder,
                                                   mm::DequantizeOp op) {
  auto type = getTensorType(op.getInput());
  if (!isMatrix(type) || !isByte(op.getInput()) ||
      !isConstantExpression(op.getResult()))
    return std::nullopt;
  auto lastTwo = [&](Value value) -> Value {
    if (!value)
      return {};
    return reshapeTo(builder, op.getLoc(), value,
                     ArrayRef(mm::getShape(value.getType())).take_back(2));
  };
  NarrowMatrix matrix{lastTwo(op.getInput()), lastTwo(op.getScale()),
                      lastTwo(op.getZero())};
  int64_t first = type.getRank() - 2;
  for (int i : {0, 1}) {
    int64_t entries = getTensorType(matrix.scale).getDimSize(i);
    int64_t step = first + i == int64_t(op.getAxis()) ? op.getBlock() : 1;
    matrix.steps[i] = entries == 1 ? matrix.size(i) : step;
  }
  return matrix;
}

/// Gives each number along dimension `i` an entry of its own; false if blocks
/// lie along it.
static bool spreadAlong(OpBuilder &builder, Location loc, NarrowMatrix &matrix,
                        int i) {
  if (matrix.steps[i] == 1)
    return true;
  SmallVector<int64_t> sizes(getTensorType(matrix.scale).getShape());
  if (sizes[i] != 1)
    return false;
  sizes[i] = matrix.size(i);
  for (Value *value : {&matrix.scale, &matrix.zero})
    if (*value)
      *value = builder.create<mm::BroadcastOp>(
          loc,
          mm::makeTensorType(shapeOf(builder, sizes), builder.getF32Type()),
          *value);
  matrix.steps[i] = 1;
  return true;
}

static std::optional<NarrowMatrix>
matchProduct(OpBuilder &builder, Operation *op, Value product, Value factor) {
  auto type = getTensorType(factor);
  if (product.getType() != op->getResult(0).getType() ||
      !type.hasStaticShape() || !isMatrix(getTensorType(product)) ||
      !isConstantExpression(factor))
    return std::nullopt;
  std::optional<NarrowMatrix> matrix = matchNarrowMatrix(builder, product);
  if (!matrix)
    return std::nullopt;
  SmallVector<int64_t> sizes(2, 1);
  for (int64_t i = 0; i < std::min<int64_t>(type.getRank(), 2); ++i)
    sizes[1 - i] = type.getDimSize(type.getRank() - 1 - i);
  for (int i : {0, 1})
    if (sizes[i] != 1 && !spreadAlong(builder, op->getLoc(), *matrix, i))
      return std::nullopt;
  Value aligned =
      reshapeTo(builder, op->getLoc(), factor, shapeOf(builder, sizes));
  if (isa<mm::DivOp>(op))
    matrix->scale =
        builder.create<mm::DivOp>(op->getLoc(), matrix->scale, aligned);
  else
    matrix->scale =
        builder.create<mm::MulOp>(op->getLoc(), matrix->scale, aligned);
  return matrix;
}

static Value fill(OpBuilder &builder, Location loc, RankedTensorType type,
                  float number) {
  return builder.create<mm::ConstantOp>(
      loc, DenseElementsAttr::get(type, ArrayRef(number)));
}

static std::optional<NarrowMatrix> matchConcat(OpBuilder &builder,
                                               mm::ConcatOp op) {
  int axis = op.getAxis();
  if (getTensorType(op.getResult()).getRank() != 2)
    return std::nullopt;
  SmallVector<NarrowMatrix> parts;
  SmallVector<Value> numbers, scales, zeros;
  bool anyZero = false;
  for (Value input : op.getInputs()) {
    std::optional<NarrowMatrix> part = matchNarrowMatrix(builder, input);
    if (!part || !spreadAlong(builder, op.getLoc(), *part, axis))
      return std::nullopt;
    parts.push_back(*part);
    anyZero |= bool(part->zero);
    auto type = getTensorType(part->numbers);
    if (part->steps[1 - axis] != parts[0].steps[1 - axis] ||
        type.getElementType() !=
            getTensorType(parts[0].numbers).getElementType())
      return std::nullopt;
  }
  for (NarrowMatrix &part : parts) {
    numbers.push_back(part.numbers);
    scales.push_back(part.scale);
    if (anyZero)
      zeros.push_back(
          part.zero ? part.zero
                    : fill(builder, op.getLoc(), getTensorType(part.scale), 0));
  }
  auto join = [&](ArrayRef<Value> values) -> Value {
    return builder.create<mm::ConcatOp>(op.getLoc(), values, axis);
  };
  NarrowMatrix all{join(numbers), join(scales),
                   anyZero ? join(zeros) : Value()};
  all.steps[axis] = 1;
  all.steps[1 - axis] = parts[0].steps[1 - axis];
  return all;
}

std::optional<NarrowMatrix> matchNarrowMatrix(OpBuilder &builder, Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (auto dequantize = dyn_cast<mm::DequantizeOp>(op))
    return matchDequantize(builder, dequantize);
  if (auto concat = dyn_cast<mm::ConcatOp>(op))
    return matchConcat(builder, concat);
  if (isa<mm::MulOp, mm::DivOp>(op)) {
    Value a = op->getOperand(0), b = op->getOperand(1);
    if (auto matrix = matchProduct(builder, op, a, b))
      return matrix;
    if (isa<mm::MulOp>(op))
      return matchProduct(builder, op, b, a);
    return std::nullopt;
  }
  if (!isa<mm::TransposeOp, mm::ReshapeOp>(op))
    return std::nullopt;
  auto from = getTensorType(op->getOperand(0)), to = getTensorType(value);
  if (!isMatrix(from) || !isMatrix(to))
    return std::nullopt;
  bool isSame = from.getShape().take_back(2) == to.getShape().take_back(2);
  if (isa<mm::ReshapeOp>(op))
    return isSame ? matchNarrowMatrix(builder, op->getOperand(0))
                  : std::nullopt;
  ArrayRef<int64_t> permutation = cast<mm::TransposeOp>(op).getPermutation();
  int64_t rank = from.getRank();
  if (permutation[rank - 1] != rank - 2 || permutation[rank - 2] != rank - 1)
    return std::nullopt;
  std::optional<NarrowMatrix> matrix =
      matchNarrowMatrix(builder, op->getOperand(0));
  if (!matrix)
    return std::nullopt;
  for (Value *part : {&matrix->numbers, &matrix->scale, &matrix->zero})
    if (*part)
      *part = transposeTo(builder, op->getLoc(), *part, {1, 0});
  std::swap(matrix->steps[0], matrix->steps[1]);
  return matrix;
}

} // namespace mmcc::quantize
