//===- Tokens.cpp - Lowering of token matching, merging and choosing ------===//

#include "codegen/cpu/kernels/Blocking.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "codegen/cuda/kernels/Blocking.cuh"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/lower/Kernel.h"

using namespace mlir;

namespace mmcc::lower {

/// A block that stores places, which kernels hand over as whole floats.
static void storePlaces(Kernel &kernel, const Chain &chain, Value result,
                        const Shape &extents) {
  Type f32 = Float32Type::get(result.getContext());
  Element post(kernel, "post", "", extents, {f32});
  post.define(result, [&](ArrayRef<AffineExpr>) -> Value {
    return post.builder.create<arith::FPToSIOp>(
        post.loc, post.builder.getI64Type(), post.value(0));
  });
  post.storeChain(chain, result, {post.dim(0), post.dim(2)});
  post.yield();
}

/// What a block of threads keeps in memory while it works: the last tensor of
/// the row on a GPU.
static void keepInMemory(Kernel &kernel, const Dim &elements, Type type,
                         SmallVectorImpl<Dim> &offsets) {
  Lowering &lowering = kernel.lowering;
  if (!lowering.isCuda())
    return;
  Value work = lowering.alloc(elements, type, kernel.loc);
  kernel.tensor(work);
  kernel.markWritten(work);
  offsets.push_back(lowering.symbols.constant(0));
}

void lowerMatchTokens(Lowering &lowering, mm::MatchTokensOp op) {
  const Symbols &symbols = lowering.symbols;
  View metric = lowering.denseView(op.getMetric(), 2);
  Shape shape = mm::getShape(op.getMetric().getType());
  Dim B = shape[0], N = shape[1], D = shape[2], one = symbols.constant(1);
  Value result = op.getResult();
  Chain chain = lowering.chain(result);

  Kernel kernel(lowering, "token_match_f32", op.getLoc());
  kernel.tensor(metric.buffer);
  SmallVector<Dim> offsets{metric.offset};
  int64_t tokens = *N.getConstant();
  keepInMemory(kernel, B * ((tokens + 1) / 2),
               IntegerType::get(symbols.context, 64), offsets);
  Shape extents{B, one, N};
  storePlaces(kernel, chain, result, extents);

  Dim scratch = symbols.constant(
      cpu::tokenMatchScratchBytes(tokens, D.getConstant().value_or(256)));
  kernel.finish(
      extents, 3,
      {B, N, D, symbols.constant(op.getProtect()),
       symbols.constant(op.getMerged()), symbols.constant(op.getNeighbours()),
       metric.strides[0], metric.strides[1]},
      offsets, scratch,
      B * D * (tokens / 2) * (op.getNeighbours() ? 4 : tokens), {one, one, B});
  lowering.stored(chain);
}

void lowerMergeTokens(Lowering &lowering, mm::MergeTokensOp op) {
  const Symbols &symbols = lowering.symbols;
  Type f32 = Float32Type::get(symbols.context);
  Shape shape = mm::getShape(op.getInput().getType());
  bool flat = shape.size() == 2;
  View input = lowering.denseView(op.getInput(), flat ? 1 : 2);
  View successor = lowering.denseView(op.getSuccessor(), 1);
  // Without sizes the kernel is handed what it does not read.
  View size = op.getSize() ? lowering.denseView(op.getSize(), 1) : input;
  Dim one = symbols.constant(1);
  Dim B = shape[0], N = shape[1], C = flat ? one : shape[2];
  Dim left = symbols.constant(op.getLeft());
  Value result = op.getResult();
  Chain chain = lowering.chain(result);

  Kernel kernel(lowering, "token_merge_f32", op.getLoc());
  kernel.tensor(input.buffer);
  kernel.tensor(successor.buffer);
  kernel.tensor(size.buffer);
  Shape extents{B, left, C};
  Element post(kernel, "post", "", extents, {f32});
  post.define(result,
              [&](ArrayRef<AffineExpr>) -> Value { return post.value(0); });
  SmallVector<AffineExpr> index{post.dim(0), post.dim(1)};
  if (!flat)
    index.push_back(post.dim(2));
  post.storeChain(chain, result, index);
  post.yield();

  int64_t block = cpu::tokenMergeBlock(C.getConstant().value_or(128));
  // On a GPU cells share what is left, too.
  Dim shares = one;
  if (lowering.isCuda()) {
    block = cuda::kMergeColumns;
    shares = symbols.constant(std::min<int64_t>(
        (op.getLeft() - 1) / cuda::kRowsPerCell + 1, cuda::kBusyCells));
  }
  kernel.finish(
      extents, 3,
      {B, N, left, C, input.strides[0], input.strides[1], successor.strides[0],
       size.strides[0], symbols.constant(op.getSize() ? 1 : 0),
       symbols.constant(block)},
      {input.offset, successor.offset, size.offset},
      symbols.constant(cpu::tokenMergeScratchBytes(op.getLeft(), block)),
      B * N * C * 2, {C.ceilDiv(symbols.constant(block)), shares, B});
  lowering.stored(chain);
}

void lowerSelectTokens(Lowering &lowering, mm::SelectTokensOp op) {
  const Symbols &symbols = lowering.symbols;
  View similarity = lowering.denseView(op.getSimilarity(), 2);
  Shape shape = mm::getShape(op.getSimilarity().getType());
  Dim B = shape[0], N = shape[1], one = symbols.constant(1);
  Dim keep = symbols.constant(op.getKeep());
  Value result = op.getResult();
  Chain chain = lowering.chain(result);

  Kernel kernel(lowering, "token_select_f32", op.getLoc());
  kernel.tensor(similarity.buffer);
  SmallVector<Dim> offsets{similarity.offset};
  keepInMemory(kernel, B * N, Float32Type::get(symbols.context), offsets);
  Shape extents{B, one, keep};
  storePlaces(kernel, chain, result, extents);
  kernel.finish(extents, 3,
                {B, N, keep, similarity.strides[0], similarity.strides[1]},
                offsets,
                symbols.constant(cpu::tokenSelectScratchBytes(*N.getConstant(),
                                                              op.getKeep())),
                B * N * (N + keep), {one, one, B});
  lowering.stored(chain);
}

} // namespace mmcc::lower
