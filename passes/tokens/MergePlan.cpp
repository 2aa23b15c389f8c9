//===- MergePlan.cpp - What merging changes -------------------------------===//

#include "passes/tokens/MergePlan.h"

using namespace mlir;

namespace mmcc {

namespace {
struct Place {
  int64_t axis;
  unsigned stage;
};
} // namespace

/// What the last layer of the stream is computed from.
static DenseSet<Operation *> findFeeders(const EncoderStream &stream) {
  DenseSet<Operation *> feeders;
  SmallVector<Operation *> pending{stream.layers.back().sum};
  while (!pending.empty()) {
    Operation *op = pending.pop_back_val();
    if (!feeders.insert(op).second)
      continue;
    for (Value operand : op->getOperands())
      if (Operation *source = operand.getDefiningOp())
        pending.push_back(source);
  }
  return feeders;
}

std::optional<SmallVector<MergeStep>> planMerging(EncoderStream &stream,
                                                  ArrayRef<int64_t> merged,
                                                  Operation *&where) {
  DenseMap<Value, Place> places;
  DenseMap<Operation *, size_t> layerOf;
  for (auto [index, layer] : llvm::enumerate(stream.layers))
    layerOf[layer.sum] = index;
  DenseSet<Operation *> feeders = findFeeders(stream);
  SmallVector<MergeStep> steps;
  auto refuse = [&](Operation *op, const std::string &reason) {
    where = op;
    stream.reason = reason;
    return std::nullopt;
  };
  unsigned stage = 0;
  for (Operation &op : *stream.layers.front().sum->getBlock()) {
    MergeStep step;
    step.op = &op;
    step.flow = TokenFlow::ends();
    for (OpOperand &operand : op.getOpOperands())
      if (auto it = places.find(operand.get()); it != places.end())
        step.operands.push_back(
            {operand.getOperandNumber(), it->second.axis, it->second.stage});
    auto layer = layerOf.find(&op);
    if (layer != layerOf.end()) {
      step.layer = &stream.layers[layer->second];
      step.merged = merged[layer->second];
    }
    if (step.operands.empty()) {
      // Before the first merge; that sum itself, perhaps.
      if (step.merged > 0) {
        steps.push_back(step);
        places[op.getResult(0)] = {step.layer->axis, ++stage};
      }
      continue;
    }
    auto axisOf = [&](Value value) {
      auto it = places.find(value);
      return it == places.end() ? int64_t(-1) : it->second.axis;
    };
    bool isReturn = op.hasTrait<OpTrait::IsTerminator>();
    step.flow = isReturn ? TokenFlow::stops("")
                         : getTokenFlow(&op, axisOf, stream.tokens);
    unsigned own = step.operands.front().stage;
    for (const TokenOperand &operand : step.operands)
      if (operand.stage != own)
        step.flow =
            TokenFlow::stops("brings tokens of several layers together");
    if (step.flow.kind == TokenFlow::Stops) {
      if (!isReturn && feeders.contains(&op))
        return refuse(&op, step.flow.reason);
      for (const TokenOperand &operand : step.operands)
        if (!hasBatchBesideTokens(
                mm::getShape(op.getOperand(operand.index).getType()),
                operand.axis, stream.tokens))
          return refuse(&op, "needs every token, and they cannot be given back "
                             "here");
      step.merged = 0;
    } else if (step.flow.kind == TokenFlow::Carries) {
      places[op.getResult(0)] = {step.flow.axis,
                                 step.merged > 0 ? ++stage : own};
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

} // namespace mmcc
