//===- Pooling.cpp - Lowering of mm.pool ----------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/lower/Windows.h"

using namespace mlir;

namespace mmcc::lower {

void lowerPool(Lowering &lowering, mm::PoolOp op) {
  Value input = op.getInput(), result = op.getResult();
  Shape x = mm::getShape(input.getType());
  Shape out = mm::getShape(result.getType());
  unsigned n = x.size() - 2, rank = x.size();
  Layout layout{n, op.getChannelsLast()};
  const Symbols &symbols = lowering.symbols;
  Chain chain = lowering.chain(result);
  Domain domain;
  domain.extents = out;
  domain.parallel = rank;
  for (int64_t size : op.getKernel())
    domain.extents.push_back(symbols.constant(size));
  Type element = elementOf(result), wide = scalarType(element);
  if (auto type = dyn_cast<FloatType>(element); type && type.getWidth() < 32)
    wide = Float32Type::get(op.getContext());
  bool isMax = op.getKind() == mm::PoolKind::Max;
  bool isUnsigned = element.isUnsignedInteger();
  buildLoops(
      lowering, op.getLoc(), domain,
      [&](Kernel &kernel, const Domain &domain, ArrayRef<AffineExpr> index) {
        auto windowIndex = [&](SmallVector<unsigned> &dims,
                               SmallVector<Dim> &sizes) {
          SmallVector<AffineExpr> at(index.take_front(rank));
          for (unsigned i = 0; i < n; ++i) {
            unsigned s = layout.space(i);
            at[s] = index[s] * op.getStrides()[i] +
                    index[rank + i] * op.getDilations()[i] - op.getPads()[i];
            // Where the last window ends inside, nothing is tested.
            Dim reach = (out[s] - 1) * op.getStrides()[i] +
                        (op.getKernel()[i] - 1) * op.getDilations()[i] + 1;
            std::optional<int64_t> beyond = (x[s] - reach).getConstant();
            if (op.getPads()[i] || !beyond || *beyond < 0) {
              dims.push_back(s);
              sizes.push_back(x[s]);
            }
          }
          return at;
        };
        SmallVector<unsigned> dims;
        SmallVector<Dim> sizes;
        SmallVector<AffineExpr> at = windowIndex(dims, sizes);
        Element gather(kernel, "reduce", isMax ? "max" : "sum", domain.extents,
                       {});
        Value fill;
        if (!isMax) {
          fill = zeroOf(gather, element);
        } else if (auto type = dyn_cast<FloatType>(element)) {
          fill = gather.builder.create<arith::ConstantOp>(
              gather.loc,
              FloatAttr::get(type, APFloat::getInf(type.getFloatSemantics(),
                                                   /*Negative=*/true)));
        } else {
          unsigned bits = element.getIntOrFloatBitWidth();
          fill = gather.builder.create<arith::ConstantOp>(
              gather.loc,
              IntegerAttr::get(wide, isUnsigned
                                         ? APInt::getZero(bits)
                                         : APInt::getSignedMinValue(bits)));
        }
        Value v = guarded(gather, input, at, dims, sizes, fill);
        if (isa<FloatType>(wide))
          v = emitCast(gather.builder, gather.loc, v, element, wide);
        auto flip = [&](Element &e, Value v) -> Value {
          if (!isMax || !isUnsigned)
            return v;
          return e.builder.create<arith::XOrIOp>(
              e.loc, v,
              e.builder.create<arith::ConstantOp>(
                  e.loc,
                  IntegerAttr::get(wide, APInt::getSignedMinValue(
                                             wide.getIntOrFloatBitWidth()))));
        };
        gather.yield({flip(gather, v)});
        SmallVector<Type> sums{wide};
        bool counts = op.getKind() == mm::PoolKind::Average && !dims.empty();
        bool countsPads =
            op.getKind() == mm::PoolKind::AverageWithPads && !dims.empty();
        if (counts || countsPads) {
          // Elements of this window inside the image, or image and pads.
          Element count(kernel, "reduce", "sum", domain.extents, {wide});
          SmallVector<unsigned> countDims;
          SmallVector<Dim> countSizes;
          SmallVector<AffineExpr> where = windowIndex(countDims, countSizes);
          Value valid;
          for (auto [dim, size] : llvm::zip(countDims, countSizes)) {
            unsigned i = dim - layout.space(0);
            AffineExpr position = where[dim];
            Dim extent = size;
            if (countsPads) {
              position = position + op.getPads()[i];
              extent = extent + op.getPads()[i] + op.getPads()[n + i];
            }
            Value here = count.inside(position, extent);
            valid = valid ? count.builder.create<arith::AndIOp>(count.loc,
                                                                valid, here)
                          : here;
          }
          count.yield({count.builder.create<arith::SelectOp>(
              count.loc, valid, count.floatConstant(wide, 1),
              count.floatConstant(wide, 0))});
          sums.push_back(wide);
        }
        Element finish(
            kernel, "finish", "",
            ArrayRef<Dim>(domain.extents).take_front(domain.parallel), sums);
        finish.define(result, [&](ArrayRef<AffineExpr>) -> Value {
          Value v = flip(finish, finish.value(0));
          if (!isMax) {
            int64_t all = 1;
            for (int64_t size : op.getKernel())
              all *= size;
            Value divisor = sums.size() > 1 ? finish.value(1)
                                            : finish.floatConstant(wide, all);
            v = finish.builder.create<arith::DivFOp>(finish.loc, v, divisor);
          }
          return isa<FloatType>(wide)
                     ? emitCast(finish.builder, finish.loc, v, wide, element)
                     : v;
        });
        finish.storeChain(chain, result, index.take_front(rank));
        finish.yield();
      });
  lowering.stored(chain);
}

} // namespace mmcc::lower
