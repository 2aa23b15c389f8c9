//===- Ordered.cpp - Running sums, top-k, scatter -------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/lower/Kernel.h"

using namespace mlir;

namespace mmcc::lower {

static Type elementOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getElementType();
}

/// Each result is its own sum, so that results are independent.
void lowerCumulative(Lowering &lowering, mm::CumulativeOp op) {
  Value input = op.getInput(), result = op.getResult();
  Shape shape = mm::getShape(input.getType());
  size_t axis = op.getAxis(), rank = shape.size();
  Type element = elementOf(input), wide = scalarType(element);
  if (auto type = dyn_cast<FloatType>(element); type && type.getWidth() < 32)
    wide = Float32Type::get(op.getContext());
  bool product = op.getKind() == "prod";
  Chain chain = lowering.chain(result);
  Domain domain;
  domain.extents = shape;
  domain.parallel = rank;
  domain.extents.push_back(shape[axis]);
  buildLoops(
      lowering, op.getLoc(), domain,
      [&](Kernel &kernel, const Domain &domain, ArrayRef<AffineExpr> index) {
        Element sum(kernel, "reduce", product ? "prod" : "sum", domain.extents,
                    {});
        OpBuilder &b = sum.builder;
        SmallVector<AffineExpr> at(index.take_front(rank));
        at[axis] = index[rank];
        Value here = sum.indexValue(index[axis]),
              j = sum.indexValue(index[rank]);
        using P = arith::CmpIPredicate;
        P predicate = op.getReverse() ? (op.getExclusive() ? P::sgt : P::sge)
                                      : (op.getExclusive() ? P::slt : P::sle);
        Value takesPart = b.create<arith::CmpIOp>(sum.loc, predicate, j, here);
        Value v = sum.at(input, at);
        if (isa<FloatType>(wide))
          v = emitCast(b, sum.loc, v, element, wide);
        Value neutral = isa<FloatType>(wide)
                            ? sum.floatConstant(wide, product ? 1 : 0)
                            : sum.intConstant(wide, product ? 1 : 0);
        sum.yield({b.create<arith::SelectOp>(sum.loc, takesPart, v, neutral)});
        Element finish(
            kernel, "finish", "",
            ArrayRef<Dim>(domain.extents).take_front(domain.parallel), {wide});
        finish.define(result, [&](ArrayRef<AffineExpr>) -> Value {
          Value v = finish.value(0);
          return isa<FloatType>(wide)
                     ? emitCast(finish.builder, finish.loc, v, wide, element)
                     : v;
        });
        finish.storeChain(chain, result, index.take_front(rank));
        finish.yield();
      });
  lowering.stored(chain);
}

/// The rank of an element is the number of elements that come before it in
/// sorted order; result r is the one of rank r. Quadratic along the axis, and
/// without an order of evaluation.
void lowerTopK(Lowering &lowering, mm::TopKOp op) {
  if (selectsInKernel(op)) {
    lowerTopKInKernel(lowering, op);
    return;
  }
  Value input = op.getInput();
  Shape shape = mm::getShape(input.getType());
  Shape out = mm::getShape(op.getValues().getType());
  size_t axis = op.getAxis(), rank = shape.size();
  Type element = elementOf(input);
  Type i64 = IntegerType::get(op.getContext(), 64);
  View ranks = lowering.allocDense(shape, i64, op.getLoc());
  Domain pairs;
  pairs.extents = shape;
  pairs.parallel = rank;
  pairs.extents.push_back(shape[axis]);
  buildLoops(
      lowering, op.getLoc(), pairs,
      [&](Kernel &kernel, const Domain &domain, ArrayRef<AffineExpr> index) {
        Element before(kernel, "reduce", "sum", domain.extents, {});
        OpBuilder &b = before.builder;
        SmallVector<AffineExpr> mine(index.take_front(rank)), other(mine);
        other[axis] = index[rank];
        Value x = before.at(input, mine), y = before.at(input, other);
        Value first, equal;
        if (isa<FloatType>(element)) {
          using P = arith::CmpFPredicate;
          first = b.create<arith::CmpFOp>(
              before.loc, op.getLargest() ? P::OGT : P::OLT, y, x);
          equal = b.create<arith::CmpFOp>(before.loc, P::OEQ, y, x);
        } else {
          using P = arith::CmpIPredicate;
          bool isUnsigned = element.isUnsignedInteger();
          P predicate = op.getLargest() ? (isUnsigned ? P::ugt : P::sgt)
                                        : (isUnsigned ? P::ult : P::slt);
          first = b.create<arith::CmpIOp>(before.loc, predicate, y, x);
          equal = b.create<arith::CmpIOp>(before.loc, P::eq, y, x);
        }
        Value earlier = b.create<arith::CmpIOp>(
            before.loc, arith::CmpIPredicate::slt,
            before.indexValue(index[rank]), before.indexValue(index[axis]));
        Value counts = b.create<arith::OrIOp>(
            before.loc, first,
            b.create<arith::AndIOp>(before.loc, equal, earlier));
        before.yield({b.create<arith::ExtUIOp>(before.loc, i64, counts)});
        Element finish(
            kernel, "finish", "",
            ArrayRef<Dim>(domain.extents).take_front(domain.parallel), {i64});
        finish.store(finish.value(0), ranks, index.take_front(rank));
        finish.yield();
      });
  View values = lowering.destination(op.getValues());
  View indices = lowering.destination(op.getIndices());
  Domain pick;
  pick.extents = out;
  pick.parallel = rank;
  pick.extents.push_back(shape[axis]);
  buildLoops(
      lowering, op.getLoc(), pick,
      [&](Kernel &kernel, const Domain &domain, ArrayRef<AffineExpr> index) {
        Element position(kernel, "reduce", "sum", domain.extents, {});
        OpBuilder &b = position.builder;
        SmallVector<AffineExpr> at(index.take_front(rank));
        at[axis] = index[rank];
        auto asInteger = [&](AffineExpr expr) {
          return b.create<arith::IndexCastOp>(position.loc, i64,
                                              position.indexValue(expr));
        };
        Value mine = b.create<arith::CmpIOp>(
            position.loc, arith::CmpIPredicate::eq,
            position.load(ranks, at, i64), asInteger(index[axis]));
        position.yield({b.create<arith::SelectOp>(
            position.loc, mine, asInteger(index[rank]),
            position.intConstant(i64, 0))});
        Element finish(
            kernel, "finish", "",
            ArrayRef<Dim>(domain.extents).take_front(domain.parallel), {i64});
        Value found = finish.value(0);
        finish.store(found, indices, index.take_front(rank));
        SmallVector<AffineExpr> source(index.take_front(rank));
        source[axis] = finish.computedDim(
            finish.builder.create<arith::IndexCastOp>(
                finish.loc, finish.builder.getIndexType(), found),
            shape[axis]);
        finish.store(finish.at(input, source), values, index.take_front(rank));
        finish.yield();
      });
  lowering.stored({op.getValues(), values, {}});
  lowering.stored({op.getIndices(), indices, {}});
}

