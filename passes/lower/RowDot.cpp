//===- RowDot.cpp - Two linear layers as one kernel -----------------------===//
//
// A gate is made of two linear layers, of which the second has one output:
//
//     x ─ linear ─ relu ─ linear [n, 1] ─ sigmoid ─► one number a row
//
// The second is a dot product with what the first one's epilogue has in hand.
//
//===----------------------------------------------------------------------===//

#include "passes/lower/RowDot.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/lower/Kernel.h"

using namespace mlir;

namespace mmcc::lower {

/// Rows of a cell.
constexpr int64_t kRows = 32;

/// Fewer cells than this leave threads idle, and a product that is cut along
/// its columns as well keeps them busy; unless it is so small that one has it
/// done.
constexpr int64_t kCells = 4, kSmall = int64_t(1) << 16;

mm::LinearOp findRowDot(Lowering &lowering, mm::LinearOp first) {
  // On a GPU the second product does not wait for all of the first's columns.
  if (!getElementTypeOrSelf(first.getWeight()).isF32() || lowering.isCuda())
    return {};
  mm::Shape shape = mm::getShape(first.getType());
  std::optional<int64_t> rows =
      mm::product(first.getContext(), ArrayRef(shape).drop_back())
          .getConstant();
  std::optional<int64_t> weights =
      mm::product(first.getContext(), mm::getShape(first.getWeight().getType()))
          .getConstant();
  if (rows && weights && *rows < kCells * kRows && *weights > kSmall)
    return {};
  Value value = first.getResult();
  while (value.hasOneUse()) {
    Operation *user = *value.getUsers().begin();
    if (lowering.isDone(user))
      return {};
    if (auto second = dyn_cast<mm::LinearOp>(user)) {
      auto type = cast<RankedTensorType>(second.getType());
      bool isDot = value == second.getInput() &&
                   type.getElementType().isF32() &&
                   mm::getShape(type).back().isConstant(1) &&
                   isConstantData(second.getWeight()) &&
                   getElementTypeOrSelf(second.getWeight()).isF32() &&
                   value.getType() == first.getType();
      return isDot ? second : mm::LinearOp();
    }
    bool follows =
        user->hasTrait<mm::Elementwise>() &&
        user->getResult(0).getType() == first.getType() &&
        llvm::all_of(user->getOperands(), [&](Value operand) {
          return operand == value || !lowering.dependsOn(operand, first);
        });
    if (!follows)
      return {};
    value = user->getResult(0);
  }
  return {};
}

void lowerRowDot(Lowering &lowering, mm::LinearOp first, mm::LinearOp second,
                 const RowInput &input, Value packed) {
  const Symbols &symbols = lowering.symbols;
  Type f32 = Float32Type::get(symbols.context);
  Value activated = second.getInput();
  for (Value value = activated; value != first.getResult();) {
    Operation *op = value.getDefiningOp();
    Value before;
    for (Value operand : op->getOperands()) {
      if (lowering.dependsOn(operand, first))
        before = operand;
      else
        lowering.prepare(operand);
    }
    lowering.markDone(op);
    value = before;
  }
  for (Value bias : {first.getBias(), second.getBias()})
    if (bias)
      lowering.prepare(bias);
  View weights = lowering.denseView(second.getWeight());
  lowering.markDone(first);
  Value result = second.getResult();
  Chain chain = lowering.chain(result);
  chain.locations.insert(chain.locations.begin(), first.getLoc());

  Shape inner = mm::getShape(first.getType());
  Dim N = inner.back(), K = mm::getShape(first.getInput().getType()).back();
  Dim one = symbols.constant(1), block = symbols.constant(kRows);
  Kernel kernel(lowering, "gemm_dot_f32", first.getLoc());
  kernel.tensor(input.view.buffer);
  kernel.tensor(packed);
  kernel.tensor(weights.buffer);

  Shape pairs{input.batch, input.rows, N};
  Element score(kernel, "score", "", pairs, {f32});
  score.define(first.getResult(), [&](ArrayRef<AffineExpr> at) -> Value {
    Value v = score.value(0);
    if (Value bias = first.getBias())
      v = score.builder.create<arith::AddFOp>(score.loc, v,
                                              score.at(bias, {at.back()}));
    return v;
  });
  SmallVector<AffineExpr> place{score.dim(0), score.dim(1), score.dim(2)};
  score.yield(
      {score.at(activated, reshapeIndex(place, pairs, inner, pairs, symbols))});

  Shape extents{input.batch, input.rows, one};
  postRows(kernel, chain, result, second.getBias(), extents);
  kernel.finish(extents, 3,
                {input.batch, input.rows, N, K, input.batchStride,
                 input.rowStride, block},
                {input.view.offset, symbols.constant(0), weights.offset},
                symbols.constant(cpu::gemmDotScratchBytes(kRows)),
                input.batch * input.rows * N * (K + 1) * 2,
                {one, input.rows.ceilDiv(block), input.batch});
  lowering.stored(chain);
}

} // namespace mmcc::lower
