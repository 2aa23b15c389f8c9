//===- Convolution.cpp - Lowering of mm.conv ------------------------------===//

#include "codegen/cpu/kernels/Blocking.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/lower/Kernel.h"

using namespace mlir;

namespace mmcc::lower {

namespace {

Type elementOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getElementType();
}

/// Which dimension of input and result is which.
struct Layout {
  unsigned spatial;
  bool channelsLast;

  unsigned channel() const { return channelsLast ? spatial + 1 : 1; }
  unsigned space(unsigned i) const { return channelsLast ? 1 + i : 2 + i; }
};

/// A value at position out * stride + tap * dilation - pad, zero outside.
Value guarded(Element &e, Value tensor, SmallVector<AffineExpr> at,
              ArrayRef<unsigned> dims, ArrayRef<Dim> sizes, Value fill) {
  Value valid;
  for (auto [dim, size] : llvm::zip(dims, sizes)) {
    Value here = e.inside(at[dim], size);
    valid = valid ? e.builder.create<arith::AndIOp>(e.loc, valid, here) : here;
    at[dim] = e.clamped(at[dim], size);
  }
  Value v = e.at(tensor, at);
  if (!valid)
    return v;
  return e.builder.create<arith::SelectOp>(e.loc, valid, v, fill);
}

Value zeroOf(Element &e, Type type) {
  return e.builder.create<arith::ConstantOp>(
      e.loc, e.builder.getZeroAttr(scalarType(type)));
}

/// Any convolution as a guarded sum: for types, ranks and groups that no
/// microkernel serves.
void convLoops(Lowering &lowering, mm::ConvOp op, const Layout &layout) {
  const Symbols &symbols = lowering.symbols;
  Value input = op.getInput(), weight = op.getWeight(), result = op.getResult();
  Shape x = mm::getShape(input.getType()), w = mm::getShape(weight.getType());
  Shape out = mm::getShape(result.getType());
  unsigned n = layout.spatial;
  lowering.prepare(weight);
  if (op.getBias())
    lowering.prepare(op.getBias());
  Chain chain = lowering.chain(result);
  // [out dimensions | channel in group, taps...]
  Domain domain;
  domain.extents = out;
  domain.parallel = out.size();
  llvm::append_range(domain.extents, ArrayRef<Dim>(w).drop_front(1));
  Type element = elementOf(result), wide = scalarType(element);
  if (auto type = dyn_cast<FloatType>(element); type && type.getWidth() < 32)
    wide = Float32Type::get(op.getContext());
  unsigned rank = out.size();
  Dim perGroup = out[layout.channel()].floorDiv(op.getGroups());
  buildLoops(
      lowering, op.getLoc(), domain,
      [&](Kernel &kernel, const Domain &domain, ArrayRef<AffineExpr> index) {
        Element sum(kernel, "reduce", "sum", domain.extents, {});
        AffineExpr channel = index[layout.channel()];
        SmallVector<AffineExpr> at(rank), filter{channel, index[rank]};
        at[0] = index[0];
        at[layout.channel()] =
            index[rank] + (op.getGroups() == 1
                               ? getAffineConstantExpr(0, symbols.context)
                               : channel.floorDiv(symbols.expr(perGroup)) *
                                     symbols.expr(w[1]));
        SmallVector<unsigned> dims;
        SmallVector<Dim> sizes;
        for (unsigned i = 0; i < n; ++i) {
          AffineExpr tap = index[rank + 1 + i];
          filter.push_back(tap);
          at[layout.space(i)] = index[layout.space(i)] * op.getStrides()[i] +
                                tap * op.getDilations()[i] - op.getPads()[i];
          if (op.getPads()[i] || op.getPads()[n + i]) {
            dims.push_back(layout.space(i));
            sizes.push_back(x[layout.space(i)]);
          }
        }
        auto widen = [&](Value v) {
          return isa<FloatType>(wide)
                     ? emitCast(sum.builder, sum.loc, v, element, wide)
                     : v;
        };
        Value a =
            widen(guarded(sum, input, at, dims, sizes, zeroOf(sum, element)));
        Value b = widen(sum.at(weight, filter));
        Value product;
        if (isa<FloatType>(wide))
          product = sum.builder.create<arith::MulFOp>(sum.loc, a, b);
        else
          product = sum.builder.create<arith::MulIOp>(sum.loc, a, b);
        sum.yield({product});
        Element finish(
            kernel, "finish", "",
            ArrayRef<Dim>(domain.extents).take_front(domain.parallel), {wide});
        finish.define(result, [&](ArrayRef<AffineExpr> at) -> Value {
          Value v = finish.value(0);
          if (op.getBias())
            v = finish.builder.create<arith::AddFOp>(
                finish.loc, v,
                emitCast(finish.builder, finish.loc,
                         finish.at(op.getBias(), {at[layout.channel()]}),
                         element, wide));
          return isa<FloatType>(wide)
                     ? emitCast(finish.builder, finish.loc, v, wide, element)
                     : v;
        });
        finish.storeChain(chain, result, index.take_front(rank));
        finish.yield();
      });
  lowering.stored(chain);
}

/// The input with contiguous channels; copied into [batch, space..., C] if its
/// memory has another order.
View channelsLastView(Lowering &lowering, Value input, const Layout &layout) {
  View view = lowering.view(input);
  Shape shape = mm::getShape(input.getType());
  unsigned c = layout.channel();
  if (view.strides[c].isConstant(1) || shape[c].isConstant(1))
    return view;
  SmallVector<unsigned> order{0};
  for (unsigned i = 0; i < layout.spatial; ++i)
    order.push_back(layout.space(i));
  order.push_back(c);
  Shape ordered;
  for (unsigned i : order)
    ordered.push_back(shape[i]);
  View dense = lowering.allocDense(ordered, elementOf(input), input.getLoc());
  View target = dense;
  for (auto [position, i] : llvm::enumerate(order))
    target.strides[i] = dense.strides[position];
  lowering.emitMap(input, target);
  return target;
}

} // namespace

