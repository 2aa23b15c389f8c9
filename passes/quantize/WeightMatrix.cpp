//===- WeightMatrix.cpp - The numbers of a weight -------------------------===//

#include "passes/quantize/WeightMatrix.h"
#include "passes/lower/ConstantSource.h"

using namespace mlir;

namespace mmcc::quantize {

std::optional<WeightMatrix> readWeight(Value value) {
  std::optional<std::vector<float>> numbers = lower::readColumns<float>(value);
  if (!numbers)
    return std::nullopt;
  auto type = cast<RankedTensorType>(value.getType());
  return WeightMatrix{type.getDimSize(0), type.getDimSize(1),
                      std::move(*numbers)};
}

} // namespace mmcc::quantize
