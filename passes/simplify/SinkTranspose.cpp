//===- SinkTranspose.cpp - Transposes move to results ---------------------===//

#include "dialects/mm/ConstantFold.h"
#include "passes/simplify/ViewPatterns.h"

using namespace mlir;

namespace mmcc {
namespace {

/// The transpose that moves a computed value; constants are read through
/// their views and need not move.
mm::TransposeOp getTranspose(Value value) {
  auto transpose = value.getDefiningOp<mm::TransposeOp>();
  if (!transpose || mm::isConstantView(transpose.getInput()))
    return {};
  return transpose;
}

SmallVector<int64_t> invert(ArrayRef<int64_t> permutation) {
  SmallVector<int64_t> inverse(permutation.size());
  for (auto [index, source] : llvm::enumerate(permutation))
    inverse[source] = index;
  return inverse;
}

/// Whether permuting `shape` moves dimensions of size 1 only.
bool movesUnitsOnly(ArrayRef<mm::Dim> shape, ArrayRef<int64_t> permutation) {
  int64_t previous = -1;
  for (int64_t source : permutation) {
    if (shape[source].isConstant(1))
      continue;
    if (source < previous)
      return false;
    previous = source;
  }
  return true;
}

/// Whether `operand` can be written in the order that `permutation` was applied
/// to, at no cost: because it was transposed likewise, is constant, or small.
bool canUndo(Value operand, ArrayRef<int64_t> permutation) {
  mm::Shape shape = mm::getShape(operand.getType());
  if (auto other = getTranspose(operand);
      other && other.getPermutation() == permutation)
    return true;
  if (isSingleElement(shape) || mm::isConstantView(operand))
    return true;
  mm::Shape full = extendRank(operand.getContext(), shape, permutation.size());
  return movesUnitsOnly(full, invert(permutation));
}

Value undo(PatternRewriter &rewriter, Location location, Value operand,
           ArrayRef<int64_t> permutation) {
  if (auto other = getTranspose(operand);
      other && other.getPermutation() == permutation)
    return other.getInput();
  mm::Shape shape = mm::getShape(operand.getType());
  if (isSingleElement(shape))
    return operand;
  mm::Shape full = extendRank(operand.getContext(), shape, permutation.size());
  SmallVector<int64_t> inverse = invert(permutation);
  if (!movesUnitsOnly(full, inverse)) {
    Value ranked = createReshape(rewriter, location, operand, full);
    return createTranspose(rewriter, location, ranked, inverse);
  }
  mm::Shape moved;
  for (int64_t source : inverse)
    moved.push_back(full[source]);
  return createReshape(rewriter, location, operand,
                       withoutLeadingUnits(moved, shape.size()));
}

/// Elementwise operations with a transposed operand of the result's shape.
struct ThroughElementwise : RewritePattern {
  ThroughElementwise(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (!isElementwise(op))
      return failure();
    mm::Shape shape = mm::getShape(op->getResult(0).getType());
    mm::TransposeOp transpose;
    for (Value operand : op->getOperands()) {
      auto candidate = getTranspose(operand);
      if (candidate && mm::getShape(candidate.getType()) == shape) {
        transpose = candidate;
        break;
      }
    }
    if (!transpose)
      return failure();
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    for (Value operand : op->getOperands())
      if (!canUndo(operand, permutation))
        return failure();
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(undo(rewriter, op->getLoc(), operand, permutation));
    Value moved = cloneWithOperands(
        rewriter, op, operands, mm::getShape(transpose.getInput().getType()));
    rewriter.replaceOpWithNewOp<mm::TransposeOp>(op, op->getResult(0).getType(),
                                                 moved, permutation);
    return success();
  }
};

struct ThroughReduce : OpRewritePattern<mm::ReduceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::ReduceOp op,
                                PatternRewriter &rewriter) const override {
    auto transpose = getTranspose(op.getInput());
    if (!transpose)
      return failure();
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    SmallVector<int64_t> axes;
    for (int64_t axis : op.getAxes())
      axes.push_back(permutation[axis]);
    llvm::sort(axes);
    // Where the dimensions that stay go, without those that disappear.
    SmallVector<int64_t> rest;
    for (int64_t source : permutation) {
      if (op.getKeep())
        rest.push_back(source);
      else if (!llvm::is_contained(axes, source))
        rest.push_back(source - llvm::count_if(axes, [&](int64_t axis) {
                         return axis < source;
                       }));
    }
    Value reduced = rewriter.create<mm::ReduceOp>(
        op.getLoc(), transpose.getInput(), op.getKind(), axes, op.getKeep());
    rewriter.replaceOp(op,
                       createTranspose(rewriter, op.getLoc(), reduced, rest));
    return success();
  }
};

