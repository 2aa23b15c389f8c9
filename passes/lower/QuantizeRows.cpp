//===- QuantizeRows.cpp - Rows as bytes, where they are made --------------===//
//
// A row's scale is known once the whole row is. Where a norm or an activation
// makes the row, the kernel that does goes over it twice more while it lies in
// the first level cache, and the row's numbers need no launch of their own:
//
//     reduce  sum, squares      ┐ the norm
//     map     y, if others read it ┘
//     reduce  largest |y|
//     finish  scale = largest / 127
//     map     bytes = round(y / scale)
//
// Bytes are integers or 8-bit floats, whose largest is 448.
//
// A cell of a product has some columns of a row only. Where products are many
// enough for cells of whole rows (codegen/cpu/kernels/Blocking.h), or where a
// row has a scale for each so many columns, the same three blocks follow its
// post block, and run when the cell's results are there. Unless others read
// them, these stay in the cell's scratch:
//
//     post    y = gelu(sum + bias)     a tile at a time
//     reduce, finish, map              over the cell's rows
//
//===----------------------------------------------------------------------===//

#include "passes/lower/QuantizeRows.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/Rows.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace mmcc::lower {

/// The largest f8E4M3FN.
constexpr double kMostFloat8 = 448;

mm::QuantizeRowsOp rowsOf(Value value) {
  mm::QuantizeRowsOp found;
  for (Operation *user : value.getUsers())
    if (auto rows = dyn_cast<mm::QuantizeRowsOp>(user)) {
      if (found)
        return {};
      found = rows;
    }
  return found;
}

mm::QuantizeRowsOp rowsOfChain(Value anchorResult, const Chain &chain) {
  auto rows = rowsOf(chain.last);
  if (!rows || chain.last.getType() != anchorResult.getType())
    return {};
  auto type = cast<RankedTensorType>(chain.last.getType());
  // Of a chain without a rotation each member has the next as its only user.
  for (Value value = anchorResult; value != chain.last;) {
    Operation *user = *value.getUsers().begin();
    if (!user->hasTrait<mm::Elementwise>() ||
        user->getResult(0).getType() != type)
      return {};
    value = user->getResult(0);
  }
  return rows;
}

mm::QuantizeRowsOp wholeRowsOf(Value anchorResult, const Chain &chain) {
  auto rows = rowsOfChain(anchorResult, chain);
  bool isWhole = rows && int64_t(rows.getBlock()) ==
                             rows.getInput().getType().getShape().back();
  return isWhole ? rows : mm::QuantizeRowsOp();
}

RowBytes::RowBytes(Lowering &lowering, mm::QuantizeRowsOp op)
    : lowering(lowering), op(op), values(lowering.destination(op.getValues())),
      scales(lowering.destination(op.getScales())) {}

void RowBytes::emit(Kernel &kernel, const Domain &domain, ArrayRef<Type> known,
                    ArrayRef<AffineExpr> at, ArrayRef<AffineExpr> scaleAt,
                    function_ref<Value(Element &)> element) const {
  Type f32 = Float32Type::get(lowering.symbols.context);
  mm::QuantizeRowsOp rows = op;
  Type byte =
      cast<RankedTensorType>(rows.getValues().getType()).getElementType();
  bool isFloat = rows.getIsFloat();
  double most = isFloat ? kMostFloat8 : 127;
  Element largest(kernel, "reduce", "max", domain.extents, known);
  largest.yield(
      {largest.builder.create<math::AbsFOp>(largest.loc, element(largest))});

  unsigned index = known.size();
  SmallVector<Type> results(known);
  results.push_back(f32);
  ArrayRef<Dim> parallel =
      ArrayRef<Dim>(domain.extents).take_front(domain.parallel);
  // What a row is divided by. Of floats it is large enough that neither the
  // scale nor its inverse leaves the normal range: 0 times an infinite inverse
  // would be NaN, which floats have.
  auto range = [&](Element &e) -> Value {
    Value found = e.value(index);
    if (!isFloat)
      return found;
    Value least = e.floatConstant(f32, most * 0x1p-126);
    Value isLess = e.builder.create<arith::CmpFOp>(
        e.loc, arith::CmpFPredicate::OLT, found, least);
    return e.builder.create<arith::SelectOp>(e.loc, isLess, least, found);
  };
  Element finish(kernel, "finish", "", parallel, results);
  finish.store(
      finish.builder.create<arith::MulFOp>(
          finish.loc, range(finish), finish.floatConstant(f32, 1.0 / most)),
      scales, scaleAt);
  finish.yield();

  Element map(kernel, "map", "", domain.extents, results);
  OpBuilder &b = map.builder;
  Value inverse = b.create<arith::DivFOp>(map.loc, map.floatConstant(f32, most),
                                          range(map));
  if (!isFloat) {
    Value zero = map.floatConstant(f32, 0);
    Value none = b.create<arith::CmpFOp>(map.loc, arith::CmpFPredicate::OEQ,
                                         map.value(index), zero);
    inverse = b.create<arith::SelectOp>(map.loc, none, zero, inverse);
  }
  Value number = b.create<arith::MulFOp>(map.loc, element(map), inverse);
  if (isFloat)
    number = b.create<arith::TruncFOp>(map.loc, byte, number);
  else
    number = b.create<arith::FPToSIOp>(
        map.loc, byte, b.create<math::RoundEvenOp>(map.loc, number));
  map.store(number, values, at);
  map.yield();
}

void RowBytes::stored() {
  lowering.stored({op.getValues(), values, {}});
  lowering.stored({op.getScales(), scales, {}});
  lowering.markDone(op);
}

