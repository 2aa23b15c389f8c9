//===- Element.cpp - One element of a tensor as scalar code ---------------===//
//
// `Element::at(tensor, index)` walks back from a tensor to what is stored:
// data movement changes the index, elementwise operations emit arithmetic,
// stored tensors are loaded.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/Kernel.h"

using namespace mlir;

namespace mmcc::lower {

Element::Element(Kernel &kernel, StringRef role, StringRef combine,
                 ArrayRef<Dim> extents, ArrayRef<Type> values)
    : kernel(kernel), builder(kernel.op.getContext()), loc(kernel.loc),
      extents(extents) {
  builder.setInsertionPointToEnd(&kernel.op.getBody().front());
  block = builder.create<plan::BlockOp>(
      loc, builder.getStringAttr(role),
      combine.empty() ? StringAttr() : builder.getStringAttr(combine));
  Block &body = block.getBody().emplaceBlock();
  for (size_t i = 0; i < extents.size(); ++i)
    dims.push_back(body.addArgument(builder.getIndexType(), loc));
  for (Type type : values)
    body.addArgument(type, loc);
  builder.setInsertionPointToStart(&body);
}

AffineExpr Element::dim(unsigned i) const {
  return getAffineDimExpr(i, builder.getContext());
}

Value Element::value(unsigned i) const {
  Block &body = const_cast<plan::BlockOp &>(block).getBody().front();
  unsigned indices = 0;
  while (indices < body.getNumArguments() &&
         isa<IndexType>(body.getArgument(indices).getType()))
    ++indices;
  return body.getArgument(indices + i);
}

void Element::define(Value tensor, ElementFn fn) {
  defined[tensor] = std::move(fn);
}

void Element::yield(ArrayRef<Value> values) {
  builder.create<plan::YieldOp>(loc, values);
}

//===----------------------------------------------------------------------===//
// Constants and indices
//===----------------------------------------------------------------------===//

Value Element::floatConstant(Type type, double value) {
  return builder.create<arith::ConstantOp>(loc,
                                           builder.getFloatAttr(type, value));
}
Value Element::intConstant(Type type, int64_t value) {
  return builder.create<arith::ConstantOp>(loc,
                                           builder.getIntegerAttr(type, value));
}
Value Element::indexConstant(int64_t value) {
  return builder.create<arith::ConstantOp>(loc, builder.getIndexAttr(value));
}
Value Element::sizeValue(const Dim &dim) {
  if (std::optional<int64_t> constant = dim.getConstant())
    return indexConstant(*constant);
  return builder.create<plan::SizeOp>(
      loc, builder.getIndexType(),
      AffineMapAttr::get(kernel.lowering.symbols.map(dim)));
}

Value Element::indexValue(AffineExpr expr) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return indexConstant(constant.getValue());
  if (auto d = dyn_cast<AffineDimExpr>(expr))
    return dims[d.getPosition()];
  bool symbolic = true;
  expr.walk([&](AffineExpr e) { symbolic &= !isa<AffineDimExpr>(e); });
  if (symbolic)
    return sizeValue(kernel.lowering.symbols.dim(expr));
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Value lhs = indexValue(binary.getLHS()), rhs = indexValue(binary.getRHS());
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return builder.create<arith::AddIOp>(loc, lhs, rhs);
  case AffineExprKind::Mul:
    return builder.create<arith::MulIOp>(loc, lhs, rhs);
  case AffineExprKind::FloorDiv:
    // Indices are never negative where they are taken apart.
    return builder.create<arith::DivSIOp>(loc, lhs, rhs);
  case AffineExprKind::Mod:
    return builder.create<arith::RemSIOp>(loc, lhs, rhs);
  default: {
    Value one = indexConstant(1);
    Value sum = builder.create<arith::AddIOp>(
        loc, lhs, builder.create<arith::SubIOp>(loc, rhs, one));
    return builder.create<arith::DivSIOp>(loc, sum, rhs);
  }
  }
}

AffineExpr Element::computedDim(Value index, const Dim &extent) {
  dims.push_back(index);
  extents.push_back(extent);
  return dim(dims.size() - 1);
}

