//===- Constants.cpp - Constants of the plan and how they are packed ------===//
//
// A weight reaches its product through transposes, slices, reshapes and
// concatenations of constants. None of that is carried out: the packed
// constant records where to read (see plan.constant), and the artifact's
// writer reads each element once, from the mapped model file.
//
//===----------------------------------------------------------------------===//

#include "passes/lower/Kernel.h"

using namespace mlir;

namespace mmcc::lower {

namespace {

/// A strided look at the elements of one constant.
struct Source {
  ElementsAttr value;
  int64_t offset;
  SmallVector<int64_t> strides;
};

SmallVector<int64_t> denseStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;)
    strides[i - 1] = strides[i] * shape[i];
  return strides;
}

/// Follows data movement back to one constant; nothing if there is none.
std::optional<Source> sourceOf(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (auto constant = dyn_cast<mm::ConstantOp>(op))
    return Source{
        constant.getValue(), 0,
        denseStrides(cast<RankedTensorType>(value.getType()).getShape())};
  if (!isa<mm::TransposeOp, mm::ReshapeOp, mm::SliceOp>(op))
    return std::nullopt;
  std::optional<Source> source = sourceOf(op->getOperand(0));
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

int64_t elementBytes(Type type) {
  return std::max<int64_t>(1, (type.getIntOrFloatBitWidth() + 7) / 8);
}

} // namespace

Value Lowering::internConstant(Type elementType, StringRef layout,
                               int64_t bytes, int64_t groups,
                               ArrayRef<Attribute> sources,
                               ArrayRef<Attribute> pieces) {
  MLIRContext *context = module.getContext();
  Builder b(context);
  auto key =
      b.getArrayAttr({TypeAttr::get(elementType), b.getStringAttr(layout),
                      b.getI64IntegerAttr(groups), b.getArrayAttr(sources),
                      b.getArrayAttr(pieces)});
  Value &buffer = constantBuffers[key];
  if (buffer)
    return buffer;
  // Variants share constants: look for an equal one in the module.
  StringAttr name;
  unsigned count = 0;
  for (auto known : module.getOps<plan::ConstantOp>()) {
    ++count;
    if (known.getElementType() == elementType && known.getLayout() == layout &&
        static_cast<int64_t>(known.getGroups()) == groups &&
        known.getSources() == b.getArrayAttr(sources) &&
        known.getPieces() == b.getArrayAttr(pieces)) {
      name = known.getSymNameAttr();
      break;
    }
  }
  if (!name) {
    OpBuilder moduleBuilder(variant);
    name = b.getStringAttr("constant_" + Twine(count));
    moduleBuilder.create<plan::ConstantOp>(
        module.getLoc(), name, TypeAttr::get(elementType),
        b.getStringAttr(layout), b.getI64IntegerAttr(bytes),
        b.getI64IntegerAttr(groups), b.getArrayAttr(sources),
        b.getArrayAttr(pieces));
  }
  // At the start of the entry, so that every command sees it.
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&entry.getBody().front());
  buffer = builder.create<plan::GetConstantOp>(
      module.getLoc(), plan::BufferType::get(context, elementType),
      FlatSymbolRefAttr::get(name));
  return buffer;
}

View Lowering::constantView(mm::ConstantOp op) {
  auto type = cast<RankedTensorType>(op.getResult().getType());
  SmallVector<int64_t> strides = denseStrides(type.getShape());
  SmallVector<int64_t> piece{0};
  for (auto [size, stride] : llvm::zip(type.getShape(), strides)) {
    piece.push_back(size);
    piece.push_back(stride);
  }
  Value buffer = internConstant(
      type.getElementType(), "dense",
      type.getNumElements() * elementBytes(type.getElementType()), 1,
      {op.getValue()}, {DenseI64ArrayAttr::get(op.getContext(), piece)});
  return {buffer, symbols.constant(0),
          rowMajorStrides(mm::getShape(type), symbols.context)};
}

