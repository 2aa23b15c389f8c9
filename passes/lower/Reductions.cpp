//===- Reductions.cpp - Reductions, softmax and norms as loops ------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/QuantizeRows.h"
#include <cmath>

using namespace mlir;

namespace mmcc::lower {

namespace {

Type elementOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getElementType();
}

/// The type that sums are kept in: f32 for narrower floats.
Type accumulatorType(Type element) {
  if (auto type = dyn_cast<FloatType>(element); type && type.getWidth() < 32)
    return Float32Type::get(element.getContext());
  return scalarType(element);
}

/// Kept dimensions first, reduced ones after; `order[i]` says which tensor
/// dimension the i-th one of the domain is.
struct ReducedDomain {
  Domain domain;
  SmallVector<unsigned> order;

  ReducedDomain(ArrayRef<Dim> shape, ArrayRef<int64_t> axes) {
    for (unsigned i = 0; i < shape.size(); ++i)
      if (!llvm::is_contained(axes, i))
        order.push_back(i);
    domain.parallel = order.size();
    for (int64_t axis : axes)
      order.push_back(axis);
    for (unsigned i : order)
      domain.extents.push_back(shape[i]);
  }
  SmallVector<AffineExpr> tensorIndex(ArrayRef<AffineExpr> index) const {
    SmallVector<AffineExpr> result(order.size());
    for (unsigned i = 0; i < order.size(); ++i)
      result[order[i]] = index[i];
    return result;
  }
};

ArrayRef<Dim> parallelExtents(const Domain &domain) {
  return ArrayRef<Dim>(domain.extents).take_front(domain.parallel);
}

/// Number of reduced elements as a value of a float type.
Value countValue(Element &e, const Dim &count, Type type) {
  if (std::optional<int64_t> constant = count.getConstant())
    return e.floatConstant(type, *constant);
  Value index = e.builder.create<arith::IndexCastOp>(
      e.loc, e.builder.getI64Type(), e.sizeValue(count));
  return e.builder.create<arith::SIToFPOp>(e.loc, type, index);
}

Value wideAt(Element &e, Value tensor, ArrayRef<AffineExpr> index, Type wide) {
  Value v = e.at(tensor, index);
  return isa<FloatType>(wide)
             ? emitCast(e.builder, e.loc, v, elementOf(tensor), wide)
             : v;
}

StringRef combineName(mm::ReduceKind kind) {
  switch (kind) {
  case mm::ReduceKind::Max:
    return "max";
  case mm::ReduceKind::Min:
    return "min";
  case mm::ReduceKind::Prod:
    return "prod";
  default:
    return "sum";
  }
}

} // namespace

void lowerReduce(Lowering &lowering, mm::ReduceOp op) {
  Value input = op.getInput(), result = op.getResult();
  Shape shape = mm::getShape(input.getType());
  ReducedDomain reduced(shape, op.getAxes());
  Type element = elementOf(input), wide = accumulatorType(element);
  Dim count = lowering.symbols.constant(1);
  for (int64_t axis : op.getAxes())
    count = count * shape[axis];
  Chain chain = lowering.chain(result);
  // Unsigned order: the combine is signless, so compare with the sign flipped.
  bool flip =
      element.isUnsignedInteger() && (op.getKind() == mm::ReduceKind::Max ||
                                      op.getKind() == mm::ReduceKind::Min);
  unsigned bits = element.getIntOrFloatBitWidth();
  auto flipSign = [&](Element &e, Value v) -> Value {
    if (!flip)
      return v;
    return e.builder.create<arith::XOrIOp>(
        e.loc, v,
        e.builder.create<arith::ConstantOp>(
            e.loc, IntegerAttr::get(wide, APInt::getSignedMinValue(bits))));
  };
  size_t kept = reduced.domain.parallel;
  buildLoops(
      lowering, op.getLoc(), reduced.domain,
      [&](Kernel &kernel, const Domain &domain, ArrayRef<AffineExpr> index) {
        Element gather(kernel, "reduce", combineName(op.getKind()),
                       domain.extents, {});
        gather.yield(flipSign(
            gather, wideAt(gather, input, reduced.tensorIndex(index), wide)));
        Element finish(kernel, "finish", "", parallelExtents(domain), {wide});
        finish.define(result, [&](ArrayRef<AffineExpr>) -> Value {
          Value v = flipSign(finish, finish.value(0));
          if (op.getKind() == mm::ReduceKind::Mean) {
            if (isa<FloatType>(wide)) {
              v = finish.builder.create<arith::DivFOp>(
                  finish.loc, v, countValue(finish, count, wide));
            } else {
              Value n = finish.builder.create<arith::IndexCastOp>(
                  finish.loc, wide, finish.sizeValue(count));
              v = finish.builder.create<arith::DivSIOp>(finish.loc, v, n);
            }
          }
          return isa<FloatType>(wide)
                     ? emitCast(finish.builder, finish.loc, v, wide, element)
                     : v;
        });
        // The result's index: kept dimensions, with zeros if they stay as 1.
        SmallVector<AffineExpr> at;
        if (op.getKeep()) {
          at.assign(shape.size(),
                    getAffineConstantExpr(0, lowering.symbols.context));
          for (unsigned i = 0; i < kept; ++i)
            at[reduced.order[i]] = index[i];
        } else {
          at.assign(index.begin(), index.begin() + kept);
        }
        finish.storeChain(chain, result, at);
        finish.yield();
      });
  lowering.stored(chain);
}