Value Element::inside(AffineExpr expr, const Dim &extent) {
  // One unsigned comparison covers both ends.
  return builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ult,
                                       indexValue(expr), sizeValue(extent));
}

AffineExpr Element::clamped(AffineExpr expr, const Dim &extent) {
  Value index = indexValue(expr);
  index = builder.create<arith::MaxSIOp>(loc, index, indexConstant(0));
  Value last =
      builder.create<arith::SubIOp>(loc, sizeValue(extent), indexConstant(1));
  index = builder.create<arith::MinSIOp>(loc, index, last);
  return computedDim(index, extent);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

static AffineMap linearMap(const Symbols &symbols, const View &view,
                           ArrayRef<AffineExpr> index,
                           SmallVectorImpl<unsigned> &used) {
  AffineExpr linear = symbols.expr(view.offset);
  for (auto [expr, stride] : llvm::zip(index, view.strides))
    linear = linear + expr * symbols.expr(stride);
  // Only the dimensions that matter become operands.
  unsigned count = 0;
  linear.walk([&](AffineExpr e) {
    if (auto d = dyn_cast<AffineDimExpr>(e))
      count = std::max(count, d.getPosition() + 1);
  });
  SmallVector<AffineExpr> renumbered(count);
  for (unsigned i = 0; i < count; ++i) {
    renumbered[i] = getAffineConstantExpr(0, symbols.context);
    if (!linear.isFunctionOfDim(i))
      continue;
    renumbered[i] = getAffineDimExpr(used.size(), symbols.context);
    used.push_back(i);
  }
  linear = linear.replaceDims(renumbered);
  // One form, so that equal kernels have equal text. (MLIR's own simplification
  // merges divisions by a symbol that differ, so those stay as they are.)
  if (std::optional<LinearForm> form = linearForm(linear, symbols)) {
    llvm::sort(form->terms, [](const Term &a, const Term &b) {
      return a.position < b.position;
    });
    linear = symbols.expr(form->rest);
    for (const Term &term : form->terms)
      linear = linear + getAffineDimExpr(term.position, symbols.context) *
                            symbols.expr(term.coefficient);
  } else if (linear.isPureAffine()) {
    linear = simplifyAffineExpr(linear, used.size(), symbols.names.size());
  }
  return AffineMap::get(used.size(), symbols.names.size(), linear);
}

Value Element::load(const View &view, ArrayRef<AffineExpr> index,
                    Type elementType) {
  SmallVector<unsigned> used;
  AffineMap map = linearMap(kernel.lowering.symbols, view, index, used);
  SmallVector<Value> operands;
  for (unsigned i : used)
    operands.push_back(dims[i]);
  return builder.create<plan::LoadOp>(loc, scalarType(elementType),
                                      kernel.operand(view.buffer), operands,
                                      AffineMapAttr::get(map));
}

void Element::store(Value value, const View &view, ArrayRef<AffineExpr> index) {
  SmallVector<unsigned> used;
  AffineMap map = linearMap(kernel.lowering.symbols, view, index, used);
  SmallVector<Value> operands;
  for (unsigned i : used)
    operands.push_back(dims[i]);
  kernel.markWritten(view.buffer);
  builder.create<plan::StoreOp>(loc, value, kernel.operand(view.buffer),
                                operands, AffineMapAttr::get(map));
}

void Element::storeChain(const Chain &chain, Value anchorResult,
                         ArrayRef<AffineExpr> index) {
  SmallVector<AffineExpr> at_ = kernel.lowering.chainIndex(
      anchorResult, chain, index, extents, [&](const Moved &moved) {
        cache.emplace_back(moved.to, SmallVector<AffineExpr>(moved.toIndex),
                           at(moved.from, moved.fromIndex));
      });
  Value last = at(chain.last, at_);
  store(last, chain.destination, at_);
  define(chain.last, [=](ArrayRef<AffineExpr>) { return last; });
  for (const auto &[value, view] : chain.copies)
    store(at(value, at_), view, at_);
  // A launch names all nodes whose work it does, the one it stores last.
  SmallVector<Location> locations{kernel.loc};
  llvm::append_range(locations, chain.locations);
  kernel.loc = builder.getFusedLoc(locations);
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

static Type elementOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getElementType();
}

SmallVector<AffineExpr> Element::broadcastIndex(Value tensor,
                                                ArrayRef<AffineExpr> index) {
  Shape shape = mm::getShape(tensor.getType());
  SmallVector<AffineExpr> result;
  size_t skip = index.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i)
    result.push_back(shape[i].isConstant(1)
                         ? getAffineConstantExpr(0, builder.getContext())
                         : index[skip + i]);
  return result;
}

