//===- NarrowFloats.cpp - Anchors that compute in f32 ---------------------===//

#include "passes/lower/NarrowFloats.h"
#include "dialects/mm/MM.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace mmcc::lower {

void widenAnchors(func::FuncOp func) {
  SmallVector<mm::AttentionOp> narrow;
  func.walk([&](mm::AttentionOp op) {
    if (!cast<RankedTensorType>(op.getType()).getElementType().isF32())
      narrow.push_back(op);
  });
  for (mm::AttentionOp op : narrow) {
    OpBuilder b(op);
    Type f32 = b.getF32Type();
    Type element = cast<RankedTensorType>(op.getType()).getElementType();
    auto castTo = [&](Value value, Type type) -> Value {
      return b.create<mm::CastOp>(
          op.getLoc(), mm::makeTensorType(mm::getShape(value.getType()), type),
          value);
    };
    IRMapping mapping;
    for (Value operand : op->getOperands())
      if (cast<RankedTensorType>(operand.getType()).getElementType() == element)
        mapping.map(operand, castTo(operand, f32));
    Operation *wide = b.clone(*op, mapping);
    wide->getResult(0).setType(
        mm::makeTensorType(mm::getShape(op.getType()), f32));
    op.getResult().replaceAllUsesWith(castTo(wide->getResult(0), element));
    op.erase();
  }
}

} // namespace mmcc::lower