void lowerScatter(Lowering &lowering, mm::ScatterOp op) {
  Value input = op.getInput(), result = op.getResult();
  Value indices = op.getIndices(), updates = op.getUpdates();
  Shape shape = mm::getShape(input.getType());
  Shape updateShape = mm::getShape(updates.getType());
  Shape indexShape = mm::getShape(indices.getType());
  Type element = elementOf(input);
  View target = lowering.destination(result);
  lowering.emitMap(input, target);
  // One element after the other, in row-major order of the updates.
  Kernel kernel(lowering, "loops", op.getLoc());
  Domain domain;
  domain.extents = updateShape;
  if (domain.extents.empty())
    domain.extents.push_back(lowering.symbols.constant(1));
  Element each(kernel, "sequential", "", domain.extents, {});
  OpBuilder &b = each.builder;
  SmallVector<AffineExpr> index, where;
  for (unsigned i = 0; i < updateShape.size(); ++i)
    index.push_back(each.dim(i));
  auto position = [&](ArrayRef<AffineExpr> at, const Dim &extent) {
    Value i = b.create<arith::IndexCastOp>(each.loc, b.getIndexType(),
                                           each.at(indices, at));
    Value negative = b.create<arith::CmpIOp>(
        each.loc, arith::CmpIPredicate::slt, i, each.indexConstant(0));
    i = b.create<arith::SelectOp>(
        each.loc, negative,
        b.create<arith::AddIOp>(each.loc, i, each.sizeValue(extent)), i);
    return each.clamped(each.computedDim(i, extent), extent);
  };
  if (op.getKind() == "elements") {
    where = index;
    where[op.getAxis()] = position(index, shape[op.getAxis()]);
  } else {
    size_t leading = indexShape.size() - 1;
    int64_t tuple = *indexShape.back().getConstant();
    SmallVector<AffineExpr> at(index.begin(), index.begin() + leading);
    at.push_back({});
    for (int64_t i = 0; i < tuple; ++i) {
      at.back() = getAffineConstantExpr(i, op.getContext());
      where.push_back(position(at, shape[i]));
    }
    where.append(index.begin() + leading, index.end());
  }
  Value update = each.at(updates, index);
  StringRef reduction = op.getReduction();
  if (reduction != "none") {
    Value old = each.load(target, where, element);
    bool isFloat = isa<FloatType>(element);
    bool isUnsigned = element.isUnsignedInteger();
    bool narrow = isFloat && cast<FloatType>(element).getWidth() < 32;
    Type wide = narrow ? b.getF32Type() : old.getType();
    if (narrow) {
      old = emitCast(b, each.loc, old, element, wide);
      update = emitCast(b, each.loc, update, element, wide);
    }
    auto pick = [&](auto floatOp, auto intOp) -> Value {
      return isFloat ? Value(floatOp()) : Value(intOp());
    };
    if (reduction == "add")
      update = pick(
          [&] {
            return b.create<arith::AddFOp>(each.loc, old, update).getResult();
          },
          [&] {
            return b.create<arith::AddIOp>(each.loc, old, update).getResult();
          });
    else if (reduction == "mul")
      update = pick(
          [&] {
            return b.create<arith::MulFOp>(each.loc, old, update).getResult();
          },
          [&] {
            return b.create<arith::MulIOp>(each.loc, old, update).getResult();
          });
    else if (reduction == "max")
      update = pick(
          [&] {
            return b.create<arith::MaximumFOp>(each.loc, old, update)
                .getResult();
          },
          [&]() -> Value {
            if (isUnsigned)
              return b.create<arith::MaxUIOp>(each.loc, old, update);
            return b.create<arith::MaxSIOp>(each.loc, old, update);
          });
    else
      update = pick(
          [&] {
            return b.create<arith::MinimumFOp>(each.loc, old, update)
                .getResult();
          },
          [&]() -> Value {
            if (isUnsigned)
              return b.create<arith::MinUIOp>(each.loc, old, update);
            return b.create<arith::MinSIOp>(each.loc, old, update);
          });
    if (narrow)
      update = emitCast(b, each.loc, update, wide, element);
  }
  each.store(update, target, where);
  each.yield();
  Dim one = lowering.symbols.constant(1), zero = lowering.symbols.constant(0);
  kernel.finish(domain.extents, domain.extents.size(), {one, one}, {}, zero,
                zero, {one});
  lowering.stored({result, target, {}});
}

} // namespace mmcc::lower