Value Element::constantElement(mm::ConstantOp op, ArrayRef<AffineExpr> index) {
  auto dense = dyn_cast<DenseElementsAttr>(op.getValue());
  if (!dense || !(dense.isSplat() || dense.getNumElements() == 1))
    return {};
  Type element = dense.getElementType();
  if (isa<FloatType>(element))
    return builder.create<arith::ConstantOp>(
        loc, FloatAttr::get(element, *dense.value_begin<APFloat>()));
  APInt value = *dense.value_begin<APInt>();
  return builder.create<arith::ConstantOp>(
      loc, IntegerAttr::get(scalarType(element), value));
}

Value Element::at(Value tensor, ArrayRef<AffineExpr> index) {
  if (auto it = defined.find(tensor); it != defined.end())
    return it->second(index);
  for (auto &[known, knownIndex, result] : cache)
    if (known == tensor && ArrayRef<AffineExpr>(knownIndex) == index)
      return result;
  auto remember = [&](Value result) {
    cache.emplace_back(tensor, SmallVector<AffineExpr>(index), result);
    return result;
  };
  Lowering &lowering = kernel.lowering;
  Operation *op = tensor.getDefiningOp();
  auto rotation = lowering.rotations.find(tensor);
  bool isRotated = rotation != lowering.rotations.end();
  if (auto constant = dyn_cast_or_null<mm::ConstantOp>(op))
    if (Value scalar = constantElement(constant, index))
      return remember(scalar);
  bool free = op && !lowering.isStored(tensor) &&
              (isViewOp(op) || isRotated || lowering.isInlined(tensor));
  if (!free)
    return remember(load(lowering.view(tensor), index, elementOf(tensor)));
  SmallVector<AffineExpr> source;
  if (isRotated) {
    auto [unrotated, axis, shift, size] = rotation->second;
    source.assign(index.begin(), index.end());
    source[axis] = (source[axis] + (size - shift)) % size;
    return remember(at(unrotated, source));
  }
  if (auto transpose = dyn_cast<mm::TransposeOp>(op)) {
    source.resize(index.size());
    for (auto [i, from] : llvm::enumerate(transpose.getPermutation()))
      source[from] = index[i];
    return remember(at(transpose.getInput(), source));
  }
  if (auto reshape = dyn_cast<mm::ReshapeOp>(op))
    return remember(at(reshape.getInput(),
                       reshapeIndex(index, mm::getShape(tensor.getType()),
                                    mm::getShape(reshape.getInput().getType()),
                                    extents, lowering.symbols)));
  if (auto broadcast = dyn_cast<mm::BroadcastOp>(op))
    return remember(
        at(broadcast.getInput(), broadcastIndex(broadcast.getInput(), index)));
  if (auto slice = dyn_cast<mm::SliceOp>(op)) {
    for (auto [i, step] : llvm::enumerate(slice.getSteps()))
      source.push_back(index[i] * step +
                       lowering.symbols.expr(slice.getOffsets().getDim(i)));
    return remember(at(slice.getInput(), source));
  }
  return remember(compute(op, index));
}

AffineExpr Element::gatherIndex(Value indices, ArrayRef<AffineExpr> where,
                                const Dim &extent) {
  Value index = at(indices, where);
  index =
      builder.create<arith::IndexCastOp>(loc, builder.getIndexType(), index);
  Value size = sizeValue(extent), zero = indexConstant(0);
  Value negative = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::slt,
                                                 index, zero);
  Value wrapped = builder.create<arith::AddIOp>(loc, index, size);
  index = builder.create<arith::SelectOp>(loc, negative, wrapped, index);
  // Never outside the tensor, whatever the data says.
  return clamped(computedDim(index, extent), extent);
}

