//===- InputScaling.cpp - A layer's input, divided ------------------------===//

#include "passes/quantize/InputScaling.h"
#include "passes/quantize/WeightConstants.h"

using namespace mlir;

namespace mmcc::quantize {

/// Replaces a norm's constant `operand`, or what stands for it if it is absent,
/// by itself over `scales`. `vector`: its numbers.
static void assignDivided(OpBuilder &builder, MutableOperandRange operand,
                          std::vector<float> vector, ArrayRef<float> scales) {
  for (auto [number, scale] : llvm::zip_equal(vector, scales))
    number /= scale;
  operand.assign(makeVector(builder, operand.getOwner()->getLoc(), vector));
}

/// The numbers of a norm's operand; `absent` where there is none.
static std::optional<std::vector<float>> numbersOf(Value operand, int64_t width,
                                                   float absent) {
  if (!operand)
    return std::vector<float>(size_t(width), absent);
  return readVector(operand, width);
}

bool divideInNorm(const LayerInput &input, ArrayRef<float> scales) {
  Operation *norm = input.value.getDefiningOp();
  bool onlyLayers = llvm::all_of(input.value.getUsers(), [&](Operation *user) {
    return llvm::is_contained(input.layers, user);
  });
  if (!norm || !onlyLayers)
    return false;
  int64_t last = cast<RankedTensorType>(input.value.getType()).getRank() - 1;
  OpBuilder builder(norm);
  if (auto rms = dyn_cast<mm::RmsNormOp>(norm)) {
    auto scale = numbersOf(rms.getScale(), input.width, 1);
    if (int64_t(rms.getAxis()) != last || !scale)
      return false;
    assignDivided(builder, rms.getScaleMutable(), *scale, scales);
    return true;
  }
  auto layer = dyn_cast<mm::LayerNormOp>(norm);
  if (!layer || int64_t(layer.getAxis()) != last)
    return false;
  auto scale = numbersOf(layer.getScale(), input.width, 1);
  auto offset = numbersOf(layer.getOffset(), input.width, 0);
  if (!scale || !offset)
    return false;
  if (layer.getOffset())
    assignDivided(builder, layer.getOffsetMutable(), *offset, scales);
  assignDivided(builder, layer.getScaleMutable(), *scale, scales);
  return true;
}

Value divide(OpBuilder &builder, Location loc, Value value,
             ArrayRef<float> scales) {
  std::vector<float> inverse;
  for (float scale : scales)
    inverse.push_back(1 / scale);
  return builder.create<mm::MulOp>(loc, value,
                                   makeVector(builder, loc, inverse));
}

} // namespace mmcc::quantize
