//===- Similarity.cpp - Lowering of cosines -------------------------------===//

#include "codegen/cpu/kernels/Scratch.h"
#include "codegen/cuda/kernels/Blocking.cuh"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/lower/Kernel.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace mmcc::lower {

/// Rows of either side that a cell scales and multiplies.
constexpr int64_t kBlock = 64;

void lowerSimilarity(Lowering &lowering, mm::SimilarityOp op) {
  const Symbols &symbols = lowering.symbols;
  View a = lowering.denseView(op.getLhs(), 1);
  View b = lowering.denseView(op.getRhs(), 1);
  Shape lhs = mm::getShape(op.getLhs().getType());
  Dim M = lhs[0], N = mm::getShape(op.getRhs().getType())[0], D = lhs[1];
  Dim one = symbols.constant(1),
      block = symbols.constant(lowering.isCuda() ? cuda::kUnitTile : kBlock);
  Value result = op.getResult();
  Chain chain = lowering.chain(result);
  auto bits = [&](const llvm::APFloat &number) {
    return symbols.constant(llvm::bit_cast<int64_t>(number.convertToDouble()));
  };

  Kernel kernel(lowering, "similarity_f32", op.getLoc());
  kernel.tensor(a.buffer);
  kernel.tensor(b.buffer);
  Shape extents{one, M, N};
  Element post(kernel, "post", "", extents,
               {Float32Type::get(symbols.context)});
  post.define(result,
              [&](ArrayRef<AffineExpr>) -> Value { return post.value(0); });
  post.storeChain(chain, result, {post.dim(1), post.dim(2)});
  post.yield();
  kernel.finish(extents, 3,
                {M, N, D, a.strides[0], b.strides[0], bits(op.getLhsEpsilon()),
                 bits(op.getRhsEpsilon()), block, block},
                {a.offset, b.offset},
                symbols.constant(cpu::similarityScratchBytes(*D.getConstant(),
                                                             kBlock, kBlock)),
                M * N * D * 2, {N.ceilDiv(block), M.ceilDiv(block), one});
  lowering.stored(chain);
}

} // namespace mmcc::lower