Value Element::compute(Operation *op, ArrayRef<AffineExpr> index) {
  Lowering &lowering = kernel.lowering;
  Type element = elementOf(op->getResult(0));
  if (auto cast_ = dyn_cast<mm::CastOp>(op)) {
    Value x = at(cast_.getInput(), index);
    Type from = elementOf(cast_.getInput());
    Value y = emitCast(builder, loc, x, from, element);
    return cast_.getSaturate() || from == element
               ? y
               : emitOverflow(builder, loc, x, y);
  }
  if (op->hasTrait<mm::Elementwise>()) {
    // Narrow floats are computed in f32 and rounded after each operation.
    SmallVector<Value> args;
    bool narrow = false;
    for (Value operand : op->getOperands()) {
      Value arg = at(operand, broadcastIndex(operand, index));
      if (auto type = dyn_cast<FloatType>(arg.getType());
          type && type.getWidth() < 32) {
        narrow = true;
        arg = builder.create<arith::ExtFOp>(loc, builder.getF32Type(), arg);
      }
      args.push_back(arg);
    }
    Value result = emitScalar(builder, loc, op, args);
    if (narrow && isa<FloatType>(result.getType()) &&
        result.getType() != element)
      result = builder.create<arith::TruncFOp>(loc, element, result);
    return result;
  }
  if (auto iota = dyn_cast<mm::IotaOp>(op)) {
    AffineExpr expr = index[0] * iota.getStep() +
                      lowering.symbols.expr(iota.getStart().getDim(0));
    Value value = builder.create<arith::IndexCastOp>(loc, builder.getI64Type(),
                                                     indexValue(expr));
    return emitCast(builder, loc, value, builder.getI64Type(), element);
  }
  if (auto sizes = dyn_cast<mm::SizesOp>(op)) {
    Value result;
    Value position = index.empty() ? Value() : indexValue(index[0]);
    for (auto [i, dim] : llvm::enumerate(sizes.getDims().getDims())) {
      Value value = builder.create<arith::IndexCastOp>(
          loc, builder.getI64Type(), sizeValue(dim));
      value = emitCast(builder, loc, value, builder.getI64Type(), element);
      if (!result) {
        result = value;
        continue;
      }
      Value here = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq,
                                                 position, indexConstant(i));
      result = builder.create<arith::SelectOp>(loc, here, value, result);
    }
    return result;
  }
  if (auto gather = dyn_cast<mm::GatherOp>(op)) {
    Shape input = mm::getShape(gather.getInput().getType());
    size_t axis = gather.getAxis();
    size_t rank =
        cast<RankedTensorType>(gather.getIndices().getType()).getRank();
    SmallVector<AffineExpr> source(index.begin(), index.begin() + axis);
    source.push_back(
        gatherIndex(gather.getIndices(), index.slice(axis, rank), input[axis]));
    llvm::append_range(source, index.drop_front(axis + rank));
    if (axis == 0)
      if (Value panels = lowering.tiedTable(gather.getInput()))
        return panelElement(panels, gather.getInput(), source[0], source[1]);
    return at(gather.getInput(), source);
  }
  if (auto gather = dyn_cast<mm::GatherElementsOp>(op)) {
    Shape input = mm::getShape(gather.getInput().getType());
    SmallVector<AffineExpr> source(index);
    source[gather.getAxis()] =
        gatherIndex(gather.getIndices(), index, input[gather.getAxis()]);
    return at(gather.getInput(), source);
  }
  if (auto gather = dyn_cast<mm::GatherNDOp>(op)) {
    Shape input = mm::getShape(gather.getInput().getType());
    Shape indices = mm::getShape(gather.getIndices().getType());
    size_t batch = gather.getBatchDims(), leading = indices.size() - 1;
    int64_t tuple = *indices.back().getConstant();
    SmallVector<AffineExpr> source(index.begin(), index.begin() + batch);
    SmallVector<AffineExpr> where(index.begin(), index.begin() + leading);
    where.push_back(AffineExpr());
    for (int64_t i = 0; i < tuple; ++i) {
      where.back() = getAffineConstantExpr(i, builder.getContext());
      source.push_back(
          gatherIndex(gather.getIndices(), where, input[batch + i]));
    }
    llvm::append_range(source, index.drop_front(leading));
    return at(gather.getInput(), source);
  }
  if (auto dequantize = dyn_cast<mm::DequantizeOp>(op))
    return dequantizedElement(dequantize, index);
  if (auto pad = dyn_cast<mm::PadOp>(op))
    return padElement(pad, index);
  if (auto concat = dyn_cast<mm::ConcatOp>(op))
    return concatElement(concat, index);
  if (auto resize = dyn_cast<mm::ResizeOp>(op))
    return resizeElement(resize, index);
  if (auto rope = dyn_cast<mm::RopeOp>(op))
    return ropeElement(rope, index);
  if (auto norm = dyn_cast<mm::BatchNormOp>(op)) {
    auto channel = [&](Value tensor) { return at(tensor, {index[1]}); };
    Value variance = channel(norm.getVariance());
    Value scale = channel(norm.getScale()), offset = channel(norm.getOffset());
    Value mean = channel(norm.getMean()), x = at(norm.getInput(), index);
    Type wide = x.getType();
    if (cast<FloatType>(wide).getWidth() < 32)
      wide = builder.getF32Type();
    auto widen = [&](Value v) {
      return emitCast(builder, loc, v, v.getType(), wide);
    };
    Value epsilon = floatConstant(wide, norm.getEpsilon().convertToDouble());
    Value deviation = builder.create<math::SqrtOp>(
        loc, builder.create<arith::AddFOp>(loc, widen(variance), epsilon));
    Value centred = builder.create<arith::SubFOp>(loc, widen(x), widen(mean));
    Value y = builder.create<arith::DivFOp>(loc, centred, deviation);
    y = builder.create<arith::MulFOp>(loc, y, widen(scale));
    y = builder.create<arith::AddFOp>(loc, y, widen(offset));
    return emitCast(builder, loc, y, wide, element);
  }
  op->emitOpError("cannot be lowered");
  lowering.failed = true;
  return builder.create<arith::ConstantOp>(
      loc, builder.getZeroAttr(scalarType(element)));
}

