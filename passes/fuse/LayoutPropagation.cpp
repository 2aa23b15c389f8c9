//===- LayoutPropagation.cpp - Moves layout transposes down ---------------===//

#include "passes/fuse/LayoutPropagation.h"
#include "passes/fuse/ConstantValues.h"

using namespace mlir;

namespace mmcc {

SmallVector<int64_t> channelsFirstView(int64_t rank) {
  SmallVector<int64_t> permutation = {0, rank - 1};
  for (int64_t i = 1; i + 1 < rank; ++i)
    permutation.push_back(i);
  return permutation;
}

SmallVector<int64_t> channelsLastView(int64_t rank) {
  SmallVector<int64_t> permutation = {0};
  for (int64_t i = 2; i < rank; ++i)
    permutation.push_back(i);
  permutation.push_back(1);
  return permutation;
}

/// The channels-last value that `value` views, or null.
static Value getViewed(Value value) {
  auto transpose = value.getDefiningOp<mm::TransposeOp>();
  if (!transpose)
    return {};
  int64_t rank = transpose.getType().getRank();
  if (rank < 3 ||
      transpose.getPermutation() != ArrayRef(channelsFirstView(rank)))
    return {};
  return transpose.getInput();
}

/// Replaces `op` by the channels-first view of `value`.
static void replaceWithView(PatternRewriter &rewriter, Operation *op,
                            Value value) {
  int64_t rank = getTensorType(value).getRank();
  replaceWithValue(
      rewriter, op,
      transposeTo(rewriter, op->getLoc(), value, channelsFirstView(rank)));
}

/// Moves one entry per dimension from channels-first to channels-last order.
template <typename T> static SmallVector<T> toLastOrder(ArrayRef<T> entries) {
  SmallVector<T> moved;
  for (int64_t source : channelsLastView(entries.size()))
    moved.push_back(entries[source]);
  return moved;
}

static RankedTensorType toLastType(Type type) {
  mm::Shape shape = mm::getShape(type);
  return mm::makeTensorType(toLastOrder<mm::Dim>(shape),
                            getElementTypeOrSelf(type));
}

/// The dimension in channels-last order.
static int64_t toLastAxis(int64_t axis, int64_t rank) {
  return axis == 0 ? 0 : axis == 1 ? rank - 1 : axis - 1;
}

static Operation *rebuild(PatternRewriter &rewriter, Operation *op,
                          ValueRange operands, Type type,
                          ArrayRef<NamedAttribute> attributes) {
  OperationState state(op->getLoc(), op->getName());
  state.addOperands(operands);
  state.addTypes(type);
  state.addAttributes(attributes);
  return rewriter.create(state);
}

namespace {

struct SinkThroughElementwise : OpTraitRewritePattern<mm::Elementwise> {
  using OpTraitRewritePattern::OpTraitRewritePattern;

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (op->getNumResults() != 1)
      return failure();
    int64_t rank = getTensorType(op->getResult(0)).getRank();
    if (rank < 3)
      return failure();
    bool anyView = false;
    for (Value operand : op->getOperands()) {
      // In 1-D both orders view each other: what is a mere reshape either way
      // is no reason to turn the rest.
      Value viewed = getViewed(operand);
      if (viewed && getTensorType(viewed).getRank() == rank)
        anyView |= !isLine(operand);
      else if (!isLine(operand) && !isConstantExpression(operand))
        return failure();
    }
    if (!anyView)
      return failure();
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(turn(rewriter, operand, rank));
    Operation *turned =
        rebuild(rewriter, op, operands, toLastType(op->getResult(0).getType()),
                op->getAttrs());
    replaceWithView(rewriter, op, turned->getResult(0));
    return success();
  }

  /// Has at most one dimension that is not 1: its transpose is a reshape.
  static bool isLine(Value value) {
    return llvm::count_if(getTensorType(value).getShape(),
                          [](int64_t size) { return size != 1; }) <= 1;
  }

  static Value turn(PatternRewriter &rewriter, Value value, int64_t rank) {
    auto type = getTensorType(value);
    if (Value viewed = getViewed(value); viewed && type.getRank() == rank)
      return viewed;
    bool single =
        llvm::all_of(type.getShape(), [](int64_t size) { return size == 1; });
    if (single)
      return value;
    mm::Shape shape = mm::getShape(type);
    mm::Dim one = mm::Dim::constant(value.getContext(), 1);
    shape.insert(shape.begin(), rank - shape.size(), one);
    value = reshapeTo(rewriter, value.getLoc(), value, shape);
    return transposeTo(rewriter, value.getLoc(), value, channelsLastView(rank));
  }
};

struct SinkThroughReduce : OpRewritePattern<mm::ReduceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(mm::ReduceOp op,
                                PatternRewriter &rewriter) const override {
    Value viewed = getViewed(op.getInput());
    if (!viewed)
      return failure();
    int64_t rank = getTensorType(viewed).getRank();
    SmallVector<int64_t> axes;
    for (int64_t axis : op.getAxes())
      axes.push_back(toLastAxis(axis, rank));
    llvm::sort(axes);
    bool losesBatch = llvm::is_contained(axes, 0);
    bool losesChannels = llvm::is_contained(axes, rank - 1);
    if (!op.getKeep() && losesBatch)
      return failure();
    Value reduced = rewriter.create<mm::ReduceOp>(
        op.getLoc(), viewed, op.getKind(), axes, op.getKeep());
    // Without channels, or without space, both orders are one.
    if (op.getKeep())
      replaceWithView(rewriter, op, reduced);
    else if (losesChannels || getTensorType(reduced).getRank() < 3)
      replaceWithValue(rewriter, op, reduced);
    else
      replaceWithView(rewriter, op, reduced);
    return success();
  }
};

