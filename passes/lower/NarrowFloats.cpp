//===- NarrowFloats.cpp - Anchors that compute in f32 ---------------------===//

#include "passes/lower/NarrowFloats.h"
#include "dialects/mm/MM.h"
#include "mlir/IR/IRMapping.h"
#include "passes/lower/Attention.h"
#include "passes/lower/Lowering.h"

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

namespace {

/// What moves of elements lead back to from `value`; `moves` are those, the
/// last first.
Value sourceOf(Value value, SmallVectorImpl<Operation *> &moves) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isViewOp(op))
      break;
    moves.push_back(op);
    value = op->getOperand(0);
  }
  return value;
}

/// Operands that become narrow, and the casts that make them.
class Narrowing {
public:
  /// Narrows the first `count` operands to `element`, if a cast of each can be
  /// stored by whoever makes the value.
  bool narrow(Operation *op, unsigned count, Type element) {
    SmallVector<SmallVector<Operation *>> moves(count);
    SmallVector<Value> sources;
    for (unsigned i = 0; i < count; ++i) {
      sources.push_back(sourceOf(op->getOperand(i), moves[i]));
      Operation *maker = sources.back().getDefiningOp();
      if (!maker || !(isAnchor(maker) || isComputable(maker)))
        return false;
    }
    OpBuilder b(op);
    for (unsigned i = 0; i < count; ++i) {
      Value value = castOf(sources[i], element);
      for (Operation *move : llvm::reverse(moves[i])) {
        IRMapping mapping;
        mapping.map(move->getOperand(0), value);
        value = b.clone(*move, mapping)->getResult(0);
        value.setType(narrowType(value, element));
      }
      op->setOperand(i, value);
      for (Operation *move : moves[i])
        if (move->use_empty())
          move->erase();
    }
    return true;
  }

private:
  static Type narrowType(Value value, Type element) {
    return mm::makeTensorType(mm::getShape(value.getType()), element);
  }
  Value castOf(Value value, Type element) {
    Value &known = casts[{value, element}];
    if (!known) {
      OpBuilder b(value.getContext());
      b.setInsertionPointAfterValue(value);
      known = b.create<mm::CastOp>(value.getLoc(), narrowType(value, element),
                                   value);
    }
    return known;
  }

  DenseMap<std::pair<Value, Type>, Value> casts;
};

} // namespace

void narrowOperands(func::FuncOp func) {
  Narrowing narrowing;
  Builder builder(func.getContext());
  Type bf16 = builder.getBF16Type();
  func.walk([&](mm::AttentionOp op) {
    bool isF16 = op.getArithmetic() == "f16";
    if (op.getArithmetic() != "f32" && fitsTensorCores(op) && !mayBeStep(op) &&
        narrowing.narrow(op, 3, isF16 ? builder.getF16Type() : bf16))
      op.setArithmetic(isF16 ? "f16" : "bf16");
  });
  func.walk([&](mm::ConvOp op) {
    int64_t channels =
        mm::getShape(op.getWeight().getType())[1].getConstant().value_or(0);
    // Of few channels no 16 bytes follow each other; with one, there are no
    // products.
    if (op.getArithmetic() == "bf16" && channels > 1)
      narrowing.narrow(op, 1, bf16);
  });
}

} // namespace mmcc::lower