void lowerConv(Lowering &lowering, mm::ConvOp op) {
  const Symbols &symbols = lowering.symbols;
  Value input = op.getInput(), result = op.getResult();
  Shape x = mm::getShape(input.getType());
  Shape w = mm::getShape(op.getWeight().getType());
  Shape out = mm::getShape(result.getType());
  Layout layout{static_cast<unsigned>(x.size() - 2), op.getChannelsLast()};
  int64_t groups = op.getGroups();
  Dim C = x[layout.channel()], N = out[layout.channel()];
  bool isStatic =
      C.getConstant() && N.getConstant() &&
      llvm::all_of(w, [](const Dim &d) { return !!d.getConstant(); });
  bool depthwise = isStatic && groups > 1 && C == N && C.isConstant(groups);
  Value filter;
  if (elementOf(result).isF32() && isStatic && layout.spatial <= 2 &&
      layout.spatial >= 1)
    filter = depthwise ? lowering.depthwiseFilter(op.getWeight())
                       : lowering.packedFilter(op.getWeight(), groups);
  if (!filter) {
    convLoops(lowering, op, layout);
    return;
  }
  View view = channelsLastView(lowering, input, layout);
  if (op.getBias())
    lowering.prepare(op.getBias());
  Dim one = symbols.constant(1), zero = symbols.constant(0);
  bool flat = layout.spatial == 1;
  unsigned first = layout.space(0), last = layout.space(layout.spatial - 1);
  Dim H = flat ? one : x[first], W = x[last];
  Dim OH = flat ? one : out[first], OW = out[last];
  Dim KH = flat ? one : w[2], KW = w.back();
  auto at = [&](ArrayRef<int64_t> values, unsigned row, int64_t none,
                unsigned count) {
    // Row (0) or column (1) of a pair that is only a column in 1-D.
    if (flat)
      return row == 0 ? symbols.constant(none) : symbols.constant(values[0]);
    return symbols.constant(values[row]);
  };
  Dim pixels = OH * OW;
  int64_t kh = *KH.getConstant(), kw = *KW.getConstant();
  int64_t c = *C.getConstant(), n = *N.getConstant();
  int64_t m = pixels.getConstant().value_or(784);
  int64_t batch = x[0].getConstant().value_or(1);
  bool avx512 = lowering.level.contains("x86-64-v4");
  cpu::Blocks blocks =
      depthwise ? cpu::depthwiseBlocks(m, c, kh * kw, batch)
                : cpu::gemmBlocks(m, n / groups, kh * kw * c / groups,
                                  batch * groups, avx512);
  if (!pixels.getConstant() && blocks.m_block >= m)
    blocks.m_block = 112;
  Dim mBlock = symbols.constant(blocks.m_block);
  Dim nBlock = symbols.constant(blocks.n_block);

  Chain chain = lowering.chain(result);
  Kernel kernel(lowering, depthwise ? "depthwise_f32" : "conv_f32",
                op.getLoc());
  kernel.tensor(view.buffer);
  kernel.tensor(filter);
  SmallVector<Dim> domain{x[0], pixels, N};
  Element post(kernel, "post", "", domain, {Float32Type::get(symbols.context)});
  post.define(result, [&](ArrayRef<AffineExpr> at) -> Value {
    Value v = post.value(0);
    if (op.getBias())
      v = post.builder.create<arith::AddFOp>(
          post.loc, v, post.at(op.getBias(), {at[layout.channel()]}));
    return v;
  });
  // (batch, pixel, channel) to the result's own order of dimensions.
  SmallVector<Dim> ordered{out[0]};
  for (unsigned i = 0; i < layout.spatial; ++i)
    ordered.push_back(out[layout.space(i)]);
  ordered.push_back(N);
  SmallVector<AffineExpr> split =
      reshapeIndex({post.dim(0), post.dim(1), post.dim(2)}, domain, ordered,
                   domain, symbols);
  SmallVector<AffineExpr> index(out.size());
  index[0] = split[0];
  for (unsigned i = 0; i < layout.spatial; ++i)
    index[layout.space(i)] = split[1 + i];
  index[layout.channel()] = split.back();
  post.storeChain(chain, result, index);
  post.yield();

  SmallVector<Dim> params{x[0], H, W, C, OH, OW};
  if (!depthwise)
    params.append({N, symbols.constant(groups)});
  params.append({KH, KW, at(op.getStrides(), 0, 1, 1),
                 at(op.getStrides(), 1, 1, 1), at(op.getDilations(), 0, 1, 1),
                 at(op.getDilations(), 1, 1, 1), at(op.getPads(), 0, 0, 2),
                 at(op.getPads(), 1, 0, 2), view.strides[0],
                 flat ? view.strides[last] * W : view.strides[first],
                 view.strides[last], mBlock, nBlock});
  Dim scratch = symbols.constant(
      depthwise ? cpu::depthwiseScratchBytes(kh, kw, blocks.n_block)
                : cpu::convScratchBytes(c, groups, kh, kw));
  Dim perGroup = depthwise ? C : symbols.constant(n / groups);
  kernel.finish(domain, 3, params, {view.offset, zero}, scratch,
                x[0] * pixels * N * (kh * kw * c / groups * 2),
                {perGroup.ceilDiv(nBlock), pixels.ceilDiv(mBlock),
                 depthwise ? x[0] : x[0] * groups});
  lowering.stored(chain);
}

