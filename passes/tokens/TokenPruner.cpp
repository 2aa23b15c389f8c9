//===- TokenPruner.cpp - Carries a plan of pruning out --------------------===//

#include "passes/tokens/TokenPruner.h"
#include "passes/fuse/ConstantValues.h"

using namespace mlir;

namespace mmcc {

TokenPruner::TokenPruner(const ImageTokens &image, int64_t keep)
    : image(image), keep(keep), builder(image.batch.getContext()),
      loc(image.value.getLoc()) {
  builder.setInsertionPointAfterValue(image.value);
  kept = choose();
  mm::Shape index{image.batch, dim(keep), dim(1)};
  shortened = builder.create<mm::GatherNDOp>(
      loc, image.value, reshapeTo(builder, loc, kept, index), 1);
}

mm::Dim TokenPruner::dim(int64_t value) const {
  return mm::Dim::constant(image.batch.getContext(), value);
}

Value TokenPruner::choose() {
  // Rows of length 1; one of zeros is like none.
  constexpr double kShortest = 1e-12;
  Value x = image.value;
  Value squares = builder.create<mm::ReduceOp>(
      loc, builder.create<mm::MulOp>(loc, x, x), mm::ReduceKind::Sum,
      ArrayRef<int64_t>{2}, true);
  Value length = builder.create<mm::MaxOp>(
      loc, builder.create<mm::SqrtOp>(loc, squares),
      makeScalar(builder, loc, builder.getF32Type(), kShortest));
  Value unit = builder.create<mm::DivOp>(loc, x, length);
  Value similarity = builder.create<mm::MatmulOp>(
      loc, unit, transposeTo(builder, loc, unit, {0, 2, 1}));
  return builder.create<mm::SelectTokensOp>(loc, similarity, keep);
}

Value TokenPruner::iota(const mm::Dim &start, const mm::Dim &length) {
  Type i64 = builder.getI64Type();
  Value line = builder.create<mm::IotaOp>(
      loc, mm::makeTensorType({length}, i64),
      mm::DimsAttr::get(builder.getContext(), {start}), 1);
  return builder.create<mm::BroadcastOp>(
      loc, mm::makeTensorType({image.batch, length}, i64), line);
}

Value TokenPruner::places(const TokenRun &run) {
  for (const auto &[other, value] : known)
    if (other.sameTokens(run))
      return value;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointAfterValue(shortened);
  SmallVector<Value> parts;
  if (!run.before.isConstant(0))
    parts.push_back(iota(dim(0), run.before));
  Value offset = builder.create<mm::SizesOp>(
      loc, RankedTensorType::get({1}, builder.getI64Type()),
      mm::DimsAttr::get(builder.getContext(), {run.before}));
  parts.push_back(builder.create<mm::AddOp>(loc, kept, offset));
  if (!run.after.isConstant(0))
    parts.push_back(iota(run.before + image.count, run.after));
  Value all = parts.size() == 1
                  ? parts.front()
                  : builder.create<mm::ConcatOp>(loc, parts, 1).getResult();
  known.push_back({run, all});
  return all;
}

Value TokenPruner::lookUp(Value value, int64_t axis, int64_t rank,
                          const TokenRun &run) {
  mm::Shape shape = mm::getShape(value.getType());
  axis += rank - int64_t(shape.size());
  shape.insert(shape.begin(), rank - shape.size(), dim(1));
  value = reshapeTo(builder, loc, value, shape);

  SmallVector<int64_t> toSecond, back;
  for (int64_t i = 0; i < rank; ++i)
    if (i != axis) {
      toSecond.push_back(i);
      back.push_back(i == 0 ? 0 : i < axis ? i + 1 : i);
    }
  toSecond.insert(toSecond.begin() + 1, axis);
  back.insert(back.begin() + axis, 1);
  value = transposeTo(builder, loc, value, toSecond);

  Value index = places(run);
  mm::Shape rows = mm::getShape(value.getType());
  if (rows[0].isConstant(1)) {
    value = reshapeTo(builder, loc, value, ArrayRef(rows).drop_front());
    value = builder.create<mm::GatherOp>(loc, value, index, 0);
  } else {
    mm::Shape indexShape = mm::getShape(index.getType());
    indexShape.push_back(dim(1));
    value = builder.create<mm::GatherNDOp>(
        loc, value, reshapeTo(builder, loc, index, indexShape), 1);
  }
  return transposeTo(builder, loc, value, back);
}

void TokenPruner::apply(ArrayRef<PruneStep> steps) {
  for (const PruneStep &step : steps) {
    Operation *op = step.op;
    builder.setInsertionPoint(op);
    loc = op->getLoc();
    for (OpOperand &operand : op->getOpOperands())
      if (operand.get() == image.value)
        operand.set(shortened);
    for (const PositionOperand &position : step.positions) {
      Value value = op->getOperand(position.index);
      int64_t rank = mm::getShape(op->getResult(0).getType()).size();
      op->setOperand(position.index,
                     lookUp(value, position.axis, rank, position.run));
    }
    if (step.shifts) {
      auto slice = cast<mm::SliceOp>(op);
      mm::Shape offsets;
      for (int64_t i = 0; i < getTensorType(slice.getInput()).getRank(); ++i)
        offsets.push_back(slice.getOffsets().getDim(i));
      offsets[*step.shifts] = offsets[*step.shifts] - (image.count - keep);
      slice.setOffsetsAttr(mm::DimsAttr::get(op->getContext(), offsets));
    }
    if (step.run) {
      Value result = op->getResult(0);
      mm::Shape shape = mm::getShape(result.getType());
      mm::Dim &tokens = shape[step.run->axis];
      tokens = tokens - (image.count - keep);
      result.setType(
          mm::makeTensorType(shape, getTensorType(result).getElementType()));
    }
  }
}

} // namespace mmcc