void lowerArgReduce(Lowering &lowering, mm::ArgReduceOp op) {
  Value input = op.getInput(), result = op.getResult();
  Shape shape = mm::getShape(input.getType());
  int64_t axis = op.getAxis();
  ReducedDomain reduced(shape, {axis});
  Type element = elementOf(input), wide = accumulatorType(element);
  Type i64 = IntegerType::get(op.getContext(), 64);
  Chain chain = lowering.chain(result);
  size_t kept = reduced.domain.parallel;
  buildLoops(
      lowering, op.getLoc(), reduced.domain,
      [&](Kernel &kernel, const Domain &domain, ArrayRef<AffineExpr> index) {
        Element best(kernel, "reduce", op.getLargest() ? "argmax" : "argmin",
                     domain.extents, {});
        SmallVector<AffineExpr> at = reduced.tensorIndex(index);
        // Among equals the smaller position wins: counted from the end, that is
        // the last one.
        AffineExpr end = lowering.symbols.expr(shape[axis]) - 1;
        Value position = best.builder.create<arith::IndexCastOp>(
            best.loc, i64,
            best.indexValue(op.getLast() ? end - at[axis] : at[axis]));
        Value v = wideAt(best, input, at, wide);
        if (element.isUnsignedInteger())
          v = best.builder.create<arith::XOrIOp>(
              best.loc, v,
              best.builder.create<arith::ConstantOp>(
                  best.loc, IntegerAttr::get(
                                wide, APInt::getSignedMinValue(
                                          element.getIntOrFloatBitWidth()))));
        best.yield({v, position});
        Element finish(kernel, "finish", "", parallelExtents(domain),
                       {wide, i64});
        finish.define(result, [&](ArrayRef<AffineExpr>) -> Value {
          if (!op.getLast())
            return finish.value(1);
          Value end = finish.builder.create<arith::IndexCastOp>(
              finish.loc, i64, finish.sizeValue(shape[axis] - 1));
          return finish.builder.create<arith::SubIOp>(finish.loc, end,
                                                      finish.value(1));
        });
        SmallVector<AffineExpr> out;
        if (op.getKeep()) {
          out.assign(shape.size(),
                     getAffineConstantExpr(0, lowering.symbols.context));
          for (unsigned i = 0; i < kept; ++i)
            out[reduced.order[i]] = index[i];
        } else {
          out.assign(index.begin(), index.begin() + kept);
        }
        finish.storeChain(chain, result, out);
        finish.yield();
      });
  lowering.stored(chain);
}