void lowerConvTranspose(Lowering &lowering, mm::ConvTransposeOp op) {
  const Symbols &symbols = lowering.symbols;
  Value input = op.getInput(), weight = op.getWeight(), result = op.getResult();
  Shape x = mm::getShape(input.getType()), w = mm::getShape(weight.getType());
  Shape out = mm::getShape(result.getType());
  unsigned n = x.size() - 2, rank = x.size();
  lowering.prepare(weight);
  if (op.getBias())
    lowering.prepare(op.getBias());
  Chain chain = lowering.chain(result);
  // [out dimensions | channel in group, taps...]; a tap contributes where
  // (out + pad - tap * dilation) is a multiple of the stride.
  Domain domain;
  domain.extents = out;
  domain.parallel = rank;
  domain.extents.push_back(x[1].floorDiv(op.getGroups()));
  llvm::append_range(domain.extents, ArrayRef<Dim>(w).drop_front(2));
  Type element = elementOf(result), wide = element;
  if (cast<FloatType>(element).getWidth() < 32)
    wide = Float32Type::get(op.getContext());
  Dim outPerGroup = out[1].floorDiv(op.getGroups());
  buildLoops(
      lowering, op.getLoc(), domain,
      [&](Kernel &kernel, const Domain &domain, ArrayRef<AffineExpr> index) {
        Element sum(kernel, "reduce", "sum", domain.extents, {});
        OpBuilder &b = sum.builder;
        AffineExpr zero = getAffineConstantExpr(0, symbols.context);
        AffineExpr group = op.getGroups() == 1
                               ? zero
                               : index[1].floorDiv(symbols.expr(outPerGroup));
        AffineExpr within = op.getGroups() == 1
                                ? index[1]
                                : index[1] - group * symbols.expr(outPerGroup);
        AffineExpr channel =
            index[rank] + group * symbols.expr(x[1].floorDiv(op.getGroups()));
        SmallVector<AffineExpr> at{index[0], channel}, filter{channel, within};
        Value valid;
        for (unsigned i = 0; i < n; ++i) {
          AffineExpr tap = index[rank + 1 + i];
          filter.push_back(tap);
          Value reached = sum.indexValue(index[2 + i] + op.getPads()[i] -
                                         tap * op.getDilations()[i]);
          Value stride = sum.indexConstant(op.getStrides()[i]);
          Value position = b.create<arith::DivSIOp>(sum.loc, reached, stride);
          Value back = b.create<arith::MulIOp>(sum.loc, position, stride);
          Value exact = b.create<arith::CmpIOp>(
              sum.loc, arith::CmpIPredicate::eq, back, reached);
          AffineExpr where = sum.computedDim(position, x[2 + i]);
          Value here = b.create<arith::AndIOp>(sum.loc, exact,
                                               sum.inside(where, x[2 + i]));
          valid = valid ? b.create<arith::AndIOp>(sum.loc, valid, here) : here;
          at.push_back(sum.clamped(where, x[2 + i]));
        }
        Value a = emitCast(b, sum.loc, sum.at(input, at), element, wide);
        Value f = emitCast(b, sum.loc, sum.at(weight, filter), element, wide);
        Value product = b.create<arith::MulFOp>(sum.loc, a, f);
        sum.yield({b.create<arith::SelectOp>(sum.loc, valid, product,
                                             zeroOf(sum, wide))});
        Element finish(
            kernel, "finish", "",
            ArrayRef<Dim>(domain.extents).take_front(domain.parallel), {wide});
        finish.define(result, [&](ArrayRef<AffineExpr> at) -> Value {
          Value v = finish.value(0);
          if (op.getBias())
            v = finish.builder.create<arith::AddFOp>(
                finish.loc, v,
                emitCast(finish.builder, finish.loc,
                         finish.at(op.getBias(), {at[1]}), element, wide));
          return emitCast(finish.builder, finish.loc, v, wide, element);
        });
        finish.storeChain(chain, result, index.take_front(rank));
        finish.yield();
      });
  lowering.stored(chain);
}

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
