//===- State.cpp - Lowering of states and of attention over them ----------===//

#include "codegen/cpu/kernels/Scratch.h"
#include "codegen/cuda/kernels/Blocking.cuh"
#include "passes/lower/Attention.h"
#include "llvm/ADT/bit.h"

using namespace mlir;

namespace mmcc::lower {

/// The end of the kernels' names for a type that keys and values are kept in.
static StringRef suffixOf(Type stored) {
  return stored.isF32()                  ? "f32"
         : stored.isF16()                ? "f16"
         : stored.isSignlessInteger(8)   ? "i8"
         : isa<Float8E4M3FNType>(stored) ? "f8"
                                         : "";
}

void lowerStateAppend(Lowering &lowering, mm::StateAppendOp op) {
  const Symbols &symbols = lowering.symbols;
  Type stored = op.getStored();
  View x = headsView(lowering, op.getRows());
  Shape shape = mm::getShape(op.getRows().getType());
  Dim length = op.getLength().getDim(0);
  auto type = plan::BufferType::get(op.getContext(), stored);
  bool scaled = !stored.isF32() && !stored.isF16();
  Value state = lowering.builder.create<plan::StateOp>(
      op.getLoc(), type, op.getState(), symbols.map(shape[0]),
      *shape[1].getConstant(), *shape[3].getConstant(), cpu::kStateTokens,
      symbols.map(length), symbols.map(shape[2]), scaled);
  lowering.stateTables[op.getResult()] = state;

  Kernel kernel(lowering, ("state_append_" + suffixOf(stored)).str(),
                op.getLoc());
  kernel.tensor(x.buffer);
  kernel.tensor(state);
  kernel.markWritten(state);
  Dim zero = symbols.constant(0);
  SmallVector<Dim> offsets{x.offset, zero};
  if (lowering.isCuda()) {
    Value counters =
        lowering.alloc(shape[0] * shape[1],
                       IntegerType::get(symbols.context, 32), op.getLoc());
    lowering.stateCounters[op.getResult()] = counters;
    kernel.tensor(counters);
    kernel.markWritten(counters);
    offsets.push_back(zero);
  }
  kernel.finish(shape, 4,
                {shape[0], shape[1], shape[2], shape[3], length, x.strides[0],
                 x.strides[1], x.strides[2]},
                offsets, zero, mm::product(symbols.context, shape) * 4,
                {symbols.constant(1), shape[1], shape[0]});
}

void lowerStateAttention(Lowering &lowering, mm::AttentionOp op) {
  const Symbols &symbols = lowering.symbols;
  Value keys = lowering.stateTables.lookup(op.getKey());
  Value values = lowering.stateTables.lookup(op.getValue());
  if (!keys || !values || keys.getType() != values.getType() || op.getSpans() ||
      int64_t(op.getStride()) > 0) {
    op.emitOpError("keeps its keys in a state: its values must be in one, too, "
                   "of the same type, and every key must be seen or be in a "
                   "window");
    lowering.failed = true;
    return;
  }
  Value result = op.getResult();
  View q = headsView(lowering, op.getQuery());
  Shape qShape = mm::getShape(op.getQuery().getType());
  Shape kShape = mm::getShape(op.getKey().getType());
  Shape out = mm::getShape(result.getType());
  Dim B = out[0], H = out[1], Sq = out[2], Dv = out[3];
  Dim Skv = kShape[2], D = qShape[3];
  if (op.getMask())
    lowering.prepare(op.getMask());
  Chain chain = lowering.chain(result);

  Type stored = cast<plan::BufferType>(keys.getType()).getElementType();
  Kernel kernel(lowering, ("attention_state_" + suffixOf(stored)).str(),
                op.getLoc());
  for (Value buffer : {q.buffer, keys, values})
    kernel.tensor(buffer);
  int64_t kvHeads = *kShape[1].getConstant();
  int64_t group = *H.getConstant() / kvHeads;
  Dim zero = symbols.constant(0);
  SmallVector<Dim> offsets{q.offset, zero, zero};
  StepMemory steps;
  steps.blocks = symbols.constant(0);
  if (lowering.isCuda()) {
    steps = stepMemory(lowering, {B, H, Sq}, Skv, group, *Dv.getConstant(),
                       op.getLoc());
    steps.counters = lowering.stateCounters.lookup(op.getKey());
    steps.addTo(kernel, offsets);
  }
  addScore(kernel, op, {B, H, Sq, Skv});
  addPost(kernel, chain, result);

  // Heads that share keys are cut into equal cells of at most four: as many as
  // one pass over the keys serves.
  // On a GPU each is a block; few queries have their keys cut.
  int64_t parts = lowering.isCuda() ? group : (group + 3) / 4;
  int64_t perCell = (group + parts - 1) / parts;
  // Lengths are known at the call only: any cut of the queries serves them.
  int64_t most = lowering.isCuda() ? cuda::kQueryTile : 128;
  int64_t block = std::min(Sq.getConstant().value_or(most), most);
  Dim qBlock = symbols.constant(block);
  Dim scratch = symbols.constant(cpu::stateAttentionScratchBytes(
      *D.getConstant(), *Dv.getConstant(), block));
  int64_t ahead = std::max<int64_t>(op.getAhead(), 0);
  bool bounded = op.getCausal() || int64_t(op.getAhead()) >= 0;
  int64_t window = op.getWindow() > 0 ? op.getWindow() + ahead : 0;
  int64_t scaleBits = llvm::bit_cast<int64_t>(op.getScale().convertToDouble());
  kernel.finish(out, 4,
                {B, H, kShape[1], Sq, Skv, D, Dv, symbols.constant(scaleBits),
                 symbols.constant(bounded), Skv - Sq + ahead,
                 symbols.constant(window), q.strides[0], q.strides[1],
                 q.strides[2], qBlock, symbols.constant(perCell)},
                offsets, scratch, B * H * Sq * Skv * (D + Dv) * 2,
                {Sq.ceilDiv(qBlock) + steps.blocks,
                 symbols.constant(kvHeads * parts), B});
  lowering.stored(chain);
}

} // namespace mmcc::lower
