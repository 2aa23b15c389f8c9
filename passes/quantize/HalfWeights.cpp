//===- HalfWeights.cpp - Layers and tables in 16 bits ---------------------===//

#include "passes/quantize/HalfWeights.h"
#include "passes/quantize/WeightConstants.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace mmcc::quantize {

/// `value`, constants moved, in another type: the same moves of narrow
/// constants, so that what was shared still is.
Value HalfWeights::moved(Value value, HalfFloat type) {
  std::pair<const void *, HalfFloat> key{value.getAsOpaquePointer(), type};
  if (auto known = values.find(key); known != values.end())
    return known->second;
  Operation *op = value.getDefiningOp();
  OpBuilder builder(op);
  Value result;
  if (auto constant = dyn_cast<mm::ConstantOp>(op)) {
    ElementsAttr &half =
        constants[{constant.getValue().getAsOpaquePointer(), type}];
    if (!half)
      half = makeHalf(constant.getValue(), type);
    result = builder.create<mm::ConstantOp>(op->getLoc(), half);
  } else {
    IRMapping mapping;
    Type element;
    for (Value operand : op->getOperands()) {
      mapping.map(operand, moved(operand, type));
      element = getElementTypeOrSelf(mapping.lookup(operand));
    }
    Operation *clone = builder.clone(*op, mapping);
    result = clone->getResult(0);
    result.setType(cast<RankedTensorType>(value.getType()).clone(element));
  }
  values[key] = result;
  replaced.insert(op);
  return result;
}

/// `value` in 16 bits, once for all layers that read it.
Value HalfWeights::rounded(Value value, HalfFloat type) {
  mm::CastOp &copy = inputs[{value.getAsOpaquePointer(), type}];
  // A value that another took the place of may have had the same address.
  if (!copy || copy.getInput() != value) {
    OpBuilder builder(value.getContext());
    builder.setInsertionPointAfterValue(value);
    Type element = type == HalfFloat::f16 ? Type(builder.getF16Type())
                                          : Type(builder.getBF16Type());
    copy = builder.create<mm::CastOp>(
        value.getLoc(), cast<RankedTensorType>(value.getType()).clone(element),
        value);
  }
  return copy.getResult();
}

void HalfWeights::narrow(mm::LinearOp layer, HalfFloat type, bool rounds) {
  layer.getWeightMutable().assign(moved(layer.getWeight(), type));
  if (!rounds)
    return;
  layer.getInputMutable().assign(rounded(layer.getInput(), type));
  layer.setWide(true);
}

void HalfWeights::narrow(mm::GatherOp table, HalfFloat type) {
  OpBuilder builder(table);
  Location loc = table.getLoc();
  Value rows = builder.create<mm::GatherOp>(
      loc, moved(table.getInput(), type), table.getIndices(), table.getAxis());
  table.getResult().replaceAllUsesWith(
      builder.create<mm::CastOp>(loc, table.getType(), rows).getResult());
  table.erase();
}

void HalfWeights::finish() {
  // Readers first.
  for (Operation *op : llvm::reverse(replaced))
    if (op->use_empty())
      op->erase();
  constants.clear();
  values.clear();
  inputs.clear();
  replaced.clear();
}

} // namespace mmcc::quantize
