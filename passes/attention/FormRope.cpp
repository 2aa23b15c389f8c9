//===- FormRope.cpp - Recognises rotary position embedding ----------------===//

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/attention/Passes.h"
#include "passes/attention/RopePatterns.h"
#include "passes/fuse/ConstantValues.h"

namespace mmcc {
#define GEN_PASS_DEF_FORMROPE
#include "passes/attention/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

std::optional<Channels> mmcc::getChannels(Value value) {
  auto type = getTensorType(value);
  int64_t rank = type.getRank();
  if (rank == 0 || type.isDynamicDim(rank - 1))
    return std::nullopt;
  Channels whole{value, 0, type.getDimSize(rank - 1), 1};
  auto slice = value.getDefiningOp<mm::SliceOp>();
  if (!slice)
    return whole;
  mm::Shape from = mm::getShape(slice.getInput().getType());
  mm::Shape to = mm::getShape(type);
  for (int64_t axis = 0; axis < rank - 1; ++axis)
    if (from[axis] != to[axis] || slice.getSteps()[axis] != 1 ||
        !slice.getOffsets().getDim(axis).isConstant(0))
      return whole;
  std::optional<int64_t> begin =
      slice.getOffsets().getDim(rank - 1).getConstant();
  if (!begin)
    return whole;
  return Channels{slice.getInput(), *begin, whole.count,
                  slice.getSteps()[rank - 1]};
}

Value mmcc::getNegated(Value value) {
  Scaled scaled = stripScale(value);
  return scaled.factor == -1.0 ? scaled.base : Value();
}

bool mmcc::fitsBeside(Value table, ArrayRef<mm::Dim> shape) {
  std::optional<mm::Shape> joined =
      mm::broadcastShapes(mm::getShape(table.getType()), shape);
  return joined && ArrayRef<mm::Dim>(*joined) == shape;
}

Value mmcc::makeRope(PatternRewriter &rewriter, Location loc, Value input,
                     Value cos, Value sin, int64_t rotaryDim,
                     bool interleaved) {
  mm::Shape shape = mm::getShape(input.getType()), full = shape;
  mm::Dim one = mm::Dim::constant(rewriter.getContext(), 1);
  while (full.size() < 4)
    full.insert(full.begin(), one);
  Value rope = rewriter.create<mm::RopeOp>(
      loc, reshapeTo(rewriter, loc, input, full), cos, sin,
      rewriter.getI64IntegerAttr(rotaryDim), rewriter.getBoolAttr(interleaved));
  return reshapeTo(rewriter, loc, rope, shape);
}

namespace {

/// The channels that concat(-x[half:], x[:half]) rotates.
std::optional<Channels> matchRotateHalf(Value value) {
  auto concat = value.getDefiningOp<mm::ConcatOp>();
  if (!concat || concat.getInputs().size() != 2 ||
      static_cast<int64_t>(concat.getAxis()) != concat.getType().getRank() - 1)
    return std::nullopt;
  Value upper = getNegated(concat.getInputs()[0]);
  if (!upper)
    return std::nullopt;
  std::optional<Channels> second = getChannels(upper);
  std::optional<Channels> first = getChannels(concat.getInputs()[1]);
  if (!first || !second || first->base != second->base ||
      first->count != second->count || first->step != 1 || second->step != 1 ||
      second->begin != first->begin + first->count)
    return std::nullopt;
  return Channels{first->base, first->begin, 2 * first->count};
}

bool fitsTable(Value table, Value input) {
  mm::Shape shape = mm::getShape(input.getType());
  return fitsBeside(table, shape) &&
         getElementTypeOrSelf(table) == getElementTypeOrSelf(input);
}

/// `channels` as a value: the base, or the slice that `like` has the type of.
Value getValue(PatternRewriter &rewriter, Location loc,
               const Channels &channels) {
  mm::Shape shape = mm::getShape(channels.base.getType());
  if (shape.back().isConstant(channels.count))
    return channels.base;
  MLIRContext *context = rewriter.getContext();
  shape.back() = mm::Dim::constant(context, channels.count);
  mm::Shape offsets =
      mm::makeShape(context, SmallVector<int64_t>(shape.size(), 0));
  offsets.back() = mm::Dim::constant(context, channels.begin);
  return rewriter.create<mm::SliceOp>(
      loc, mm::makeTensorType(shape, getElementTypeOrSelf(channels.base)),
      channels.base, mm::DimsAttr::get(context, offsets),
      SmallVector<int64_t>(shape.size(), 1));
}

/// What a reshape of the dimensions before the channels makes `value` from: one
/// head of one image stands in other dimensions than it is sliced in.
Value behindReshape(Value value) {
  auto reshape = value.getDefiningOp<mm::ReshapeOp>();
  if (!reshape || getTensorType(value).getRank() == 0 ||
      getTensorType(reshape.getInput()).getRank() == 0 ||
      mm::getShape(reshape.getInput().getType()).back() !=
          mm::getShape(reshape.getType()).back())
    return value;
  return reshape.getInput();
}

/// x * cos + rotate_half(x) * sin
struct FormRotateHalf : OpRewritePattern<mm::AddOp> {
  FormRotateHalf(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(mm::AddOp op,
                                PatternRewriter &rewriter) const override {
    auto left = op.getLhs().getDefiningOp<mm::MulOp>();
    auto right = op.getRhs().getDefiningOp<mm::MulOp>();
    if (!left || !right)
      return failure();
    for (auto [plain, turned] :
         {std::pair(left, right), std::pair(right, left)})
      for (int side : {0, 1}) {
        Value half = turned->getOperand(side);
        bool reshaped = false;
        std::optional<Channels> rotated = matchRotateHalf(half);
        if (!rotated) {
          half = behindReshape(half);
          rotated = matchRotateHalf(half);
          reshaped = true;
        }
        if (!rotated)
          continue;
        Value sin = turned->getOperand(1 - side);
        for (int plainSide : {0, 1}) {
          Value x = plain->getOperand(plainSide);
          Value cos = plain->getOperand(1 - plainSide);
          Value sliced = reshaped ? behindReshape(x) : x;
          if (sliced.getType() != half.getType() ||
              x.getType() != turned->getOperand(side).getType())
            continue;
          std::optional<Channels> channels = getChannels(sliced);
          bool same = sliced == rotated->base && rotated->begin == 0 &&
                      channels &&
                      getTensorType(x).getShape().back() == rotated->count;
          same |= channels && channels->base == rotated->base &&
                  channels->step == 1 && channels->begin == rotated->begin &&
                  channels->count == rotated->count;
          if (!same || x.getType() != op.getType() || !fitsTable(cos, x) ||
              !fitsTable(sin, x) || getTensorType(x).getRank() > 4)
            continue;
          rewriter.replaceOp(op, makeRope(rewriter, op.getLoc(), x, cos, sin,
                                          rotated->count, false));
          ++count;
          return success();
        }
      }
    return failure();
  }

  Pass::Statistic &count;
};

/// a * b as the pair of a value with one of `candidates`.
struct Term {
  Value channels, table;
};
std::optional<Term> splitTerm(Value value, const Channels &channels) {
  auto mul = value.getDefiningOp<mm::MulOp>();
  if (!mul)
    return std::nullopt;
  for (int side : {0, 1}) {
    std::optional<Channels> found = getChannels(mul->getOperand(side));
    if (found && found->base == channels.base && found->step == 1 &&
        found->begin == channels.begin && found->count == channels.count)
      return Term{mul->getOperand(side), mul->getOperand(1 - side)};
  }
  return std::nullopt;
}

/// concat(x1 * cos - x2 * sin, x2 * cos + x1 * sin): both halves apart, with
/// tables of half the width.
struct FormHalves : OpRewritePattern<mm::ConcatOp> {
  FormHalves(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(mm::ConcatOp op,
                                PatternRewriter &rewriter) const override {
    int64_t last = op.getType().getRank() - 1;
    if (op.getInputs().size() != 2 ||
        static_cast<int64_t>(op.getAxis()) != last || last < 1 || last > 3)
      return failure();
    auto sub = op.getInputs()[0].getDefiningOp<mm::SubOp>();
    auto add = op.getInputs()[1].getDefiningOp<mm::AddOp>();
    if (!sub || !add || sub.getType() != add.getType())
      return failure();
    auto first = sub.getLhs().getDefiningOp<mm::MulOp>();
    if (!first)
      return failure();
    for (int side : {0, 1}) {
      std::optional<Channels> x1 = getChannels(first->getOperand(side));
      if (!x1 || x1->step != 1 ||
          first->getOperand(side).getType() != sub.getType())
        continue;
      Value cos = first->getOperand(1 - side);
      Channels x2{x1->base, x1->begin + x1->count, x1->count};
      std::optional<Term> sine = splitTerm(sub.getRhs(), x2);
      if (!sine)
        continue;
      Value sin = sine->table;
      bool matches = false;
      for (auto [a, b] : {std::pair(add.getLhs(), add.getRhs()),
                          std::pair(add.getRhs(), add.getLhs())}) {
        std::optional<Term> cosine2 = splitTerm(a, x2);
        std::optional<Term> sine2 = splitTerm(b, *x1);
        matches |=
            cosine2 && sine2 && cosine2->table == cos && sine2->table == sin;
      }
      Value half = first->getOperand(side);
      if (!matches || !fitsTable(cos, half) || !fitsTable(sin, half) ||
          getTensorType(cos).getRank() == 0 ||
          getTensorType(sin).getRank() == 0)
        continue;
      Location loc = op.getLoc();
      Value input =
          getValue(rewriter, loc, {x1->base, x1->begin, 2 * x1->count});
      auto doubled = [&](Value table) -> Value {
        int64_t axis = getTensorType(table).getRank() - 1;
        if (getTensorType(table).getDimSize(axis) == 1)
          return table;
        return rewriter.create<mm::ConcatOp>(loc, ValueRange{table, table},
                                             axis);
      };
      rewriter.replaceOp(op, makeRope(rewriter, loc, input, doubled(cos),
                                      doubled(sin), 2 * x1->count, false));
      ++count;
      return success();
    }
    return failure();
  }

  Pass::Statistic &count;
};

/// concat(rope(x[:r]), x[r:]) turns the first r channels of x.
struct WidenPartial : OpRewritePattern<mm::ConcatOp> {
  WidenPartial(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(mm::ConcatOp op,
                                PatternRewriter &rewriter) const override {
    int64_t last = op.getType().getRank() - 1;
    if (op.getInputs().size() != 2 ||
        static_cast<int64_t>(op.getAxis()) != last)
      return failure();
    auto rope = op.getInputs()[0].getDefiningOp<mm::RopeOp>();
    if (!rope || !rope->hasOneUse())
      return failure();
    std::optional<Channels> turned = getChannels(rope.getInput());
    std::optional<Channels> rest = getChannels(op.getInputs()[1]);
    int64_t rotaryDim = rope.getRotaryDim();
    if (!turned || !rest || turned->base != rest->base || turned->step != 1 ||
        rest->step != 1 || turned->begin != 0 || turned->count != rotaryDim ||
        rest->begin != rotaryDim || turned->base.getType() != op.getType())
      return failure();
    rewriter.replaceOpWithNewOp<mm::RopeOp>(
        op, turned->base, rope.getCos(), rope.getSin(), rope.getRotaryDimAttr(),
        rope.getInterleavedAttr());
    ++count;
    return success();
  }

  Pass::Statistic &count;
};

struct FormRope : mmcc::impl::FormRopeBase<FormRope> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<FormRotateHalf, FormHalves>(context, numFormed);
    populateInterleavedRope(patterns, numFormed);
    patterns.add<WidenPartial>(context, numPartial);
    if (failed(
            applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
