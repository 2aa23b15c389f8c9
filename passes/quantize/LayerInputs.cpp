//===- LayerInputs.cpp - Values that linear layers read -------------------===//

#include "passes/quantize/LayerInputs.h"
#include "passes/quantize/WeightConstants.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace mmcc::quantize {

func::FuncOp LayerInput::func() const {
  mm::LinearOp first = layers.front();
  return first->getParentOfType<func::FuncOp>();
}

std::string whyNot(mm::LinearOp layer) {
  auto weight = cast<RankedTensorType>(layer.getWeight().getType());
  auto input = cast<RankedTensorType>(layer.getInput().getType());
  if (!input.getElementType().isF32() || !weight.hasStaticShape())
    return "it is not f32";
  int64_t depth = weight.getDimSize(0);
  if (depth == 0 || fitGroup(0, depth) == 0)
    return "its depth of " + std::to_string(depth) +
           " is no multiple of 32, or above " + std::to_string(kMostDepth);
  if (!keyOf(layer.getWeight()))
    return "its weight is no constant of f32";
  return "";
}

SmallVector<LayerInput> findLayerInputs(ModuleOp module) {
  llvm::MapVector<Value, LayerInput> inputs;
  for (auto func : module.getOps<func::FuncOp>())
    func.walk([&](mm::LinearOp layer) {
      if (!whyNot(layer).empty())
        return;
      auto weight = cast<RankedTensorType>(layer.getWeight().getType());
      LayerInput &input = inputs[layer.getInput()];
      input.value = layer.getInput();
      input.width = weight.getDimSize(0);
      input.layers.push_back(layer);
    });
  SmallVector<LayerInput> list;
  for (auto &[value, input] : inputs)
    list.push_back(std::move(input));
  return list;
}

} // namespace mmcc::quantize