/// Collects the parts of a matrix [k, n] along n.
static bool matrixPieces(Value matrix, SmallVectorImpl<Attribute> &sources,
                         SmallVectorImpl<Attribute> &pieces) {
  if (auto concat = matrix.getDefiningOp<mm::ConcatOp>()) {
    if (concat.getAxis() != 1)
      return false;
    return llvm::all_of(concat.getInputs(), [&](Value input) {
      return matrixPieces(input, sources, pieces);
    });
  }
  // A transposed concatenation along n is a concatenation along dimension 0.
  if (auto transpose = matrix.getDefiningOp<mm::TransposeOp>())
    if (auto concat = transpose.getInput().getDefiningOp<mm::ConcatOp>();
        concat && concat.getAxis() == 0 &&
        transpose.getPermutation() == ArrayRef<int64_t>{1, 0}) {
      for (Value input : concat.getInputs()) {
        std::optional<Source> source = sourceOf(input);
        if (!source)
          return false;
        auto shape = cast<RankedTensorType>(input.getType()).getShape();
        sources.push_back(source->value);
        pieces.push_back(DenseI64ArrayAttr::get(
            matrix.getContext(),
            {source->offset, 0, 1, 0, 1, 0, shape[1], source->strides[1],
             shape[0], source->strides[0]}));
      }
      return true;
    }
  std::optional<Source> source = sourceOf(matrix);
  if (!source)
    return false;
  auto shape = cast<RankedTensorType>(matrix.getType()).getShape();
  sources.push_back(source->value);
  pieces.push_back(DenseI64ArrayAttr::get(
      matrix.getContext(), {source->offset, 0, 1, 0, 1, 0, shape[0],
                            source->strides[0], shape[1], source->strides[1]}));
  return true;
}

Value Lowering::packedWeight(Value matrix) {
  auto type = cast<RankedTensorType>(matrix.getType());
  if (!type.hasStaticShape() || type.getRank() != 2 ||
      !type.getElementType().isF32())
    return {};
  SmallVector<Attribute> sources, pieces;
  if (!matrixPieces(matrix, sources, pieces))
    return {};
  int64_t k = type.getShape()[0], n = type.getShape()[1];
  int64_t bytes = (n + 15) / 16 * 16 * k * 4;
  return internConstant(type.getElementType(), "panels16", bytes, 1, sources,
                        pieces);
}

Value Lowering::tiedTable(Value table) {
  auto type = cast<RankedTensorType>(table.getType());
  if (!table.getDefiningOp<mm::ConstantOp>() || type.getRank() != 2)
    return {};
  for (Operation *user : table.getUsers()) {
    auto transpose = dyn_cast<mm::TransposeOp>(user);
    if (!transpose || transpose.getPermutation() != ArrayRef<int64_t>{1, 0})
      continue;
    for (OpOperand &use : transpose.getResult().getUses())
      if (isa<mm::LinearOp, mm::MatmulOp>(use.getOwner()) &&
          use.getOperandNumber() == 1)
        if (Value packed = packedWeight(transpose.getResult()))
          return packed;
  }
  return {};
}

Value Lowering::packedFilter(Value filter, int64_t groups) {
  auto type = cast<RankedTensorType>(filter.getType());
  if (!type.hasStaticShape() || !type.getElementType().isF32())
    return {};
  std::optional<Source> source = sourceOf(filter);
  if (!source)
    return {};
  ArrayRef<int64_t> shape = type.getShape();
  int64_t rank = shape.size();
  if (rank < 3 || rank > 4)
    return {};
  bool flat = rank == 3;
  int64_t taps = shape[rank - 1] * (flat ? 1 : shape[2]);
  int64_t n = shape[0] / groups;
  int64_t bytes = groups * ((n + 15) / 16 * 16) * taps * shape[1] * 4;
  auto piece = DenseI64ArrayAttr::get(
      filter.getContext(),
      {source->offset, n * source->strides[0], flat ? 1 : shape[2],
       flat ? 0 : source->strides[2], shape[rank - 1],
       source->strides[rank - 1], shape[1], source->strides[1], n,
       source->strides[0]});
  return internConstant(type.getElementType(), "panels16", bytes, groups,
                        {source->value}, {piece});
}

Value Lowering::depthwiseFilter(Value filter) {
  auto type = cast<RankedTensorType>(filter.getType());
  std::optional<Source> source = sourceOf(filter);
  if (!source || !type.hasStaticShape())
    return {};
  ArrayRef<int64_t> shape = type.getShape();
  SmallVector<int64_t> piece{source->offset};
  int64_t count = shape[0];
  for (size_t i = 2; i < shape.size(); ++i) {
    piece.push_back(shape[i]);
    piece.push_back(source->strides[i]);
    count *= shape[i];
  }
  piece.push_back(shape[0]);
  piece.push_back(source->strides[0]);
  return internConstant(type.getElementType(), "dense", count * 4, 1,
                        {source->value},
                        {DenseI64ArrayAttr::get(filter.getContext(), piece)});
}

} // namespace mmcc::lower
