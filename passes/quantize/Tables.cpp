//===- Tables.cpp - Embedding tables --------------------------------------===//

#include "passes/quantize/Tables.h"
#include "passes/quantize/WeightConstants.h"

using namespace mlir;

namespace mmcc::quantize {

/// Tables with fewer numbers are not worth it.
constexpr int64_t kLeastTable = int64_t(1) << 16;

bool isTable(mm::GatherOp op) {
  auto type = cast<RankedTensorType>(op.getInput().getType());
  return op.getInput().getDefiningOp<mm::ConstantOp>() && op.getAxis() == 0 &&
         type.getRank() == 2 && type.getElementType().isF32() &&
         type.getNumElements() >= kLeastTable &&
         !op.getIndices().getDefiningOp<mm::ConstantOp>();
}

Value transposed(OpBuilder &builder, Location loc, Value matrix) {
  return builder.create<mm::TransposeOp>(loc, matrix, ArrayRef<int64_t>{1, 0});
}

llvm::DenseSet<Attribute> tableKeys(ModuleOp module) {
  llvm::DenseSet<Attribute> keys;
  module.walk([&](mm::GatherOp op) {
    if (!isTable(op))
      return;
    auto type = cast<RankedTensorType>(op.getInput().getType());
    if (fitGroup(0, type.getDimSize(1)) != 0)
      keys.insert(asWeight(op, [](Value weight) { return keyOf(weight); }));
  });
  return keys;
}

} // namespace mmcc::quantize