Value Element::padElement(mm::PadOp op, ArrayRef<AffineExpr> index) {
  Lowering &lowering = kernel.lowering;
  Shape input = mm::getShape(op.getInput().getType());
  Shape output = mm::getShape(op.getResult().getType());
  StringRef mode = op.getMode();
  SmallVector<AffineExpr> source;
  Value valid;
  for (size_t i = 0; i < index.size(); ++i) {
    Dim low = op.getLow().getDim(i);
    AffineExpr at_ = index[i] - lowering.symbols.expr(low);
    if (low.isConstant(0) && output[i] == input[i]) {
      source.push_back(at_);
      continue;
    }
    if (mode == "constant") {
      Value here = inside(at_, input[i]);
      valid = valid ? builder.create<arith::AndIOp>(loc, valid, here) : here;
    } else if (mode != "edge") {
      Value position = indexValue(at_), size = sizeValue(input[i]);
      auto sub = [&](Value x, Value y) {
        return builder.create<arith::SubIOp>(loc, x, y).getResult();
      };
      // Positive remainder by the period.
      Value one = indexConstant(1), zero = indexConstant(0);
      Value period = size;
      if (mode == "reflect") {
        Value twice = builder.create<arith::MulIOp>(loc, sub(size, one),
                                                    indexConstant(2));
        period = builder.create<arith::MaxSIOp>(loc, twice, one);
      }
      Value r = builder.create<arith::RemSIOp>(loc, position, period);
      Value negative = builder.create<arith::CmpIOp>(
          loc, arith::CmpIPredicate::slt, r, zero);
      r = builder.create<arith::SelectOp>(
          loc, negative, builder.create<arith::AddIOp>(loc, r, period), r);
      if (mode == "reflect")
        r = builder.create<arith::MinSIOp>(loc, r, sub(period, r));
      at_ = computedDim(r, input[i]);
    }
    source.push_back(clamped(at_, input[i]));
  }
  Value inner = at(op.getInput(), source);
  if (!valid)
    return inner;
  Value fill;
  if (op.getValue()) {
    auto type = cast<RankedTensorType>(op.getValue().getType());
    SmallVector<AffineExpr> zero(
        type.getRank(), getAffineConstantExpr(0, builder.getContext()));
    fill = at(op.getValue(), zero);
  } else {
    fill = builder.create<arith::ConstantOp>(
        loc, builder.getZeroAttr(inner.getType()));
  }
  return builder.create<arith::SelectOp>(loc, valid, inner, fill);
}