void lowerSoftmax(Lowering &lowering, mm::SoftmaxOp op) {
  Value input = op.getInput(), result = op.getResult();
  ReducedDomain reduced(mm::getShape(input.getType()),
                        {static_cast<int64_t>(op.getAxis())});
  Type element = elementOf(input), wide = accumulatorType(element);
  Chain chain = lowering.chain(result);
  buildLoops(
      lowering, op.getLoc(), reduced.domain,
      [&](Kernel &kernel, const Domain &domain, ArrayRef<AffineExpr> index) {
        SmallVector<AffineExpr> at = reduced.tensorIndex(index);
        auto centred = [&](Element &e) -> Value {
          return e.builder.create<arith::SubFOp>(
              e.loc, wideAt(e, input, at, wide), e.value(0));
        };
        Element largest(kernel, "reduce", "max", domain.extents, {});
        largest.yield(wideAt(largest, input, at, wide));
        Element sum(kernel, "reduce", "sum", domain.extents, {wide});
        sum.yield({sum.builder.create<math::ExpOp>(sum.loc, centred(sum))});
        Element map(kernel, "map", "", domain.extents, {wide, wide});
        map.define(result, [&](ArrayRef<AffineExpr>) -> Value {
          Value v = centred(map);
          if (op.getLog())
            v = map.builder.create<arith::SubFOp>(
                map.loc, v,
                map.builder.create<math::LogOp>(map.loc, map.value(1)));
          else
            v = map.builder.create<arith::DivFOp>(
                map.loc, map.builder.create<math::ExpOp>(map.loc, v),
                map.value(1));
          return emitCast(map.builder, map.loc, v, wide, element);
        });
        map.storeChain(chain, result, at);
        map.yield();
      });
  lowering.stored(chain);
}

namespace {

/// What layer, RMS and group norm share: statistics over the reduced
/// dimensions, then (x - mean) / deviation with scale and offset.
struct Norm {
  Value input, scale, offset, result;
  double epsilon;
  bool centre;
  /// Where scale and offset are read, from the tensor's index.
  std::function<SmallVector<AffineExpr>(Value, ArrayRef<AffineExpr>)> affineAt;
};

/// The index of a row's scale, which has one entry for the row's many.
SmallVector<AffineExpr> scaleOfRow(ArrayRef<AffineExpr> at) {
  SmallVector<AffineExpr> result(at);
  result.back() = getAffineConstantExpr(0, at.back().getContext());
  return result;
}

void lowerNormOver(
    Lowering &lowering, Location loc, const Norm &norm, const Domain &original,
    const Dim &count,
    function_ref<SmallVector<AffineExpr>(ArrayRef<AffineExpr>)> tensorIndex) {
  for (Value operand : {norm.scale, norm.offset})
    if (operand)
      lowering.prepare(operand);
  Type element = elementOf(norm.input), wide = accumulatorType(element);
  Chain chain = lowering.chain(norm.result);
  // Statistics of a group of channels are not those of a row.
  bool isOfRows =
      original.extents.size() == original.parallel + 1 && element.isF32() &&
      original.extents.back() == mm::getShape(norm.input.getType()).back();
  std::optional<RowBytes> bytes;
  if (auto rows =
          isOfRows ? wholeRowsOf(norm.result, chain) : mm::QuantizeRowsOp())
    bytes.emplace(lowering, rows);
  // What only the bytes are made of is computed again for each pass over a row.
  bool isStored =
      !bytes || chain.last != norm.result || !norm.result.hasOneUse();
  buildLoops(
      lowering, loc, original,
      [&](Kernel &kernel, const Domain &domain, ArrayRef<AffineExpr> index) {
        SmallVector<AffineExpr> at = tensorIndex(index);
        auto mean = [&](Element &e, unsigned i) -> Value {
          return e.builder.create<arith::DivFOp>(e.loc, e.value(i),
                                                 countValue(e, count, wide));
        };
        auto centred = [&](Element &e) -> Value {
          Value x = wideAt(e, norm.input, at, wide);
          if (!norm.centre)
            return x;
          return e.builder.create<arith::SubFOp>(e.loc, x, mean(e, 0));
        };
        SmallVector<Type> sums;
        if (norm.centre) {
          Element sum(kernel, "reduce", "sum", domain.extents, {});
          sum.yield(wideAt(sum, norm.input, at, wide));
          sums.push_back(wide);
        }
        Element squares(kernel, "reduce", "sum", domain.extents, sums);
        Value x = centred(squares);
        squares.yield(
            {squares.builder.create<arith::MulFOp>(squares.loc, x, x)});
        sums.push_back(wide);
        auto normed = [&](Element &e) -> Value {
          OpBuilder &b = e.builder;
          Value variance =
              b.create<arith::AddFOp>(e.loc, mean(e, sums.size() - 1),
                                      e.floatConstant(wide, norm.epsilon));
          Value inverse =
              b.create<arith::DivFOp>(e.loc, e.floatConstant(wide, 1.0),
                                      b.create<math::SqrtOp>(e.loc, variance));
          Value y = b.create<arith::MulFOp>(e.loc, centred(e), inverse);
          if (norm.scale)
            y = b.create<arith::MulFOp>(
                e.loc, y,
                wideAt(e, norm.scale, norm.affineAt(norm.scale, at), wide));
          if (norm.offset)
            y = b.create<arith::AddFOp>(
                e.loc, y,
                wideAt(e, norm.offset, norm.affineAt(norm.offset, at), wide));
          return emitCast(b, e.loc, y, wide, element);
        };
        if (isStored) {
          Element map(kernel, "map", "", domain.extents, sums);
          map.define(norm.result,
                     [&](ArrayRef<AffineExpr>) { return normed(map); });
          map.storeChain(chain, norm.result, at);
          map.yield();
        }
        if (bytes)
          bytes->emit(kernel, domain, sums, at, scaleOfRow(at),
                      [&](Element &e) {
                        return isStored ? e.load(chain.destination, at, element)
                                        : normed(e);
                      });
      });
  if (bytes)
    bytes->stored();
  if (isStored)
    lowering.stored(chain);
  else
    chain.destination.buffer.getDefiningOp()->erase();
}

/// Right-aligned broadcasting against the tensor's index.
SmallVector<AffineExpr> alignRight(Value tensor, ArrayRef<AffineExpr> index) {
  Shape shape = mm::getShape(tensor.getType());
  SmallVector<AffineExpr> at;
  size_t skip = index.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i)
    at.push_back(shape[i].isConstant(1)
                     ? getAffineConstantExpr(0, tensor.getContext())
                     : index[skip + i]);
  return at;
}

} // namespace

