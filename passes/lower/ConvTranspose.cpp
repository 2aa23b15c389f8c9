//===- ConvTranspose.cpp - Lowering of mm.conv_transpose ------------------===//
//
// Along one dimension, with stride s, dilation d and padding p,
//
//     out[o] = sum over taps k with s | o + p - k d of x[(o + p - k d) / s]
//     w[k]
//
// Outputs o = s q + r of one phase r use the same taps, k = k0 + j s / g with g
// = gcd(s, d), and read x at q + b - j d / g, b = (r + p - k0 d) / s: an
// ordinary convolution of stride 1 with these taps in reverse order, whose
// results are stored s apart. Stride 2, kernel 3, padding 1:
//
//     w = a b c      phase 0:  out[2q]     = b x[q]
//                    phase 1:  out[2q + 1] = c x[q] + a x[q + 1]
//
// So s (in two dimensions, the product of both) launches of conv_f32 do the
// work without multiplying by zeros.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/lower/Windows.h"
#include <numeric>

using namespace mlir;

namespace mmcc::lower {

/// Any transposed convolution as a guarded sum: for types, ranks and strides
/// that convolutions do not serve.
static void transposeLoops(Lowering &lowering, mm::ConvTransposeOp op) {
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

/// More launches than this are not worth it.
constexpr int64_t kMostPhases = 16;

namespace {
/// One phase of one dimension.
struct Phase {
  int64_t remainder;
  /// Taps first, first + step, ..., `count` of them, and the padding and
  /// dilation of the convolution that they make.
  int64_t first, step, count, pad, dilation;
};
} // namespace

/// The phases of dimension `i`; empty if one of them has no taps.
static SmallVector<Phase> findPhases(mm::ConvTransposeOp op, unsigned i,
                                     int64_t taps) {
  int64_t stride = op.getStrides()[i], dilation = op.getDilations()[i];
  int64_t pad = op.getPads()[i], common = std::gcd(stride, dilation);
  SmallVector<Phase> phases;
  for (int64_t remainder = 0; remainder < stride; ++remainder) {
    Phase phase{remainder, 0, stride / common, 0, 0, dilation / common};
    while (phase.first < taps &&
           (remainder + pad - phase.first * dilation) % stride != 0)
      ++phase.first;
    if (phase.first == taps)
      return {};
    phase.count = (taps - phase.first - 1) / phase.step + 1;
    int64_t base = (remainder + pad - phase.first * dilation) / stride;
    phase.pad = (phase.count - 1) * phase.dilation - base;
    phases.push_back(phase);
  }
  return phases;
}

/// The filter [C, N/G, taps...] of one phase as [N, C/G, taps in reverse...]:
/// data movement that packing reads through.
static Value phaseFilter(OpBuilder &b, mm::ConvTransposeOp op,
                         ArrayRef<Phase> phases) {
  MLIRContext *context = op.getContext();
  Location loc = op.getLoc();
  Type f32 = b.getF32Type();
  Shape w = mm::getShape(op.getWeight().getType());
  auto number = [&](int64_t value) {
    return mm::Dim::constant(context, value);
  };
  Shape taken = w;
  SmallVector<Dim> offsets(w.size(), number(0));
  SmallVector<int64_t> steps(w.size(), 1);
  for (auto [i, phase] : llvm::enumerate(phases)) {
    taken[2 + i] = number(phase.count);
    offsets[2 + i] = number(phase.first + (phase.count - 1) * phase.step);
    steps[2 + i] = -phase.step;
  }
  Value filter =
      b.create<mm::SliceOp>(loc, mm::makeTensorType(taken, f32), op.getWeight(),
                            mm::DimsAttr::get(context, offsets), steps);
  Dim groups = number(op.getGroups());
  Dim inputs = number(*w[0].getConstant() / op.getGroups());
  Shape apart{groups, inputs, w[1]};
  apart.append(taken.begin() + 2, taken.end());
  filter = b.create<mm::ReshapeOp>(loc, mm::makeTensorType(apart, f32), filter);
  SmallVector<int64_t> exchange{0, 2, 1};
  for (size_t i = 3; i < apart.size(); ++i)
    exchange.push_back(i);
  filter = b.create<mm::TransposeOp>(loc, filter, exchange);
  Shape joined{groups * w[1], inputs};
  joined.append(taken.begin() + 2, taken.end());
  return b.create<mm::ReshapeOp>(loc, mm::makeTensorType(joined, f32), filter);
}

/// Lets an own buffer of the chain's end have its channels side by side, as the
/// convolutions make them.
static void storeChannelsLast(Lowering &lowering, Chain &chain, Value result) {
  Shape shape = mm::getShape(chain.last.getType());
  if (shape != mm::getShape(result.getType()) ||
      !chain.destination.buffer.getDefiningOp<plan::AllocOp>() ||
      chain.destination.strides !=
          rowMajorStrides(shape, lowering.symbols.context) ||
      !chain.destination.offset.isConstant(0))
    return;
  Dim stride = shape[1];
  for (size_t i = shape.size(); i-- > 2; stride = stride * shape[i])
    chain.destination.strides[i] = stride;
  chain.destination.strides[0] = stride;
  chain.destination.strides[1] = lowering.symbols.constant(1);
}

void lowerConvTranspose(Lowering &lowering, mm::ConvTransposeOp op) {
  const Symbols &symbols = lowering.symbols;
  Value input = op.getInput(), result = op.getResult();
  Shape x = mm::getShape(input.getType()), out = mm::getShape(result.getType());
  Shape w = mm::getShape(op.getWeight().getType());
  Layout layout{static_cast<unsigned>(x.size() - 2), false};
  bool isStatic =
      llvm::all_of(w, [](const Dim &d) { return !!d.getConstant(); });
  if (!elementOf(result).isF32() || !isStatic || layout.spatial > 2)
    return transposeLoops(lowering, op);

  bool flat = layout.spatial == 1;
  SmallVector<Phase> columns =
      findPhases(op, layout.spatial - 1, *w.back().getConstant());
  SmallVector<Phase> rows{Phase{0, 0, 1, 1, 0, 1}};
  if (!flat)
    rows = findPhases(op, 0, *w[2].getConstant());
  int64_t count = rows.size() * columns.size();
  SmallVector<Value> filters;
  OpBuilder b(op);
  if (count > 0 && count <= kMostPhases)
    for (const Phase &row : rows)
      for (const Phase &column : columns) {
        SmallVector<Phase> both{row, column};
        Value filter =
            phaseFilter(b, op, ArrayRef(both).drop_front(flat ? 1 : 0));
        filters.push_back(lowering.packedFilter(filter, op.getGroups()));
      }
  if (filters.empty() || llvm::is_contained(filters, Value()))
    return transposeLoops(lowering, op);

  View view = channelsLastView(lowering, input, layout);
  if (op.getBias())
    lowering.prepare(op.getBias());
  Chain chain = lowering.chain(result);
  storeChannelsLast(lowering, chain, result);
  unsigned first = layout.space(0), last = layout.space(layout.spatial - 1);
  int64_t rowStride = flat ? 1 : op.getStrides()[0];
  int64_t columnStride = op.getStrides().back();
  ConvCall call = makeConvCall(lowering, view, x, out, layout, op.getGroups());
  call.strideH = call.strideW = 1;
  Dim OH = flat ? symbols.constant(1) : out[first], OW = out[last];
  auto filter = filters.begin();
  for (const Phase &row : rows)
    for (const Phase &column : columns) {
      call.filter = *filter++;
      call.OH = (OH - row.remainder).ceilDiv(rowStride);
      call.OW = (OW - column.remainder).ceilDiv(columnStride);
      call.KH = row.count;
      call.KW = column.count;
      call.dilationH = row.dilation;
      call.dilationW = column.dilation;
      call.padTop = row.pad;
      call.padLeft = column.pad;
      if (call.OH.isConstant(0) || call.OW.isConstant(0))
        continue;
      emitConv(lowering, op.getLoc(), call, [&](Element &post) {
        defineBiased(post, result, op.getBias(), layout);
        SmallVector<Dim> domain{x[0], call.OH * call.OW, call.N};
        SmallVector<AffineExpr> split =
            reshapeIndex({post.dim(0), post.dim(1), post.dim(2)}, domain,
                         {x[0], call.OH, call.OW, call.N}, domain, symbols);
        SmallVector<AffineExpr> index{split[0], split[3]};
        if (!flat)
          index.push_back(split[1] * rowStride + row.remainder);
        index.push_back(split[2] * columnStride + column.remainder);
        post.storeChain(chain, result, index);
      });
    }
  lowering.stored(chain);
}

} // namespace mmcc::lower
