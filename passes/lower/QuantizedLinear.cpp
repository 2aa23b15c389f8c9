//===- QuantizedLinear.cpp - Products with narrow weights -----------------===//
//
// The weight, its scales and its zeros become three constants: lines of the
// panels (codegen/cpu/kernels/NarrowPanel.h), or panels of floats, and two of
// f32.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/kernels/Blocking.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/ByteMatrix.h"
#include "passes/lower/ConstantSource.h"
#include "passes/lower/QuantizeRows.h"
#include "passes/lower/Rows.h"
#include <numeric>

using namespace mlir;

namespace mmcc::lower {

namespace {

Type elementOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementType();
}

/// The sums that an 8-bit weight's numbers have over steps of K, as panels.
Value packSums(Lowering &lowering, const ByteMatrix &numbers, int64_t step) {
  int64_t steps = numbers.rows / step;
  auto type = RankedTensorType::get({steps, numbers.columns},
                                    Float32Type::get(lowering.symbols.context));
  auto value = DenseElementsAttr::get(type, ArrayRef(numbers.sums(step)));
  return lowering.packedConstant(value);
}

/// Whether NaN is among the constants behind a weight of f8E4M3FN, which its
/// kernel would read as a number.
bool holdsNaN(Value weight) {
  std::optional<SmallVector<MatrixPart>> parts = matrixParts(weight);
  return parts && llvm::any_of(*parts, [](const MatrixPart &part) {
           std::optional<ConstantBytes> bytes = bytesOf(part.source.value);
           return bytes && llvm::any_of(bytes->data, [](char code) {
                    return (code & 0x7f) == 0x7f;
                  });
         });
}

StringRef kernelRow(Type weight, Type input) {
  bool isInteger = input.isInteger(8);
  if (isa<Float8E4M3FNType>(weight))
    return isa<Float8E4M3FNType>(input) ? "gemm_f8_f8" : "gemm_f32_f8e4m3";
  if (isa<Float8E5M2Type>(weight))
    return "gemm_f32_f8e5m2";
  if (weight.getIntOrFloatBitWidth() == 4)
    return isInteger ? "gemm_i8_u4" : "gemm_f32_u4";
  return isInteger ? "gemm_i8_i8" : "gemm_f32_i8";
}

/// The strides of an 8-bit input's scales over its rows.
struct ScaleRows {
  View view;
  Dim batchStride, rowStride;
  int64_t block;
};

ScaleRows scalesOf(Lowering &lowering, Value scale, const RowInput &rows,
                   int64_t depth) {
  Dim zero = lowering.symbols.constant(0);
  View view = lowering.denseView(scale);
  if (cast<RankedTensorType>(scale.getType()).getRank() == 1)
    return {view, zero, zero, depth};
  int64_t block =
      depth / cast<RankedTensorType>(scale.getType()).getShape().back();
  Dim perRow = lowering.symbols.constant(depth / block);
  return {view, rows.rows * perRow, perRow, block};
}

} // namespace

