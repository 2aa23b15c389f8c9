//===- TokenFlow.cpp - The token dimension on its way ---------------------===//

#include "passes/tokens/TokenFlow.h"
#include "passes/fuse/ConstantValues.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace mmcc {

bool hasBatchBesideTokens(ArrayRef<mm::Dim> shape, int64_t axis,
                          const TokenSet &tokens) {
  if (axis == 0 && tokens.batch.isConstant(1))
    return true;
  return axis > 0 && shape[0] == tokens.batch;
}

namespace {

class FlowRules {
public:
  FlowRules(Operation *op, AxisOf axisOf, const TokenSet &tokens)
      : op(op), axisOf(axisOf), tokens(tokens) {}

  TokenFlow get() {
    if (op->hasTrait<mm::Elementwise>())
      return elementwise();
    return llvm::TypeSwitch<Operation *, TokenFlow>(op)
        .Case<mm::TransposeOp, mm::ReshapeOp, mm::SliceOp, mm::ConcatOp,
              mm::BroadcastOp, mm::GatherOp, mm::LinearOp, mm::MatmulOp,
              mm::SoftmaxOp, mm::ReduceOp, mm::AttentionOp>(
            [&](auto op) { return rule(op); })
        .Case<mm::LayerNormOp, mm::RmsNormOp>([&](auto op) {
          return along(op.getInput(), op->getOperands(),
                       axisOf(op.getInput()) < int64_t(op.getAxis()));
        })
        .Case<mm::RopeOp>([](auto) {
          return TokenFlow::stops("rotates each token by its position");
        })
        .Default([](Operation *op) {
          return TokenFlow::stops("works on tokens by their position");
        });
  }

private:
  static mm::Shape shapeOf(Value value) {
    return mm::getShape(value.getType());
  }

  /// The result has the tokens of `input` in the same dimension, if no other
  /// operand has any.
  TokenFlow along(Value input, ValueRange operands, bool allowed) {
    for (Value operand : operands)
      if (operand != input && axisOf(operand) >= 0)
        return TokenFlow::stops("takes tokens for parameters");
    if (!allowed)
      return TokenFlow::stops("combines tokens with each other");
    return TokenFlow::carries(axisOf(input));
  }

  TokenFlow elementwise() {
    int64_t rank = shapeOf(op->getResult(0)).size(), axis = -1;
    for (Value operand : op->getOperands()) {
      if (axisOf(operand) < 0)
        continue;
      int64_t at = axisOf(operand) + rank - shapeOf(operand).size();
      if (axis >= 0 && axis != at)
        return TokenFlow::stops("pairs tokens with tokens");
      axis = at;
    }
    for (Value operand : op->getOperands()) {
      mm::Shape shape = shapeOf(operand);
      int64_t at = axis - (rank - int64_t(shape.size()));
      if (axisOf(operand) < 0 && at >= 0 && !shape[at].isConstant(1))
        return TokenFlow::stops("has another value for each position");
    }
    return TokenFlow::carries(axis);
  }

  TokenFlow rule(mm::TransposeOp op) {
    ArrayRef<int64_t> permutation = op.getPermutation();
    return TokenFlow::carries(llvm::find(permutation, axisOf(op.getInput())) -
                              permutation.begin());
  }

  TokenFlow rule(mm::ReshapeOp op) {
    mm::Shape from = shapeOf(op.getInput()), to = shapeOf(op.getResult());
    MLIRContext *context = op.getContext();
    int64_t axis = axisOf(op.getInput());
    mm::Dim before = mm::product(context, ArrayRef(from).take_front(axis));
    for (size_t i = 0; i < to.size(); ++i)
      if (to[i] == from[axis] &&
          mm::product(context, ArrayRef(to).take_front(i)) == before)
        return TokenFlow::carries(i);
    return TokenFlow::stops("folds tokens into another dimension");
  }

  TokenFlow rule(mm::SliceOp op) {
    int64_t axis = axisOf(op.getInput());
    mm::Shape from = shapeOf(op.getInput()), to = shapeOf(op.getResult());
    std::optional<int64_t> offset = op.getOffsets().getDim(axis).getConstant();
    std::optional<int64_t> count = to[axis].getConstant();
    if (op.getSteps()[axis] == 1 && offset && count) {
      if (*offset == 0 && to[axis] == from[axis])
        return TokenFlow::carries(axis);
      if (*offset + *count <= tokens.protect)
        return TokenFlow::ends();
    }
    return TokenFlow::stops("takes tokens by their position");
  }

