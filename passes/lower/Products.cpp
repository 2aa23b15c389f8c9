//===- Products.cpp - Linear layers and matrix products -------------------===//

#include "codegen/cpu/kernels/Blocking.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/lower/QuantizeRows.h"
#include "passes/lower/RowDot.h"
#include "passes/lower/Rows.h"

using namespace mlir;

namespace mmcc::lower {

namespace {

/// A sum of products by plain loops, for types without a microkernel.
void productLoops(Lowering &lowering, Value result, Value lhs, Value rhs,
                  Value bias) {
  Shape shape = mm::getShape(result.getType());
  Shape left = mm::getShape(lhs.getType()), right = mm::getShape(rhs.getType());
  size_t rank = shape.size();
  lowering.prepare(lhs);
  lowering.prepare(rhs);
  if (bias)
    lowering.prepare(bias);
  Chain chain = lowering.chain(result);
  Domain domain;
  domain.extents.assign(shape.begin(), shape.end());
  domain.extents.push_back(left.back());
  domain.parallel = rank;
  Type element = cast<RankedTensorType>(result.getType()).getElementType();
  Type from = cast<RankedTensorType>(lhs.getType()).getElementType();
  Type wide = scalarType(element);
  if (auto type = dyn_cast<FloatType>(element); type && type.getWidth() < 32)
    wide = Float32Type::get(element.getContext());
  buildLoops(
      lowering, result.getLoc(), domain,
      [&](Kernel &kernel, const Domain &domain, ArrayRef<AffineExpr> index) {
        Element sum(kernel, "reduce", "sum", domain.extents, {});
        AffineExpr k = index[rank];
        auto operandIndex = [&](ArrayRef<Dim> operand, AffineExpr row,
                                AffineExpr column) {
          SmallVector<AffineExpr> at;
          size_t skip = rank - operand.size();
          for (size_t i = 0; i + 2 < operand.size(); ++i)
            at.push_back(
                operand[i].isConstant(1)
                    ? getAffineConstantExpr(0, lowering.symbols.context)
                    : index[skip + i]);
          at.push_back(row);
          at.push_back(column);
          return at;
        };
        auto widen = [&](Element &e, Value v, Type type) {
          return isa<FloatType>(type)
                     ? emitCast(e.builder, e.loc, v, type, wide)
                     : v;
        };
        Value a = widen(
            sum, sum.at(lhs, operandIndex(left, index[rank - 2], k)), from);
        Value b =
            widen(sum, sum.at(rhs, operandIndex(right, k, index[rank - 1])),
                  cast<RankedTensorType>(rhs.getType()).getElementType());
        Value product;
        if (isa<FloatType>(wide))
          product = sum.builder.create<arith::MulFOp>(sum.loc, a, b);
        else
          product = sum.builder.create<arith::MulIOp>(sum.loc, a, b);
        sum.yield(product);
        ArrayRef<Dim> parallel(domain.extents);
        Element finish(kernel, "finish", "",
                       parallel.take_front(domain.parallel), {wide});
        finish.define(result, [&](ArrayRef<AffineExpr> at) -> Value {
          Value v = finish.value(0);
          if (bias)
            v = finish.builder.create<arith::AddFOp>(
                finish.loc, v,
                widen(finish, finish.at(bias, {at.back()}), from));
          return emitCast(finish.builder, finish.loc, v, wide, element);
        });
        finish.storeChain(chain, result, index.take_front(rank));
        finish.yield();
      });
  lowering.stored(chain);
}

} // namespace

/// x · w (+ bias) with packed weights; `op` is mm.linear, or mm.matmul with a
/// constant matrix.
void lowerLinear(Lowering &lowering, Operation *op) {
  const Symbols &symbols = lowering.symbols;
  Value input = op->getOperand(0), weight = op->getOperand(1);
  Value bias = op->getNumOperands() > 2 ? op->getOperand(2) : Value();
  Value result = op->getResult(0);
  bool isF32 =
      cast<RankedTensorType>(result.getType()).getElementType().isF32();
  auto linear = dyn_cast<mm::LinearOp>(op);
  bool isWide = linear && linear.getWide();
  // A matmul's constant stays in panels.
  bool isTf32 =
      lowering.takesTf32 && linear && getElementTypeOrSelf(weight).isF32();
  bool columns = isTf32 || (isWide && lowering.isCuda());
  Value packed = isF32 ? lowering.packedPanels(weight, columns) : Value();
  if (!packed) {
    if (!bias && isF32 && isa<mm::MatmulOp>(op))
      llvm_unreachable("a matmul is only linear with a packed weight");
    productLoops(lowering, result, input, weight, bias);
    return;
  }
  Shape shape = mm::getShape(input.getType());
  RowInput rows = rowsOf(lowering, input);
  if (linear)
    if (mm::LinearOp second = findRowDot(lowering, linear)) {
      lowerRowDot(lowering, linear, second, rows, packed);
      return;
    }
  if (bias)
    lowering.prepare(bias);
  Dim K = shape.back(), N = mm::getShape(result.getType()).back();
  Type stored = cast<RankedTensorType>(weight.getType()).getElementType();
  const bool isSplit = isWide && stored.isF16();
  auto blocksOf = [&](int64_t M, int64_t N, int64_t K, int64_t batch) {
    const bool avx512 = hasAvx512(lowering.level);
    return stored.isF32() ? cpu::gemmBlocks(M, N, K, batch, avx512)
           : isSplit      ? cpu::splitBlocks(M, N, K, batch, avx512)
                          : cpu::narrowBlocks(M, N, K, batch, avx512);
  };
  cpu::Blocks blocks = linearBlocks(lowering, rows.rows, rows.batch, typical(N),
                                    stored.isF32() && !isTf32,
                                    blocksOf(typical(rows.rows), typical(N),
                                             typical(K), typical(rows.batch)));
  Chain chain = lowering.chain(result);
  SmallVector<Dim> extents{rows.batch, rows.rows, N};
  CellRows cellRows(lowering, result, chain, extents, typical(K), blocks);
  Kernel kernel(lowering,
                isTf32           ? "gemm_tf32"
                : stored.isF32() ? "gemm_f32"
                : stored.isBF16()
                    ? (isWide ? "gemm_bf16_bf16" : "gemm_f32_bf16")
                    : (isWide ? "gemm_f16_f16" : "gemm_f32_f16"),
                op->getLoc());
  int64_t scratch = cpu::gemmScratchBytes();
  if (!stored.isF32())
    scratch = cpu::gemmNarrowScratchBytes(*K.getConstant(), blocks.m_block);
  if (isWide)
    scratch =
        isSplit
            ? cpu::gemmSplitScratchBytes(*K.getConstant(), blocks.m_block)
            : cpu::gemmRoundedScratchBytes(*K.getConstant(), blocks.m_block);
  kernel.tensor(rows.view.buffer);
  kernel.tensor(packed);
  scratch = cellRows.begin(kernel, scratch);
  postRows(kernel, chain, result, bias, extents);
  cellRows.finish(kernel);
  Dim mBlock = symbols.constant(blocks.m_block);
  Dim nBlock = symbols.constant(blocks.n_block);
  SmallVector<Dim> params{rows.batch,       rows.rows,      N,      K,
                          rows.batchStride, rows.rowStride, mBlock, nBlock};
  kernel.finish(extents, 3, params, {rows.view.offset, symbols.constant(0)},
                symbols.constant(scratch), rows.batch * rows.rows * N * K * 2,
                {N.ceilDiv(nBlock), rows.rows.ceilDiv(mBlock), rows.batch});
  cellRows.stored();
}

/// Folds broadcast batch dimensions of both operands into at most two.
static bool foldBatch(const View &a, const View &b, ArrayRef<Dim> batch,
                      ArrayRef<Dim> aShape, ArrayRef<Dim> bShape,
                      const Symbols &symbols, SmallVector<Dim, 2> &extents,
                      SmallVector<Dim, 2> &aStrides,
                      SmallVector<Dim, 2> &bStrides) {
  auto strideOf = [&](const View &view, ArrayRef<Dim> shape, size_t i) {
    size_t skip = batch.size() + 2 - shape.size();
    if (i < skip || shape[i - skip].isConstant(1))
      return symbols.constant(0);
    return view.strides[i - skip];
  };
  for (size_t i = batch.size(); i-- > 0;) {
    if (batch[i].isConstant(1))
      continue;
    Dim sa = strideOf(a, aShape, i), sb = strideOf(b, bShape, i);
    if (!extents.empty() && sa == aStrides.back() * extents.back() &&
        sb == bStrides.back() * extents.back()) {
      extents.back() = extents.back() * batch[i];
      continue;
    }
    extents.push_back(batch[i]);
    aStrides.push_back(sa);
    bStrides.push_back(sb);
  }
  while (extents.size() < 2) {
    extents.push_back(symbols.constant(1));
    aStrides.push_back(symbols.constant(0));
    bStrides.push_back(symbols.constant(0));
  }
  std::reverse(extents.begin(), extents.end());
  std::reverse(aStrides.begin(), aStrides.end());
  std::reverse(bStrides.begin(), bStrides.end());
  return extents.size() == 2;
}

void lowerMatmul(Lowering &lowering, mm::MatmulOp op) {
  const Symbols &symbols = lowering.symbols;
  Value lhs = op.getLhs(), rhs = op.getRhs(), result = op.getResult();
  Shape a = mm::getShape(lhs.getType()), b = mm::getShape(rhs.getType());
  Shape out = mm::getShape(result.getType());
  bool isF32 =
      cast<RankedTensorType>(result.getType()).getElementType().isF32();
  if (!isF32) {
    productLoops(lowering, result, lhs, rhs, Value());
    return;
  }
  if (b.size() == 2 && lowering.packedWeight(rhs)) {
    lowerLinear(lowering, op);
    return;
  }
  View left = lowering.view(lhs), right = lowering.view(rhs);
  ArrayRef<Dim> batch = ArrayRef<Dim>(out).drop_back(2);
  SmallVector<Dim, 2> extents, aStrides, bStrides;
  if (!foldBatch(left, right, batch, a, b, symbols, extents, aStrides,
                 bStrides)) {
    left = lowering.denseView(lhs);
    right = lowering.denseView(rhs);
    extents.clear();
    aStrides.clear();
    bStrides.clear();
    if (!foldBatch(left, right, batch, a, b, symbols, extents, aStrides,
                   bStrides)) {
      productLoops(lowering, result, lhs, rhs, Value());
      return;
    }
  }
  Dim M = out[out.size() - 2], N = out.back(), K = a.back();
  int64_t copies = typical(extents[0]) * typical(extents[1]);
  cpu::Blocks blocks =
      blocksFor(lowering, typical(M), typical(N), copies,
                /*onTensorCores=*/false,
                cpu::batchGemmBlocks(typical(M), typical(N), typical(K), copies,
                                     hasAvx512(lowering.level)));
  if (!M.getConstant() && !lowering.isCuda())
    blocks.m_block = kTypicalRows;
  Chain chain = lowering.chain(result);
  Kernel kernel(lowering, "batch_gemm_f32", op.getLoc());
  kernel.tensor(left.buffer);
  kernel.tensor(right.buffer);
  SmallVector<Dim> domain{extents[0], extents[1], M, N};
  Element post(kernel, "post", "", domain, {Float32Type::get(symbols.context)});
  post.define(result,
              [&](ArrayRef<AffineExpr>) -> Value { return post.value(0); });
  SmallVector<AffineExpr> flat{post.dim(0), post.dim(1), post.dim(2),
                               post.dim(3)};
  post.storeChain(chain, result,
                  reshapeIndex(flat, domain, out, domain, symbols));
  post.yield();
  Dim mBlock = symbols.constant(blocks.m_block);
  Dim nBlock = symbols.constant(blocks.n_block);
  size_t ra = a.size(), rb = b.size();
  bool contiguous = left.strides[ra - 1].isConstant(1);
  Dim scratch = K * (32 * 4) + cpu::postTileBytes();
  if (!contiguous)
    scratch = scratch + (K + 16) * (blocks.m_block * 4);
  kernel.finish(
      domain, 4,
      {extents[0], extents[1], M, N, K, aStrides[0], aStrides[1],
       left.strides[ra - 2], left.strides[ra - 1], bStrides[0], bStrides[1],
       right.strides[rb - 2], right.strides[rb - 1], mBlock, nBlock},
      {left.offset, right.offset}, scratch,
      extents[0] * extents[1] * M * N * K * 2,
      {N.ceilDiv(nBlock), M.ceilDiv(mBlock), extents[0] * extents[1]});
  lowering.stored(chain);
}

} // namespace mmcc::lower
