//===- LeadOperand.cpp - Queries, keys and values behind views ------------===//

#include "passes/attention/AttentionMatch.h"
#include "passes/fuse/ConstantValues.h"

using namespace mlir;

namespace mmcc {

bool keepsLastTwo(mm::ReshapeOp reshape) {
  mm::Shape from = mm::getShape(reshape.getInput().getType());
  mm::Shape to = mm::getShape(reshape.getType());
  return from.size() >= 2 && to.size() >= 2 && from.back() == to.back() &&
         from[from.size() - 2] == to[to.size() - 2];
}

double peekScale(Value value) {
  for (int steps = 0; steps < 8; ++steps) {
    Scaled scaled = stripScale(value);
    if (scaled.factor != 1.0)
      return scaled.factor;
    Operation *op = value.getDefiningOp();
    if (!op || !isa<mm::ReshapeOp, mm::TransposeOp, mm::BroadcastOp>(op) ||
        !value.hasOneUse())
      return 1.0;
    value = op->getOperand(0);
  }
  return 1.0;
}

Value withoutScale(OpBuilder &builder, Value value) {
  Scaled scaled = stripScale(value);
  if (scaled.factor != 1.0)
    return scaled.base;
  Operation *op = value.getDefiningOp();
  Value input = withoutScale(builder, op->getOperand(0));
  OperationState state(op->getLoc(), op->getName());
  state.addOperands(input);
  state.addTypes(op->getResultTypes());
  state.addAttributes(op->getAttrs());
  return builder.create(state)->getResult(0);
}

LeadOperand seeThrough(Value value, ArrayRef<mm::Dim> lead, bool swapped,
                       LeadFactors &factors) {
  LeadOperand operand;
  operand.value = value;
  operand.lead.assign(lead.begin(), lead.end());
  operand.swapped = swapped;
  for (int steps = 0; steps < 24; ++steps) {
    Scaled scaled = stripScale(operand.value);
    operand.value = scaled.base;
    operand.factor *= scaled.factor;
    Operation *op = operand.value.getDefiningOp();
    if (!op)
      break;
    bool whole = getLead(operand.value) == operand.lead;
    if (auto transpose = dyn_cast<mm::TransposeOp>(op)) {
      ArrayRef<int64_t> permutation = transpose.getPermutation();
      int64_t rank = permutation.size();
      bool exchanges = rank >= 2 && permutation[rank - 1] == rank - 2 &&
                       permutation[rank - 2] == rank - 1;
      for (int64_t i = 0; i < rank - 2; ++i)
        exchanges &= permutation[i] == i;
      if (!exchanges)
        break;
      operand.swapped = !operand.swapped;
    } else if (auto reshape = dyn_cast<mm::ReshapeOp>(op)) {
      mm::Shape before = getLead(reshape.getInput());
      LeadFactors refined = factors;
      if (!whole || !keepsLastTwo(reshape) || !refined.refine(before))
        break;
      factors = refined;
      operand.lead = before;
    } else if (auto broadcast = dyn_cast<mm::BroadcastOp>(op)) {
      mm::Shape from = mm::getShape(broadcast.getInput().getType());
      mm::Shape to = mm::getShape(broadcast.getType());
      if (!whole || from.size() < 2 || from.back() != to.back() ||
          from[from.size() - 2] != to[to.size() - 2])
        break;
    } else {
      break;
    }
    operand.value = op->getOperand(0);
  }
  return operand;
}

} // namespace mmcc