void lowerNorm(Lowering &lowering, Operation *op) {
  Norm norm;
  int64_t axis;
  norm.affineAt = alignRight;
  norm.result = op->getResult(0);
  if (auto layer = dyn_cast<mm::LayerNormOp>(op)) {
    norm.input = layer.getInput();
    norm.scale = layer.getScale();
    norm.offset = layer.getOffset();
    norm.epsilon = layer.getEpsilon().convertToDouble();
    norm.centre = true;
    axis = layer.getAxis();
  } else {
    auto rms = cast<mm::RmsNormOp>(op);
    norm.input = rms.getInput();
    norm.scale = rms.getScale();
    norm.epsilon = rms.getEpsilon().convertToDouble();
    norm.centre = false;
    axis = rms.getAxis();
  }
  Shape shape = mm::getShape(norm.input.getType());
  Domain domain;
  domain.extents = shape;
  domain.parallel = axis;
  Dim count = mm::product(lowering.symbols.context,
                          ArrayRef<Dim>(shape).drop_front(axis));
  lowerNormOver(lowering, op->getLoc(), norm, domain, count,
                [](ArrayRef<AffineExpr> index) {
                  return SmallVector<AffineExpr>(index);
                });
}

void lowerGroupNorm(Lowering &lowering, mm::GroupNormOp op) {
  Shape shape = mm::getShape(op.getInput().getType());
  Dim groups = lowering.symbols.constant(op.getGroups());
  std::optional<Dim> channels = shape[1].exactDiv(groups);
  Norm norm;
  norm.input = op.getInput();
  norm.scale = op.getScale();
  norm.offset = op.getOffset();
  norm.result = op.getResult();
  norm.epsilon = op.getEpsilon().convertToDouble();
  norm.centre = true;
  norm.affineAt = [](Value, ArrayRef<AffineExpr> index) {
    return SmallVector<AffineExpr>{index[1]};
  };
  // [batch, group | channel in group, space...]
  Domain domain;
  domain.extents = {shape[0], groups, *channels};
  llvm::append_range(domain.extents, ArrayRef<Dim>(shape).drop_front(2));
  domain.parallel = 2;
  Dim count = mm::product(lowering.symbols.context,
                          ArrayRef<Dim>(domain.extents).drop_front(2));
  AffineExpr perGroup = lowering.symbols.expr(*channels);
  lowerNormOver(lowering, op.getLoc(), norm, domain, count,
                [&](ArrayRef<AffineExpr> index) {
                  SmallVector<AffineExpr> at{index[0],
                                             index[1] * perGroup + index[2]};
                  llvm::append_range(at, index.drop_front(3));
                  return at;
                });
}

} // namespace mmcc::lower