/// Softmax and norms keep working on the last dimensions.
struct ThroughSoftmax : OpRewritePattern<mm::SoftmaxOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::SoftmaxOp op,
                                PatternRewriter &rewriter) const override {
    auto transpose = getTranspose(op.getInput());
    if (!transpose)
      return failure();
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    int64_t last = static_cast<int64_t>(permutation.size()) - 1;
    int64_t axis = op.getAxis();
    if (permutation[axis] != last && axis == last)
      return failure();
    Value moved = rewriter.create<mm::SoftmaxOp>(
        op.getLoc(), transpose.getInput(), permutation[axis], op.getLog());
    rewriter.replaceOpWithNewOp<mm::TransposeOp>(op, moved, permutation);
    return success();
  }
};

template <typename NormOp> struct ThroughNorm : OpRewritePattern<NormOp> {
  using OpRewritePattern<NormOp>::OpRewritePattern;
  LogicalResult matchAndRewrite(NormOp op,
                                PatternRewriter &rewriter) const override {
    auto transpose = getTranspose(op.getInput());
    if (!transpose)
      return failure();
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    for (int64_t i = op.getAxis(); i < static_cast<int64_t>(permutation.size());
         ++i)
      if (permutation[i] != i)
        return failure();
    SmallVector<Value> operands(op->getOperands());
    operands[0] = transpose.getInput();
    Value moved = cloneWithOperands(rewriter, op, operands,
                                    mm::getShape(operands[0].getType()));
    rewriter.replaceOpWithNewOp<mm::TransposeOp>(op, moved, permutation);
    return success();
  }
};

struct ThroughConcat : OpRewritePattern<mm::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::ConcatOp op,
                                PatternRewriter &rewriter) const override {
    SmallVector<Value> inputs;
    std::optional<SmallVector<int64_t>> permutation;
    for (Value input : op.getInputs()) {
      auto transpose = getTranspose(input);
      if (!transpose)
        return failure();
      if (!permutation)
        permutation.emplace(transpose.getPermutation());
      if (ArrayRef(*permutation) != transpose.getPermutation())
        return failure();
      inputs.push_back(transpose.getInput());
    }
    Value moved = rewriter.create<mm::ConcatOp>(op.getLoc(), inputs,
                                                (*permutation)[op.getAxis()]);
    rewriter.replaceOpWithNewOp<mm::TransposeOp>(op, moved, *permutation);
    return success();
  }
};

/// One entry a dimension, in the order before the transpose.
template <typename List>
List reorder(List entries, ArrayRef<int64_t> permutation) {
  List moved = entries;
  for (auto [index, source] : llvm::enumerate(permutation))
    moved[source] = entries[index];
  return moved;
}

struct ThroughSlice : OpRewritePattern<mm::SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::SliceOp op,
                                PatternRewriter &rewriter) const override {
    auto transpose = getTranspose(op.getInput());
    if (!transpose)
      return failure();
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    mm::Shape shape = reorder(mm::getShape(op.getType()), permutation);
    mm::Shape offsets = reorder(op.getOffsets().getDims(), permutation);
    SmallVector<int64_t> steps =
        reorder(SmallVector<int64_t>(op.getSteps()), permutation);
    Type element = tensorTypeOf(op.getInput()).getElementType();
    Value moved = rewriter.create<mm::SliceOp>(
        op.getLoc(), mm::makeTensorType(shape, element), transpose.getInput(),
        mm::DimsAttr::get(op.getContext(), offsets), steps);
    rewriter.replaceOpWithNewOp<mm::TransposeOp>(op, op.getType(), moved,
                                                 permutation);
    return success();
  }
};

struct ThroughPad : OpRewritePattern<mm::PadOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::PadOp op,
                                PatternRewriter &rewriter) const override {
    auto transpose = getTranspose(op.getInput());
    if (!transpose)
      return failure();
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    mm::Shape shape = reorder(mm::getShape(op.getType()), permutation);
    mm::Shape low = reorder(op.getLow().getDims(), permutation);
    Type element = tensorTypeOf(op.getInput()).getElementType();
    Value moved = rewriter.create<mm::PadOp>(
        op.getLoc(), mm::makeTensorType(shape, element), transpose.getInput(),
        op.getValue(), mm::DimsAttr::get(op.getContext(), low),
        op.getModeAttr());
    rewriter.replaceOpWithNewOp<mm::TransposeOp>(op, op.getType(), moved,
                                                 permutation);
    return success();
  }
};

} // namespace

void populateSinkTransposePatterns(RewritePatternSet &patterns) {
  patterns.add<ThroughElementwise, ThroughReduce, ThroughSoftmax,
               ThroughNorm<mm::LayerNormOp>, ThroughNorm<mm::RmsNormOp>,
               ThroughConcat, ThroughSlice, ThroughPad>(patterns.getContext());
}

} // namespace mmcc
