//===- Windows.cpp - What convolutions and pools share --------------------===//

#include "passes/lower/Windows.h"
#include "codegen/cpu/kernels/Blocking.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "codegen/cuda/kernels/Blocking.cuh"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/lower/Rows.h"

using namespace mlir;

namespace mmcc::lower {

Type elementOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getElementType();
}

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

ConvCall makeConvCall(Lowering &lowering, const View &input, ArrayRef<Dim> x,
                      ArrayRef<Dim> out, const Layout &layout, int64_t groups) {
  bool flat = layout.spatial == 1;
  unsigned first = layout.space(0), last = layout.space(layout.spatial - 1);
  ConvCall call;
  call.depthwise = false;
  call.input = input;
  call.columnStride = input.strides[last];
  call.rowStride = flat ? input.strides[last] * x[last] : input.strides[first];
  call.batch = x[0];
  call.H = flat ? lowering.symbols.constant(1) : x[first];
  call.W = x[last];
  call.C = x[layout.channel()];
  call.N = out[layout.channel()];
  call.groups = groups;
  return call;
}

void defineBiased(Element &post, Value result, Value bias,
                  const Layout &layout) {
  post.define(result, [&post, bias, layout](ArrayRef<AffineExpr> at) -> Value {
    Value v = post.value(0);
    if (!bias)
      return v;
    return post.builder.create<arith::AddFOp>(
        post.loc, v, post.at(bias, {at[layout.channel()]}));
  });
}

void emitConv(Lowering &lowering, Location loc, const ConvCall &call,
              llvm::function_ref<void(Element &post)> store) {
  const Symbols &symbols = lowering.symbols;
  auto constant = [&](int64_t value) { return symbols.constant(value); };
  Dim pixels = call.OH * call.OW;
  int64_t taps = call.KH * call.KW, groups = call.groups;
  int64_t c = *call.C.getConstant(), n = *call.N.getConstant();
  int64_t m = pixels.getConstant().value_or(784);
  int64_t batch = call.batch.getConstant().value_or(1);
  bool avx512 = lowering.level.contains("x86-64-v4");
  cpu::Blocks blocks = call.depthwise
                           ? cpu::depthwiseBlocks(m, c, taps, batch)
                           : cpu::gemmBlocks(m, n / groups, taps * c / groups,
                                             batch * groups, avx512);
  if (lowering.isCuda() && call.depthwise)
    blocks = {cuda::kDepthwisePixels, cuda::kDepthwiseChannels};
  else
    blocks = blocksFor(lowering, m, n / groups, batch * groups,
                       call.rounds || call.isTf32, blocks);
  if (!pixels.getConstant() && blocks.m_block >= m && !lowering.isCuda())
    blocks.m_block = 112;
  Dim mBlock = constant(blocks.m_block), nBlock = constant(blocks.n_block);

  Kernel kernel(lowering,
                call.depthwise ? "depthwise_f32"
                : call.rounds  ? "conv_bf16"
                : call.isTf32  ? "conv_tf32"
                               : "conv_f32",
                loc);
  kernel.tensor(call.input.buffer);
  kernel.tensor(call.filter);
  SmallVector<Dim> domain{call.batch, pixels, call.N};
  Element post(kernel, "post", "", domain, {Float32Type::get(symbols.context)});
  store(post);
  post.yield();

  SmallVector<Dim> params{call.batch, call.H, call.W, call.C, call.OH, call.OW};
  if (!call.depthwise)
    params.append({call.N, constant(groups)});
  for (int64_t value :
       {call.KH, call.KW, call.strideH, call.strideW, call.dilationH,
        call.dilationW, call.padTop, call.padLeft})
    params.push_back(constant(value));
  params.append({call.input.strides[0], call.rowStride, call.columnStride,
                 mBlock, nBlock});
  Dim scratch = constant(
      call.depthwise
          ? cpu::depthwiseScratchBytes(call.KH, call.KW, blocks.n_block)
      : call.rounds ? cpu::convRoundedScratchBytes(c, groups, call.KH, call.KW)
                    : cpu::convScratchBytes(c, groups, call.KH, call.KW));
  Dim perGroup = call.depthwise ? call.C : constant(n / groups);
  kernel.finish(domain, 3, params, {call.input.offset, constant(0)}, scratch,
                call.batch * pixels * call.N * (taps * c / groups * 2),
                {perGroup.ceilDiv(nBlock), pixels.ceilDiv(mBlock),
                 call.depthwise ? call.batch : call.batch * groups});
}

} // namespace mmcc::lower
