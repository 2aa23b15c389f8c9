//===- InterleavedRope.cpp - Rotation of neighbouring channels ------------===//
//
// The turned value is a stack of (-x[1::2], x[0::2]) folded into one dimension;
// its fold may come before or after the product with the sines. Both tables
// hold each entry twice in a row; mm.rope takes them once.
//
//===----------------------------------------------------------------------===//

#include "passes/attention/RopePatterns.h"
#include "passes/fuse/ConstantValues.h"

using namespace mlir;

namespace mmcc {

namespace {
/// A table that holds each of `count` entries a row twice, as the value
/// [..., count, 1, (1)...] that was repeated; null for a constant, of which
/// every second element is one.
struct PairTable {
  Value once;
  int64_t count = 0;
};
} // namespace

static std::optional<PairTable> matchRepeatedTwice(Value value) {
  auto type = getTensorType(value);
  Value once;
  if (auto broadcast = value.getDefiningOp<mm::BroadcastOp>()) {
    once = broadcast.getInput();
  } else if (auto concat = value.getDefiningOp<mm::ConcatOp>()) {
    once = concat.getInputs()[0];
    if (concat.getInputs().size() != 2 || once != concat.getInputs()[1])
      return std::nullopt;
  }
  if (!once || getTensorType(once).getRank() != type.getRank())
    return std::nullopt;
  // The pairs are the last dimension that is not 1, and the only one repeated.
  mm::Shape from = mm::getShape(once.getType()), to = mm::getShape(type);
  while (to.size() > 2 && to.back().isConstant(1)) {
    to.pop_back();
    from.pop_back();
  }
  if (to.size() < 2 || !to.back().isConstant(2) || !from.back().isConstant(1))
    return std::nullopt;
  to.pop_back();
  from.pop_back();
  std::optional<int64_t> count = to.back().getConstant();
  if (from != to || !count)
    return std::nullopt;
  return PairTable{once, *count};
}

/// Whether the elements of a constant are pairs of equal ones.
static bool isPairedConstant(Value table) {
  std::optional<SmallVector<double>> elements = getElements(table, 1 << 24);
  if (!elements || elements->size() % 2 != 0)
    return false;
  for (size_t i = 0; i < elements->size(); i += 2)
    if ((*elements)[i] != (*elements)[i + 1])
      return false;
  return true;
}

/// For a table [..., 2 n] with each entry twice in a row, or `unfolded`
/// [..., n, 2].
static std::optional<PairTable> matchPairTable(Value table, bool unfolded) {
  Value repeated = table;
  if (auto reshape = table.getDefiningOp<mm::ReshapeOp>())
    repeated = reshape.getInput();
  std::optional<PairTable> pairs = matchRepeatedTwice(repeated);
  ArrayRef<int64_t> shape = getTensorType(table).getShape();
  if (shape.size() < 2)
    return std::nullopt;
  if (!pairs && isPairedConstant(table))
    pairs =
        PairTable{{}, unfolded ? shape[shape.size() - 2] : shape.back() / 2};
  if (!pairs)
    return std::nullopt;
  bool fits = unfolded
                  ? shape.back() == 2 && shape[shape.size() - 2] == pairs->count
                  : shape.back() == 2 * pairs->count;
  return fits ? pairs : std::nullopt;
}

/// The table with `count` entries a row, otherwise shaped as `table`.
static Value makeTable(OpBuilder &builder, Value table, const PairTable &pairs,
                       bool unfolded) {
  MLIRContext *context = builder.getContext();
  mm::Shape shape = mm::getShape(table.getType());
  Value once = pairs.once;
  if (!once) {
    mm::Shape every = shape;
    every.back() = mm::Dim::constant(context, unfolded ? 1 : pairs.count);
    SmallVector<int64_t> steps(shape.size(), 1);
    steps.back() = 2;
    once = builder.create<mm::SliceOp>(
        table.getLoc(), mm::makeTensorType(every, getElementTypeOrSelf(table)),
        table,
        mm::DimsAttr::get(
            context,
            mm::makeShape(context, SmallVector<int64_t>(shape.size(), 0))),
        steps);
  }
  if (unfolded)
    shape.pop_back();
  shape.back() = mm::Dim::constant(context, pairs.count);
  return reshapeTo(builder, table.getLoc(), once, shape);
}

/// The channels behind a stack (-odd, even) [..., n, 2].
static std::optional<Channels> matchStack(Value value) {
  auto concat = value.getDefiningOp<mm::ConcatOp>();
  if (!concat || concat.getInputs().size() != 2 ||
      static_cast<int64_t>(concat.getAxis()) != concat.getType().getRank() - 1)
    return std::nullopt;
  auto unstacked = [](Value value) -> Value {
    auto reshape = value.getDefiningOp<mm::ReshapeOp>();
    if (!reshape)
      return {};
    mm::Shape from = mm::getShape(reshape.getInput().getType());
    mm::Shape to = mm::getShape(reshape.getType());
    from.push_back(mm::Dim::constant(value.getContext(), 1));
    return from == to ? reshape.getInput() : Value();
  };
  // The negation lies before or after the stacking.
  Value first = concat.getInputs()[0];
  Value odd;
  if (Value inner = getNegated(first))
    odd = unstacked(inner);
  else if (Value inner = unstacked(first))
    odd = getNegated(inner);
  Value even = unstacked(concat.getInputs()[1]);
  if (!odd || !even)
    return std::nullopt;
  std::optional<Channels> o = getChannels(odd), e = getChannels(even);
  if (!o || !e || o->base != e->base || o->step != 2 || e->step != 2 ||
      o->count != e->count || o->begin != e->begin + 1)
    return std::nullopt;
  return Channels{e->base, e->begin, 2 * e->count, 1};
}

namespace {

struct FormInterleaved : OpRewritePattern<mm::AddOp> {
  FormInterleaved(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(mm::AddOp op,
                                PatternRewriter &rewriter) const override {
    for (auto [plainTerm, turnedTerm] : {std::pair(op.getLhs(), op.getRhs()),
                                         std::pair(op.getRhs(), op.getLhs())}) {
      auto plain = plainTerm.getDefiningOp<mm::MulOp>();
      // fold(stack * sines) or fold(stack) * sines
      auto fold = turnedTerm.getDefiningOp<mm::ReshapeOp>();
      bool unfolded = static_cast<bool>(fold);
      auto turned = unfolded ? fold.getInput().getDefiningOp<mm::MulOp>()
                             : turnedTerm.getDefiningOp<mm::MulOp>();
      if (!plain || !turned)
        continue;
      for (int turnedSide : {0, 1})
        for (int plainSide : {0, 1})
          if (succeeded(tryRewrite(op, plain, plainSide, turned, turnedSide,
                                   unfolded, rewriter)))
            return success();
    }
    return failure();
  }

  LogicalResult tryRewrite(mm::AddOp op, mm::MulOp plain, int plainSide,
                           mm::MulOp turned, int turnedSide, bool unfolded,
                           PatternRewriter &rewriter) const {
    Value stack = turned->getOperand(turnedSide);
    Value sin = turned->getOperand(1 - turnedSide);
    Value x = plain->getOperand(plainSide);
    Value cos = plain->getOperand(1 - plainSide);
    if (!unfolded) {
      auto fold = stack.getDefiningOp<mm::ReshapeOp>();
      if (!fold)
        return failure();
      stack = fold.getInput();
    }
    std::optional<Channels> rotated = matchStack(stack);
    std::optional<Channels> channels = getChannels(x);
    if (!rotated || !channels)
      return failure();
    // All of the base, or the same part of it.
    bool same = channels->base == rotated->base && channels->step == 1 &&
                channels->begin == rotated->begin &&
                channels->count == rotated->count;
    if (!same || x.getType() != op.getType() ||
        getTensorType(x).getRank() > 4 ||
        getTensorType(stack).getRank() != getTensorType(x).getRank() + 1)
      return failure();
    mm::Shape shape = mm::getShape(x.getType()), stacked = shape;
    MLIRContext *context = op.getContext();
    stacked.back() = mm::Dim::constant(context, rotated->count / 2);
    stacked.push_back(mm::Dim::constant(context, 2));
    std::optional<PairTable> cosPairs = matchPairTable(cos, false);
    std::optional<PairTable> sinPairs = matchPairTable(sin, unfolded);
    if (!cosPairs || !sinPairs || cosPairs->count != rotated->count / 2 ||
        sinPairs->count != rotated->count / 2 || !fitsBeside(cos, shape) ||
        !fitsBeside(sin, unfolded ? stacked : shape) ||
        getElementTypeOrSelf(cos) != getElementTypeOrSelf(x) ||
        getElementTypeOrSelf(sin) != getElementTypeOrSelf(x))
      return failure();
    Value cosTable = makeTable(rewriter, cos, *cosPairs, false);
    Value sinTable = makeTable(rewriter, sin, *sinPairs, unfolded);
    rewriter.replaceOp(op, makeRope(rewriter, op.getLoc(), x, cosTable,
                                    sinTable, rotated->count, true));
    ++count;
    return success();
  }

  Pass::Statistic &count;
};

} // namespace

void populateInterleavedRope(RewritePatternSet &patterns,
                             Pass::Statistic &count) {
  patterns.add<FormInterleaved>(patterns.getContext(), count);
}

} // namespace mmcc