void lowerQuantizedLinear(Lowering &lowering, mm::QuantizedLinearOp op) {
  const Symbols &symbols = lowering.symbols;
  Value input = op.getInput(), bias = op.getBias(), result = op.getResult();
  auto weightType = cast<RankedTensorType>(op.getWeight().getType());
  auto scaleType = cast<RankedTensorType>(op.getScale().getType());
  int64_t depth = weightType.getDimSize(0), columns = weightType.getDimSize(1);
  bool isFour = weightType.getElementTypeBitWidth() == 4;
  bool isFloat = isa<FloatType>(weightType.getElementType());
  bool isInteger = elementOf(input).isInteger(8);
  bool isNarrow = isInteger || isa<Float8E4M3FNType>(elementOf(input));
  if (isa<Float8E4M3FNType>(weightType.getElementType()) &&
      holdsNaN(op.getWeight())) {
    op.emitOpError("has NaN in its weight");
    lowering.failed = true;
    return;
  }
  Value packed =
      isFloat
          ? lowering.packedPanels(op.getWeight(), isNarrow && lowering.isCuda())
          : lowering.packedLines(op.getWeight(),
                                 isInteger && !isFour && lowering.isCuda());
  Value scale = lowering.packedWeight(op.getScale());
  Value zero = op.getZero() ? lowering.packedWeight(op.getZero()) : scale;
  if (!packed || !scale || !zero) {
    op.emitOpError("has a weight, scale or zero that is no constant");
    lowering.failed = true;
    return;
  }
  // Scales follow the rows of a dense input.
  if (isNarrow)
    lowering.denseView(input);
  RowInput rows = rowsOf(lowering, input);
  std::optional<ScaleRows> scales;
  if (isNarrow)
    scales = scalesOf(lowering, op.getInputScale(), rows, depth);
  if (bias)
    lowering.prepare(bias);

  Dim K = symbols.constant(depth), N = symbols.constant(columns);
  cpu::Blocks blocks = linearBlocks(
      lowering, rows.rows, rows.batch, columns, /*isF32=*/false,
      cpu::narrowBlocks(typical(rows.rows), columns, depth, typical(rows.batch),
                        hasAvx512(lowering.level)));
  Chain chain = lowering.chain(result);
  SmallVector<Dim> extents{rows.batch, rows.rows, N};
  CellRows cellRows(lowering, result, chain, extents, depth, blocks);
  Kernel kernel(lowering,
                kernelRow(weightType.getElementType(), elementOf(input)),
                op.getLoc());
  SmallVector<Dim> offsets{rows.view.offset};
  kernel.tensor(rows.view.buffer);
  if (scales) {
    kernel.tensor(scales->view.buffer);
    offsets.push_back(scales->view.offset);
  }
  SmallVector<Value> constants{packed, scale};
  if (!isFloat)
    constants.push_back(zero);
  int64_t group = depth / scaleType.getDimSize(0);
  bool isLimited = false;
  if (isInteger && !isFour) {
    std::optional<ByteMatrix> numbers = readBytes(op.getWeight());
    if (!numbers) {
      op.emitOpError("has a weight whose data is not at hand");
      lowering.failed = true;
      return;
    }
    isLimited = numbers->hasLimitedNeighbours();
    constants.push_back(
        packSums(lowering, *numbers, std::gcd(group, scales->block)));
  }
  for (Value constant : constants) {
    kernel.tensor(constant);
    offsets.push_back(symbols.constant(0));
  }
  auto scratchOf = isInteger  ? cpu::gemmInt8ScratchBytes
                   : isNarrow ? cpu::gemmWidenedScratchBytes
                              : cpu::gemmNarrowScratchBytes;
  int64_t scratch = cellRows.begin(kernel, scratchOf(depth, blocks.m_block));
  postRows(kernel, chain, result, bias, extents);
  cellRows.finish(kernel);

  Dim mBlock = symbols.constant(blocks.m_block);
  Dim nBlock = symbols.constant(blocks.n_block);
  SmallVector<Dim> params{rows.batch, rows.rows,        N,
                          K,          rows.batchStride, rows.rowStride};
  if (scales)
    params.append({scales->batchStride, scales->rowStride});
  if (!isFloat || !isNarrow)
    params.push_back(symbols.constant(group));
  if (isInteger)
    params.push_back(symbols.constant(scales->block));
  if (!isFloat)
    params.push_back(symbols.constant(op.getZero() ? 1 : 0));
  params.append({mBlock, nBlock});
  if (isInteger && !isFour)
    params.push_back(symbols.constant(isLimited));
  kernel.finish(extents, 3, params, offsets, symbols.constant(scratch),
                rows.batch * rows.rows * N * K * 2,
                {N.ceilDiv(nBlock), rows.rows.ceilDiv(mBlock), rows.batch});
  cellRows.stored();
}

} // namespace mmcc::lower