namespace {

/// [..., blocks | numbers of a block]
struct BlockDomain {
  Domain domain;
  int64_t block;

  BlockDomain(const Symbols &symbols, mm::QuantizeRowsOp op)
      : block(op.getBlock()) {
    domain.extents = mm::getShape(op.getInput().getType());
    int64_t size = *domain.extents.back().getConstant();
    domain.parallel = domain.extents.size();
    domain.extents.back() = symbols.constant(size / block);
    domain.extents.push_back(symbols.constant(block));
  }
  /// The index of an element, and that of its scale.
  SmallVector<AffineExpr> elementAt(ArrayRef<AffineExpr> index) const {
    SmallVector<AffineExpr> at(index.drop_back());
    at.back() = at.back() * block + index.back();
    return at;
  }
  ArrayRef<AffineExpr> scaleAt(ArrayRef<AffineExpr> index) const {
    return index.drop_back();
  }
};

} // namespace

void lowerQuantizeRows(Lowering &lowering, mm::QuantizeRowsOp op) {
  Value input = op.getInput();
  RowBytes bytes(lowering, op);
  lowering.prepare(input);
  BlockDomain blocks(lowering.symbols, op);
  buildLoops(
      lowering, op.getLoc(), blocks.domain,
      [&](Kernel &kernel, const Domain &domain, ArrayRef<AffineExpr> index) {
        SmallVector<AffineExpr> at = blocks.elementAt(index);
        bytes.emit(kernel, domain, {}, at, blocks.scaleAt(index),
                   [&](Element &e) { return e.at(input, at); });
      });
  bytes.stored();
}

CellRows::CellRows(Lowering &lowering, Value result, Chain &chain,
                   ArrayRef<Dim> extents, int64_t depth, cpu::Blocks &blocks)
    : lowering(lowering), chain(chain), extents(extents) {
  // On a GPU a cell is a block of threads, which has no rows to go over.
  mm::QuantizeRowsOp op =
      lowering.isCuda() ? mm::QuantizeRowsOp() : rowsOfChain(result, chain);
  std::optional<int64_t> batch = extents[0].getConstant(),
                         rows = extents[1].getConstant(),
                         columns = extents[2].getConstant();
  if (!op || !columns)
    return;
  block = op.getBlock();
  bool areKnown = batch && rows;
  cpu::Blocks whole = blocks;
  // Of rows that may be few none is whole in a cell, unless all are.
  if (areKnown || block < *columns)
    whole = cpu::pieceBlocks(typical(extents[1]), *columns, depth,
                             typical(extents[0]), blocks, block);
  if (!areKnown)
    whole.m_block = blocks.m_block;
  bool isWhole = whole.n_block >= *columns || whole.n_block % block == 0;
  if (!isWhole || whole.m_block * whole.n_block > cpu::blocking::kCellResults)
    return;
  blocks = whole;
  mBlock = whole.m_block;
  nBlock = whole.n_block;
  isStored = !chain.last.hasOneUse();
  bytes.emplace(lowering, op);
}

int64_t CellRows::begin(Kernel &kernel, int64_t scratch) {
  if (!bytes || isStored)
    return scratch;
  View &view = chain.destination;
  Shape shape = mm::getShape(chain.last.getType());
  shape.back() = lowering.symbols.constant(nBlock);
  view.strides = rowMajorStrides(shape, lowering.symbols.context);
  int64_t offset = llvm::alignTo(scratch, 64);
  kernel.keepLocal(view.buffer, offset);
  return offset + mBlock * nBlock * 4;
}

void CellRows::finish(Kernel &kernel) {
  if (!bytes)
    return;
  const Symbols &symbols = lowering.symbols;
  Shape shape = mm::getShape(chain.last.getType());
  Domain domain;
  domain.extents = {extents[0], extents[1],
                    symbols.constant(*extents[2].getConstant() / block),
                    symbols.constant(block)};
  domain.parallel = 3;
  SmallVector<AffineExpr> index;
  for (unsigned i = 0; i < 4; ++i)
    index.push_back(getAffineDimExpr(i, symbols.context));
  SmallVector<AffineExpr> at =
      reshapeIndex({index[0], index[1], index[2] * block + index[3]}, extents,
                   shape, domain.extents, symbols);
  SmallVector<AffineExpr> scaleAt(at);
  scaleAt.back() = index[2];
  Type element = Float32Type::get(symbols.context);
  bytes->emit(kernel, domain, {}, at, scaleAt, [&](Element &e) {
    return e.load(chain.destination, at, element);
  });
  kernel.op.setPieces(symbols.map(domain.extents));
}

void CellRows::stored() {
  if (bytes)
    bytes->stored();
  if (isStored)
    lowering.stored(chain);
  else
    chain.destination.buffer.getDefiningOp()->erase();
}

void lowerRowsWithBytes(Lowering &lowering, Value value, const View &target,
                        mm::QuantizeRowsOp op) {
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  RowBytes bytes(lowering, op);
  BlockDomain blocks(lowering.symbols, op);
  buildLoops(
      lowering, op.getLoc(), blocks.domain,
      [&](Kernel &kernel, const Domain &domain, ArrayRef<AffineExpr> index) {
        SmallVector<AffineExpr> at = blocks.elementAt(index);
        Element map(kernel, "map", "", domain.extents, {});
        map.store(map.at(value, at), target, at);
        map.yield();
        bytes.emit(kernel, domain, {}, at, blocks.scaleAt(index),
                   [&](Element &e) { return e.load(target, at, element); });
      });
  bytes.stored();
}

} // namespace mmcc::lower
