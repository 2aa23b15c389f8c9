//===- Convolution.cpp - Lowering of mm.conv ------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/lower/Windows.h"

using namespace mlir;

namespace mmcc::lower {

/// Any convolution as a guarded sum: for types, ranks and groups that no
/// microkernel serves.
static void convLoops(Lowering &lowering, mm::ConvOp op, const Layout &layout) {
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
  bool rounds = op.getArithmetic() == "bf16";
  bool columns = lowering.isCuda() && (rounds || lowering.takesTf32);
  Type rounded =
      lowering.isCuda() && rounds ? BFloat16Type::get(op.getContext()) : Type();
  Value filter;
  if (elementOf(result).isF32() && isStatic && layout.spatial <= 2 &&
      layout.spatial >= 1)
    filter = depthwise ? lowering.depthwiseFilter(op.getWeight())
                       : lowering.packedFilter(op.getWeight(), groups, columns,
                                               rounded);
  if (!elementOf(input).isF32() && rounds &&
      (depthwise || !lowering.isCuda())) {
    op.emitOpError("with an input of ") << elementOf(input) << " is for GPUs";
    lowering.failed = true;
    return;
  }
  if (!filter) {
    convLoops(lowering, op, layout);
    return;
  }
  View view = channelsLastView(lowering, input, layout);
  if (op.getBias())
    lowering.prepare(op.getBias());
  bool flat = layout.spatial == 1;
  unsigned first = layout.space(0), last = layout.space(layout.spatial - 1);
  // Of a pair (row, column) that is only a column in 1-D.
  auto row = [&](ArrayRef<int64_t> values, int64_t none) {
    return flat ? none : values[0];
  };
  auto column = [&](ArrayRef<int64_t> values) { return values[flat ? 0 : 1]; };
  ConvCall call = makeConvCall(lowering, view, x, out, layout, groups);
  call.filter = filter;
  call.depthwise = depthwise;
  call.rounds = rounds;
  call.isTf32 = lowering.takesTf32 && !rounds;
  call.OH = flat ? symbols.constant(1) : out[first];
  call.OW = out[last];
  call.KH = flat ? 1 : *w[2].getConstant();
  call.KW = *w.back().getConstant();
  call.strideH = row(op.getStrides(), 1);
  call.strideW = column(op.getStrides());
  call.dilationH = row(op.getDilations(), 1);
  call.dilationW = column(op.getDilations());
  call.padTop = row(op.getPads(), 0);
  call.padLeft = column(op.getPads());

  Chain chain = lowering.chain(result);
  emitConv(lowering, op.getLoc(), call, [&](Element &post) {
    defineBiased(post, result, op.getBias(), layout);
    // (batch, pixel, channel) to the result's own order of dimensions.
    SmallVector<Dim> domain{x[0], call.OH * call.OW, N}, ordered{out[0]};
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
  });
  lowering.stored(chain);
}

} // namespace mmcc::lower
