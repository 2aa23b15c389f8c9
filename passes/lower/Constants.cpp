//===- Constants.cpp - Constants of the plan and how they are packed ------===//
//
// A weight reaches its product through transposes, slices, reshapes and
// concatenations of constants. None of that is carried out: the packed
// constant records where to read (see plan.constant), and the artifact's
// writer reads each element once, from the mapped model file.
//
//===----------------------------------------------------------------------===//

#include "passes/lower/ConstantSource.h"
#include "passes/lower/Kernel.h"

using namespace mlir;

namespace mmcc::lower {

namespace {

int64_t elementBytes(Type type) {
  return std::max<int64_t>(1, (type.getIntOrFloatBitWidth() + 7) / 8);
}

} // namespace

Value Lowering::internConstant(Type elementType, StringRef layout,
                               int64_t bytes, int64_t groups,
                               ArrayRef<Attribute> sources,
                               ArrayRef<Attribute> pieces, bool columns,
                               Type rounded) {
  MLIRContext *context = module.getContext();
  Builder b(context);
  Type bufferType = rounded ? rounded : elementType;
  auto key =
      b.getArrayAttr({TypeAttr::get(elementType), b.getStringAttr(layout),
                      b.getI64IntegerAttr(groups), b.getArrayAttr(sources),
                      b.getArrayAttr(pieces), b.getBoolAttr(columns),
                      TypeAttr::get(bufferType)});
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
      module.getLoc(), plan::BufferType::get(context, bufferType),
      FlatSymbolRefAttr::get(name), columns ? b.getUnitAttr() : UnitAttr());
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

/// The parts of a matrix [k, n] as plan.constant wants them.
static bool matrixPieces(Value matrix, SmallVectorImpl<Attribute> &sources,
                         SmallVectorImpl<Attribute> &pieces) {
  std::optional<SmallVector<MatrixPart>> parts = matrixParts(matrix);
  if (!parts)
    return false;
  for (const MatrixPart &part : *parts) {
    sources.push_back(part.source.value);
    pieces.push_back(DenseI64ArrayAttr::get(
        matrix.getContext(),
        {part.source.offset, 0, 1, 0, 1, 0, part.rows, part.source.strides[0],
         part.columns, part.source.strides[1]}));
  }
  return true;
}

Value Lowering::packedPanels(Value matrix, bool columns) {
  auto type = cast<RankedTensorType>(matrix.getType());
  Type element = type.getElementType();
  SmallVector<Attribute> sources, pieces;
  if (!type.hasStaticShape() || type.getRank() != 2 ||
      !isa<Float32Type, Float16Type, BFloat16Type, Float8E4M3FNType,
           Float8E5M2Type>(element) ||
      !matrixPieces(matrix, sources, pieces))
    return {};
  int64_t k = type.getShape()[0], n = type.getShape()[1];
  int64_t rows = element.isBF16() ? (k + 1) / 2 * 2 : k;
  int64_t bytes = (n + 15) / 16 * 16 * rows * elementBytes(element);
  return internConstant(element, element.isBF16() ? "pairs16" : "panels16",
                        bytes, 1, sources, pieces, columns);
}

bool Lowering::wantsColumns(Value matrix) const {
  return isCuda() && llvm::any_of(matrix.getUses(), [this](OpOperand &use) {
           if (use.getOperandNumber() != 1)
             return false;
           Type weight = getElementTypeOrSelf(use.get());
           bool isByte =
               weight.isSignlessInteger(8) || isa<Float8E4M3FNType>(weight);
           if (auto linear = dyn_cast<mm::LinearOp>(use.getOwner()))
             return linear.getWide() || (takesTf32 && weight.isF32());
           auto quantized = dyn_cast<mm::QuantizedLinearOp>(use.getOwner());
           return quantized && isByte &&
                  getElementTypeOrSelf(quantized.getInput()) == weight;
         });
}

Value Lowering::packedWeight(Value matrix) {
  auto type = cast<RankedTensorType>(matrix.getType());
  return type.getElementType().isF32() ? packedPanels(matrix) : Value();
}

Value Lowering::packedConstant(ElementsAttr matrix) {
  auto shape = cast<ShapedType>(matrix.getType()).getShape();
  int64_t k = shape[0], n = shape[1];
  auto piece = DenseI64ArrayAttr::get(module.getContext(),
                                      {0, 0, 1, 0, 1, 0, k, n, n, 1});
  return internConstant(matrix.getElementType(), "panels16",
                        (n + 15) / 16 * 16 * k * 4, 1, {matrix}, {piece});
}

Value Lowering::packedLines(Value matrix, bool columns) {
  auto type = cast<RankedTensorType>(matrix.getType());
  Type element = type.getElementType();
  SmallVector<Attribute> sources, pieces;
  if (!type.hasStaticShape() || type.getRank() != 2 ||
      !matrixPieces(matrix, sources, pieces))
    return {};
  StringRef layout = element.isUnsignedInteger(4)   ? "lines4u"
                     : element.isSignlessInteger(4) ? "lines4"
                     : element.isSignlessInteger(8) ? "lines8"
                                                    : "";
  if (layout.empty())
    return {};
  int64_t k = type.getShape()[0], n = type.getShape()[1];
  int64_t bytes = (n + 15) / 16 * 16 * k * element.getIntOrFloatBitWidth() / 8;
  return internConstant(IntegerType::get(module.getContext(), 8), layout, bytes,
                        1, sources, pieces, columns);
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
          use.getOperandNumber() == 1 &&
          getElementTypeOrSelf(use.getOwner()->getResult(0)).isF32())
        if (Value packed = packedPanels(transpose.getResult(),
                                        wantsColumns(transpose.getResult())))
          return packed;
  }
  return {};
}

Value Lowering::packedFilter(Value filter, int64_t groups, bool columns,
                             Type rounded) {
  auto type = cast<RankedTensorType>(filter.getType());
  if (!type.hasStaticShape() || !type.getElementType().isF32())
    return {};
  std::optional<ConstantSource> source = sourceOf(filter);
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
                        {source->value}, {piece}, columns, rounded);
}

Value Lowering::depthwiseFilter(Value filter) {
  auto type = cast<RankedTensorType>(filter.getType());
  std::optional<ConstantSource> source = sourceOf(filter);
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