  TokenFlow rule(mm::GatherOp op) {
    std::optional<SmallVector<double>> places =
        getElements(op.getIndices(), tokens.protect);
    if (axisOf(op.getInput()) == int64_t(op.getAxis()) && places &&
        llvm::all_of(*places, [&](double place) {
          return place >= 0 && place < tokens.protect;
        }))
      return TokenFlow::ends();
    return TokenFlow::stops("takes tokens by their position");
  }

  TokenFlow rule(mm::ConcatOp op) {
    int64_t axis = -1;
    for (Value input : op.getInputs()) {
      int64_t at = axisOf(input);
      if (at < 0 || (axis >= 0 && at != axis) || at == int64_t(op.getAxis()))
        return TokenFlow::stops("joins tokens with something else");
      axis = at;
    }
    return TokenFlow::carries(axis);
  }

  TokenFlow rule(mm::BroadcastOp op) {
    return TokenFlow::carries(axisOf(op.getInput()) +
                              shapeOf(op.getResult()).size() -
                              shapeOf(op.getInput()).size());
  }

  TokenFlow rule(mm::LinearOp op) {
    return along(op.getInput(), op->getOperands(),
                 axisOf(op.getInput()) + 1 <
                     int64_t(shapeOf(op.getInput()).size()));
  }

  TokenFlow rule(mm::MatmulOp op) {
    int64_t axis = axisOf(op.getLhs());
    int64_t fromRight = shapeOf(op.getLhs()).size() - axis;
    if (axis < 0 || fromRight != 2)
      return TokenFlow::stops("combines tokens with each other");
    TokenFlow flow = along(op.getLhs(), op->getOperands(), true);
    if (flow.kind == TokenFlow::Carries)
      flow.axis = shapeOf(op.getResult()).size() - 2;
    return flow;
  }

  TokenFlow rule(mm::SoftmaxOp op) {
    return along(op.getInput(), op->getOperands(),
                 axisOf(op.getInput()) != int64_t(op.getAxis()));
  }

  TokenFlow rule(mm::ReduceOp op) {
    int64_t axis = axisOf(op.getInput());
    if (llvm::is_contained(op.getAxes(), axis)) {
      bool weighs = llvm::is_contained(
          {mm::ReduceKind::Mean, mm::ReduceKind::Sum}, op.getKind());
      bool ignores = llvm::is_contained(
          {mm::ReduceKind::Max, mm::ReduceKind::Min}, op.getKind());
      if (ignores || (weighs && hasBatchBesideTokens(shapeOf(op.getInput()),
                                                     axis, tokens)))
        return TokenFlow::ends();
      return TokenFlow::stops("combines tokens with each other");
    }
    if (!op.getKeep())
      axis -= llvm::count_if(op.getAxes(),
                             [&](int64_t reduced) { return reduced < axis; });
    return TokenFlow::carries(axis);
  }

  TokenFlow rule(mm::AttentionOp op) {
    int64_t query = axisOf(op.getQuery()), key = axisOf(op.getKey());
    bool inPlace = (query == -1 || query == 2) && (key == -1 || key == 2) &&
                   axisOf(op.getValue()) == key;
    if (!inPlace)
      return TokenFlow::stops("attends along another dimension than tokens");
    if (op.getCausal() || op.getWindow() > 0 || int64_t(op.getAhead()) >= 0)
      return TokenFlow::stops("attends to tokens by their position");
    if (op.getMask()) {
      if (axisOf(op.getMask()) >= 0)
        return TokenFlow::stops("has a mask that is computed from tokens");
      mm::Shape mask = shapeOf(op.getMask());
      auto perToken = [&](size_t fromRight) {
        return mask.size() >= fromRight &&
               !mask[mask.size() - fromRight].isConstant(1);
      };
      if ((key == 2 && perToken(1)) || (query == 2 && perToken(2)))
        return TokenFlow::stops("has a mask with an entry for each token");
    }
    if (key == 2 && shapeOf(op.getKey())[0] != tokens.batch)
      return TokenFlow::stops("attends in other groups than the batch");
    return query == 2 ? TokenFlow::carries(2) : TokenFlow::ends();
  }

  Operation *op;
  AxisOf axisOf;
  const TokenSet &tokens;
};

} // namespace

TokenFlow getTokenFlow(Operation *op, AxisOf axisOf, const TokenSet &tokens) {
  return FlowRules(op, axisOf, tokens).get();
}

} // namespace mmcc