struct SinkThroughConcat : OpRewritePattern<mm::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(mm::ConcatOp op,
                                PatternRewriter &rewriter) const override {
    SmallVector<Value> inputs;
    for (Value input : op.getInputs()) {
      inputs.push_back(getViewed(input));
      if (!inputs.back())
        return failure();
    }
    int64_t axis = op.getAxis(), rank = op.getType().getRank();
    Value joined = rewriter.create<mm::ConcatOp>(op.getLoc(), inputs,
                                                 toLastAxis(axis, rank));
    replaceWithView(rewriter, op, joined);
    return success();
  }
};

struct SinkThroughSoftmax : OpRewritePattern<mm::SoftmaxOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(mm::SoftmaxOp op,
                                PatternRewriter &rewriter) const override {
    Value viewed = getViewed(op.getInput());
    if (!viewed)
      return failure();
    int64_t axis = op.getAxis(), rank = op.getType().getRank();
    Value result = rewriter.create<mm::SoftmaxOp>(
        op.getLoc(), viewed, toLastAxis(axis, rank), op.getLog());
    replaceWithView(rewriter, op, result);
    return success();
  }
};

struct SinkThroughSlice : OpRewritePattern<mm::SliceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(mm::SliceOp op,
                                PatternRewriter &rewriter) const override {
    Value viewed = getViewed(op.getInput());
    if (!viewed)
      return failure();
    mm::Shape offsets = op.getOffsets().getDims();
    auto moved =
        mm::DimsAttr::get(op.getContext(), toLastOrder<mm::Dim>(offsets));
    Value slice = rewriter.create<mm::SliceOp>(
        op.getLoc(), toLastType(op.getType()), viewed, moved,
        toLastOrder<int64_t>(op.getSteps()));
    replaceWithView(rewriter, op, slice);
    return success();
  }
};

struct SinkThroughPad : OpRewritePattern<mm::PadOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(mm::PadOp op,
                                PatternRewriter &rewriter) const override {
    Value viewed = getViewed(op.getInput());
    if (!viewed)
      return failure();
    mm::Shape low = op.getLow().getDims();
    NamedAttrList attributes(op->getAttrs());
    attributes.set(
        op.getLowAttrName(),
        mm::DimsAttr::get(op.getContext(), toLastOrder<mm::Dim>(low)));
    SmallVector<Value> operands = {viewed};
    if (op.getValue())
      operands.push_back(op.getValue());
    Operation *pad = rebuild(rewriter, op, operands, toLastType(op.getType()),
                             attributes.getAttrs());
    replaceWithView(rewriter, op, pad->getResult(0));
    return success();
  }
};

/// [batch, channels, spatial...] to [batch, channels, other spatial...], and
/// to [batch, channels] where space is one point.
struct SinkThroughReshape : OpRewritePattern<mm::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(mm::ReshapeOp op,
                                PatternRewriter &rewriter) const override {
    Value viewed = getViewed(op.getInput());
    if (!viewed)
      return failure();
    mm::Shape from = mm::getShape(op.getInput().getType());
    mm::Shape to = mm::getShape(op.getType());
    if (to.size() < 2 || to[0] != from[0] || to[1] != from[1])
      return failure();
    // An unknown batch or channel of size 0 makes no difference: then there
    // are no elements to order.
    if (to.size() == 2) {
      rewriter.replaceOpWithNewOp<mm::ReshapeOp>(op, op.getType(), viewed);
      return success();
    }
    Value reshaped =
        reshapeTo(rewriter, op.getLoc(), viewed, toLastOrder<mm::Dim>(to));
    replaceWithView(rewriter, op, reshaped);
    return success();
  }
};

} // namespace

void populateLayoutPropagation(RewritePatternSet &patterns) {
  MLIRContext *context = patterns.getContext();
  patterns.add<SinkThroughElementwise, SinkThroughReduce, SinkThroughConcat,
               SinkThroughSoftmax, SinkThroughSlice, SinkThroughPad,
               SinkThroughReshape>(context);
  mm::TransposeOp::getCanonicalizationPatterns(patterns, context);
  mm::ReshapeOp::getCanonicalizationPatterns(patterns, context);
}

} // namespace mmcc