Value Element::concatElement(mm::ConcatOp op, ArrayRef<AffineExpr> index) {
  size_t axis = op.getAxis();
  const Symbols &symbols = kernel.lowering.symbols;
  Value position = indexValue(index[axis]), result;
  Dim begin = symbols.constant(0);
  for (Value input : op.getInputs()) {
    Dim extent = mm::getShape(input.getType())[axis];
    SmallVector<AffineExpr> source(index);
    source[axis] = clamped(index[axis] - symbols.expr(begin), extent);
    Value element = at(input, source);
    if (result) {
      Value here = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::sge,
                                                 position, sizeValue(begin));
      element = builder.create<arith::SelectOp>(loc, here, element, result);
    }
    result = element;
    begin = begin + extent;
  }
  return result;
}

Value Element::ropeElement(mm::RopeOp op, ArrayRef<AffineExpr> index) {
  // x · cos + rotated(x) · sin over the first rotary_dim channels.
  Shape shape = mm::getShape(op.getInput().getType());
  int64_t rotary = op.getRotaryDim(), half = rotary / 2;
  bool whole = shape.back().isConstant(rotary);
  const Symbols &symbols = kernel.lowering.symbols;
  AffineExpr channel = index.back();
  Value position = indexValue(channel), x = at(op.getInput(), index);
  auto partner = [&](AffineExpr expr) {
    SmallVector<AffineExpr> source(index);
    source.back() = expr;
    return at(op.getInput(), source);
  };
  Value isFirst;
  AffineExpr other;
  if (op.getInterleaved()) {
    Value odd = builder.create<arith::AndIOp>(loc, position, indexConstant(1));
    isFirst = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, odd,
                                            indexConstant(0));
    Value pair = builder.create<arith::XOrIOp>(loc, position, indexConstant(1));
    other = clamped(computedDim(pair, shape.back()), shape.back());
  } else {
    isFirst = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ult,
                                            position, indexConstant(half));
    // The other half, in a form that splits the channels in two loops.
    other = channel + half - channel.floorDiv(half) * (2 * half);
    if (!whole)
      other = clamped(other, shape.back());
  }
  Value rotated = partner(other);
  Type type = x.getType(), wide = type;
  if (cast<FloatType>(type).getWidth() < 32)
    wide = builder.getF32Type();
  auto widen = [&](Value v) {
    return emitCast(builder, loc, v, v.getType(), wide);
  };
  rotated = widen(rotated);
  rotated = builder.create<arith::SelectOp>(
      loc, isFirst, builder.create<arith::NegFOp>(loc, rotated), rotated);
  SmallVector<AffineExpr> tableIndex(index);
  if (op.getInterleaved()) {
    Shape table = mm::getShape(op.getCos().getType());
    if (table.back().isConstant(half)) {
      Value pair =
          builder.create<arith::ShRUIOp>(loc, position, indexConstant(1));
      tableIndex.back() = computedDim(pair, symbols.constant(half));
    }
  }
  if (!whole)
    tableIndex.back() =
        clamped(tableIndex.back(), mm::getShape(op.getCos().getType()).back());
  Value cos = widen(at(op.getCos(), broadcastIndex(op.getCos(), tableIndex)));
  Value sin = widen(at(op.getSin(), broadcastIndex(op.getSin(), tableIndex)));
  Value y = builder.create<arith::AddFOp>(
      loc, builder.create<arith::MulFOp>(loc, widen(x), cos),
      builder.create<arith::MulFOp>(loc, rotated, sin));
  y = emitCast(builder, loc, y, wide, type);
  if (whole)
    return y;
  Value rotates = builder.create<arith::CmpIOp>(
      loc, arith::CmpIPredicate::ult, position, indexConstant(rotary));
  return builder.create<arith::SelectOp>(loc, rotates, y, x);
}

} // namespace mmcc::lower
