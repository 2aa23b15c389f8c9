//===- TableElement.cpp - Elements of tables and narrow numbers -----------===//
//
// A table that a product reads as its weight, too, is stored as that product
// wants it; a row of it is taken from there.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/lower/Kernel.h"

using namespace mlir;

namespace mmcc::lower {

static Type elementOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getElementType();
}

/// Whether a packed weight is in columns (plan.get_constant).
static bool isInColumns(Value packed) {
  auto constant = packed.getDefiningOp<plan::GetConstantOp>();
  return constant && constant.getColumns();
}

/// The view of such a weight's columns as the rows of `table`.
static View rowsInColumns(Value packed, Value table, const Symbols &symbols) {
  int64_t whole = 128 / elementOf(table).getIntOrFloatBitWidth();
  Dim pitch = mm::getShape(table.getType())[1].ceilDiv(whole) * whole;
  return {packed, symbols.constant(0), {pitch, symbols.constant(1)}};
}

Value Element::panelElement(Value panels, Value table, AffineExpr row,
                            AffineExpr column) {
  const Symbols &symbols = kernel.lowering.symbols;
  Shape shape = mm::getShape(table.getType());
  Dim panel = symbols.constant(16);
  if (isInColumns(panels))
    return load(rowsInColumns(panels, table, symbols), {row, column},
                elementOf(table));
  Value number = indexValue(row), width = indexConstant(16);
  AffineExpr which =
      computedDim(builder.create<arith::DivUIOp>(loc, number, width),
                  shape[0].ceilDiv(panel));
  AffineExpr lane =
      computedDim(builder.create<arith::RemUIOp>(loc, number, width), panel);
  if (elementOf(table).isBF16()) { // rows in pairs
    Dim two = symbols.constant(2), pairs = shape[1].ceilDiv(two);
    View view{panels,
              symbols.constant(0),
              {pairs * panel * two, panel * two, two, symbols.constant(1)}};
    return load(view, {which, column.floorDiv(2), lane, column % 2},
                elementOf(table));
  }
  View view{panels,
            symbols.constant(0),
            {shape[1] * panel, panel, symbols.constant(1)}};
  return load(view, {which, column, lane}, elementOf(table));
}

Value Element::weightElement(Value rows, ArrayRef<AffineExpr> index) {
  auto gather = rows.getDefiningOp<mm::GatherOp>();
  if (!gather || gather.getAxis() != 0 || kernel.lowering.isStored(rows))
    return {};
  auto transpose = gather.getInput().getDefiningOp<mm::TransposeOp>();
  auto type = cast<RankedTensorType>(gather.getInput().getType());
  if (!transpose || type.getRank() != 2 ||
      transpose.getPermutation() != ArrayRef<int64_t>{1, 0})
    return {};
  bool isFloat = isa<FloatType>(type.getElementType());
  Value weight = transpose.getInput();
  bool columns = kernel.lowering.wantsColumns(weight);
  Value packed = isFloat ? kernel.lowering.packedPanels(weight, columns)
                         : kernel.lowering.packedLines(weight, columns);
  if (!packed)
    return {};
  const Symbols &symbols = kernel.lowering.symbols;
  Shape shape = mm::getShape(type);
  size_t rank = index.size() - 1;
  AffineExpr which =
      gatherIndex(gather.getIndices(), index.take_front(rank), shape[0]);
  Type f32 = builder.getF32Type();
  if (isFloat)
    return emitCast(
        builder, loc,
        panelElement(packed, gather.getInput(), which, index.back()),
        type.getElementType(), f32);
  auto widened = [&](Value byte) -> Value {
    return builder.create<arith::SIToFPOp>(
        loc, f32,
        builder.create<arith::ExtSIOp>(loc, builder.getI32Type(), byte));
  };
  if (isInColumns(packed))
    return widened(load(rowsInColumns(packed, gather.getInput(), symbols),
                        {which, index.back()}, builder.getI8Type()));
  Value row = indexValue(which);
  Value k = indexValue(index.back());
  auto number = [&](int64_t value) { return indexConstant(value); };
  auto div = [&](Value x, int64_t by) -> Value {
    return builder.create<arith::DivUIOp>(loc, x, number(by));
  };
  auto rem = [&](Value x, int64_t by) -> Value {
    return builder.create<arith::RemUIOp>(loc, x, number(by));
  };
  auto sum = [&](Value x, Value y, int64_t times) -> Value {
    return builder.create<arith::AddIOp>(
        loc, x, builder.create<arith::MulIOp>(loc, y, number(times)));
  };
  // See codegen/cpu/kernels/NarrowPanel.h.
  int64_t bits = type.getElementTypeBitWidth(), lineRows = 32 / bits;
  int64_t panelBytes = type.getDimSize(1) * 16 * bits / 8;
  Value place = sum(sum(sum(rem(k, 4), rem(row, 16), 4), div(k, lineRows), 64),
                    div(row, 16), panelBytes);
  int64_t bytes = (type.getDimSize(0) + 15) / 16 * panelBytes;
  AffineExpr at_ = computedDim(place, symbols.constant(bytes));
  Type i32 = builder.getI32Type();
  Value byte = load({packed, symbols.constant(0), {symbols.constant(1)}}, {at_},
                    builder.getI8Type());
  auto real = [&](Value integer) -> Value {
    return builder.create<arith::SIToFPOp>(loc, f32, integer);
  };
  if (bits == 8)
    return widened(byte);
  Value both = builder.create<arith::ExtUIOp>(loc, i32, byte);
  Value half =
      builder.create<arith::IndexCastOp>(loc, i32, div(rem(k, lineRows), 4));
  Value shift =
      builder.create<arith::MulIOp>(loc, half, intConstant(i32, bits));
  Value field = builder.create<arith::AndIOp>(
      loc, builder.create<arith::ShRUIOp>(loc, both, shift),
      intConstant(i32, 15));
  if (type.getElementType().isUnsignedInteger())
    return real(field);
  return real(builder.create<arith::SubIOp>(loc, field, intConstant(i32, 8)));
}

Value Element::dequantizedElement(mm::DequantizeOp op,
                                  ArrayRef<AffineExpr> index) {
  Type f32 = builder.getF32Type();
  Value number = weightElement(op.getInput(), index);
  if (!number)
    number = emitCast(builder, loc, at(op.getInput(), index),
                      elementOf(op.getInput()), f32);
  SmallVector<AffineExpr> block(index);
  int64_t axis = op.getAxis(), size = op.getBlock();
  if (size > 1)
    block[axis] = block[axis].floorDiv(size);
  block = broadcastIndex(op.getScale(), block);
  if (Value zero = op.getZero())
    number = builder.create<arith::SubFOp>(loc, number, at(zero, block));
  return builder.create<arith::MulFOp>(loc, number, at(op.getScale(), block));
}

} // namespace mmcc::lower
