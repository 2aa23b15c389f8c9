//===- TokenMerger.cpp - Carries a plan of merging out --------------------===//

#include "passes/tokens/TokenMerger.h"
#include "passes/fuse/ConstantValues.h"

using namespace mlir;

namespace mmcc {

TokenMerger::TokenMerger(const EncoderStream &stream, bool neighbours)
    : tokens(stream.tokens), neighbours(neighbours),
      builder(tokens.batch.getContext()), loc(builder.getUnknownLoc()) {
  stages.push_back({tokens.count, {}, {}, {}});
}

SmallVector<int64_t> TokenMerger::getCounts() const {
  SmallVector<int64_t> counts;
  for (const Stage &stage : stages)
    counts.push_back(stage.count);
  return counts;
}

mm::Dim TokenMerger::dim(int64_t value) const {
  return mm::Dim::constant(builder.getContext(), value);
}

void TokenMerger::apply(ArrayRef<MergeStep> steps) {
  for (const MergeStep &step : steps) {
    builder.setInsertionPoint(step.op);
    loc = step.op->getLoc();
    unsigned stage = step.operands.empty() ? 0 : step.operands.front().stage;
    switch (step.flow.kind) {
    case TokenFlow::Stops:
      for (const TokenOperand &operand : step.operands)
        step.op->setOperand(
            operand.index,
            giveBack(step.op->getOperand(operand.index), operand));
      break;
    case TokenFlow::Carries:
      resize(step.op->getResult(0), step.flow.axis, stages[stage].count);
      break;
    case TokenFlow::Ends:
      if (auto reduce = dyn_cast<mm::ReduceOp>(step.op))
        weighMean(reduce, step.operands.front());
      break;
    }
    auto attention = dyn_cast<mm::AttentionOp>(step.op);
    if (attention && step.flow.kind != TokenFlow::Stops)
      for (const TokenOperand &operand : step.operands)
        if (operand.index == attention.getKeyMutable().getOperandNumber())
          addBias(attention, operand.stage);
    if (step.merged > 0)
      merge(step);
  }
}

void TokenMerger::resize(Value value, int64_t axis, int64_t count) {
  auto type = cast<RankedTensorType>(value.getType());
  mm::Shape shape = mm::getShape(type);
  shape[axis] = dim(count);
  value.setType(mm::makeTensorType(shape, type.getElementType()));
}

Value TokenMerger::tokensSecond(Value value, int64_t axis) {
  mm::Shape shape = mm::getShape(value.getType());
  if (axis == 0 && shape.size() > 1 && shape[1] == tokens.batch &&
      shape.size() == 3)
    return transposeTo(builder, loc, value, {1, 0, 2});
  if (axis == 0) {
    shape.insert(shape.begin(), dim(1));
    return reshapeTo(builder, loc, value, shape);
  }
  SmallVector<int64_t> permutation;
  for (int64_t i = 0; i < int64_t(shape.size()); ++i)
    if (i != axis)
      permutation.push_back(i);
  permutation.insert(permutation.begin() + 1, axis);
  return transposeTo(builder, loc, value, permutation);
}

Value TokenMerger::tokensAt(Value value, int64_t axis,
                            ArrayRef<mm::Dim> shape) {
  if (axis == 0 && shape.size() == 3 && shape[1] == tokens.batch)
    return transposeTo(builder, loc, value, {1, 0, 2});
  if (axis == 0)
    return reshapeTo(builder, loc, value, shape);
  SmallVector<int64_t> permutation;
  for (int64_t i = 0; i < int64_t(shape.size()); ++i)
    if (i != 1)
      permutation.push_back(i);
  permutation.insert(permutation.begin() + axis, 1);
  return transposeTo(builder, loc, value, permutation);
}

void TokenMerger::merge(const MergeStep &step) {
  builder.setInsertionPointAfter(step.op);
  const Stage before = stages.back();
  Stage after;
  after.count = before.count - step.merged;
  mm::AttentionOp attention = step.layer->attention;
  Value sum = step.op->getResult(0);
  SmallVector<OpOperand *> uses;
  for (OpOperand &use : sum.getUses())
    uses.push_back(&use);

  Value metric = builder.create<mm::ReduceOp>(
      attention.getLoc(), attention.getKey(), mm::ReduceKind::Mean,
      ArrayRef<int64_t>{1}, false);
  Value successor = builder.create<mm::MatchTokensOp>(
      attention.getLoc(), metric, step.merged, tokens.protect, neighbours);
  Value size = before.size;
  if (!size) {
    auto type = RankedTensorType::get({1, before.count}, builder.getF32Type());
    Value ones =
        builder.create<mm::ConstantOp>(loc, DenseElementsAttr::get(type, 1.0f));
    size = builder.create<mm::BroadcastOp>(
        loc,
        mm::makeTensorType({tokens.batch, dim(before.count)},
                           builder.getF32Type()),
        ones);
  }
  mm::Shape shape = mm::getShape(sum.getType());
  Value rows = tokensSecond(sum, step.layer->axis);
  Value merged = builder.create<mm::MergeTokensOp>(loc, rows, successor, size,
                                                   after.count);
  shape[step.layer->axis] = dim(after.count);
  merged = tokensAt(merged, step.layer->axis, shape);

  after.size = builder.create<mm::MergeTokensOp>(loc, size, successor, Value(),
                                                 after.count);
  mm::Shape biasShape{tokens.batch, dim(1), dim(1), dim(after.count)};
  after.bias = reshapeTo(builder, loc,
                         builder.create<mm::LogOp>(loc, after.size), biasShape);
  after.source = successor;
  if (before.source)
    after.source =
        builder.create<mm::GatherElementsOp>(loc, successor, before.source, 1);
  stages.push_back(after);
  for (OpOperand *use : uses)
    use->set(merged);
}

void TokenMerger::addBias(mm::AttentionOp op, unsigned stage) {
  Value mask = op.getMask(), bias = stages[stage].bias;
  if (mask && getElementTypeOrSelf(mask).isInteger(1)) {
    auto scalar = [&](double value) {
      return makeScalar(builder, loc, builder.getF32Type(), value);
    };
    bias = builder.create<mm::SelectOp>(
        loc, mask, bias, scalar(-std::numeric_limits<double>::infinity()));
  } else if (mask) {
    bias = builder.create<mm::AddOp>(loc, mask, bias);
  }
  op.getMaskMutable().assign(bias);
}

void TokenMerger::weighMean(mm::ReduceOp op, const TokenOperand &operand) {
  mm::ReduceKind kind = op.getKind();
  if (kind != mm::ReduceKind::Mean && kind != mm::ReduceKind::Sum)
    return;
  const Stage &stage = stages[operand.stage];
  Value input = op.getInput();
  mm::Shape shape(getTensorType(input).getRank(), dim(1));
  if (operand.axis > 0)
    shape[0] = tokens.batch;
  shape[operand.axis] = dim(stage.count);
  Value weight = stage.size;
  if (kind == mm::ReduceKind::Mean) {
    // The mean divides by the tokens that are left; it must by all of them.
    double factor = double(stage.count) / double(tokens.count);
    weight = builder.create<mm::MulOp>(
        loc, weight, makeScalar(builder, loc, builder.getF32Type(), factor));
  }
  op.getInputMutable().assign(builder.create<mm::MulOp>(
      loc, input, reshapeTo(builder, loc, weight, shape)));
}

Value TokenMerger::giveBack(Value value, const TokenOperand &operand) {
  mm::Shape shape = mm::getShape(value.getType());
  Value rows = tokensSecond(value, operand.axis);
  mm::Shape indexShape{tokens.batch, dim(tokens.count), dim(1)};
  Value index =
      reshapeTo(builder, loc, stages[operand.stage].source, indexShape);
  Value all = builder.create<mm::GatherNDOp>(loc, rows, index, 1);
  shape[operand.axis] = dim(tokens.count);
  return tokensAt(all, operand.axis, shape);
}

} // namespace mmcc
