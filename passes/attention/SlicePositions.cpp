//===- SlicePositions.cpp - Gathers at positions become views -------------===//
//
// Exporters look the caller's padding mask up at computed positions: by index
// tuples (0, j), or flattened at b * length + j. Where the positions are affine
// and provably inside, the same elements are a slice or a reshape.
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/attention/IndexExpr.h"
#include "passes/attention/Passes.h"
#include "passes/fuse/ConstantValues.h"

namespace mmcc {
#define GEN_PASS_DEF_SLICEPOSITIONS
#include "passes/attention/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

/// Positions offset, offset + step, ... along one dimension of the indices, or
/// one position.
struct Run {
  mm::Dim offset;
  int64_t step = 1;
  /// Dimension of the indices; nothing for one position.
  std::optional<int64_t> axis;
};

/// The run that an index expression of the given shape is, if all of it lies
/// within [0, size).
std::optional<Run> getRun(const IndexExpr &index, ArrayRef<mm::Dim> shape,
                          const mm::Dim &size) {
  Run run;
  run.offset = index.constant;
  for (size_t fromRight = 0; fromRight < shape.size(); ++fromRight) {
    std::optional<int64_t> step = index.coefficient(fromRight).getConstant();
    if (step == 0)
      continue;
    if (!step || *step < 0 || run.axis)
      return std::nullopt;
    run.step = *step;
    run.axis = shape.size() - 1 - fromRight;
  }
  IndexExpr below = combine(index, -1, index, 0), above = index;
  above.constant = above.constant - size + 1;
  if (!holdsEverywhere(below, shape) || !holdsEverywhere(above, shape))
    return std::nullopt;
  return run;
}

/// gather at positions along one dimension, or at all positions in row-major
/// order.
struct GatherAtPositions : OpRewritePattern<mm::GatherOp> {
  GatherAtPositions(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(mm::GatherOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<IndexExpr> index = getIndexExpr(op.getIndices());
    if (!index)
      return failure();
    mm::Shape shape = mm::getShape(op.getInput().getType());
    mm::Shape positions = mm::getShape(op.getIndices().getType());
    int64_t axis = op.getAxis();
    if (readsAllInOrder(*index, positions, shape[axis])) {
      rewriter.replaceOpWithNewOp<mm::ReshapeOp>(op, op.getType(),
                                                 op.getInput());
      ++count;
      return success();
    }
    std::optional<Run> run = getRun(*index, positions, shape[axis]);
    // A position that repeats along another dimension is a broadcast.
    if (!run)
      return failure();
    for (auto [i, size] : llvm::enumerate(positions))
      if (!size.isConstant(1) && run->axis != static_cast<int64_t>(i))
        return failure();
    MLIRContext *context = op.getContext();
    mm::Shape offsets =
        mm::makeShape(context, SmallVector<int64_t>(shape.size(), 0));
    SmallVector<int64_t> steps(shape.size(), 1);
    offsets[axis] = run->offset;
    steps[axis] = run->step;
    shape[axis] =
        run->axis ? positions[*run->axis] : mm::Dim::constant(context, 1);
    Value slice = rewriter.create<mm::SliceOp>(
        op.getLoc(),
        mm::makeTensorType(shape, getElementTypeOrSelf(op.getInput())),
        op.getInput(), mm::DimsAttr::get(context, offsets), steps);
    replaceWithValue(rewriter, op, slice);
    ++count;
    return success();
  }

  static bool readsAllInOrder(const IndexExpr &index,
                              ArrayRef<mm::Dim> positions,
                              const mm::Dim &size) {
    if (!index.constant.isConstant(0))
      return false;
    mm::Dim stride = mm::Dim::constant(size.getContext(), 1);
    for (size_t fromRight = 0; fromRight < positions.size(); ++fromRight) {
      const mm::Dim &count = positions[positions.size() - 1 - fromRight];
      if (count.isConstant(1))
        continue;
      if (index.coefficient(fromRight) != stride)
        return false;
      stride = stride * count;
    }
    return stride == size;
  }

  Pass::Statistic &count;
};

/// gather_nd by tuples whose entries each run along a dimension of their own.
struct GatherNDAtPositions : OpRewritePattern<mm::GatherNDOp> {
  GatherNDAtPositions(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(mm::GatherNDOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getBatchDims() != 0)
      return failure();
    mm::Shape positions = mm::getShape(op.getIndices().getType());
    SmallVector<Value> entries = {op.getIndices()};
    if (auto concat = op.getIndices().getDefiningOp<mm::ConcatOp>();
        concat && concat.getAxis() == positions.size() - 1)
      entries.assign(concat.getInputs().begin(), concat.getInputs().end());
    if (!positions.back().isConstant(entries.size()))
      return failure();
    positions.pop_back();

    mm::Shape shape = mm::getShape(op.getInput().getType());
    MLIRContext *context = op.getContext();
    mm::Dim one = mm::Dim::constant(context, 1);
    mm::Shape offsets =
        mm::makeShape(context, SmallVector<int64_t>(shape.size(), 0));
    SmallVector<int64_t> steps(shape.size(), 1);
    mm::Shape sliced = shape, placed(positions.size(), one);
    // The dimension of the input that each dimension of the indices runs over.
    SmallVector<std::pair<int64_t, int64_t>> sources;
    SmallVector<int64_t> singles;
    for (auto [dimension, entry] : llvm::enumerate(entries)) {
      std::optional<IndexExpr> index = getIndexExpr(entry);
      if (!index)
        return failure();
      // The last dimension of the entry is its place in the tuple.
      index->coefficients.erase(index->coefficients.begin());
      std::optional<Run> run = getRun(*index, positions, shape[dimension]);
      if (!run)
        return failure();
      offsets[dimension] = run->offset;
      steps[dimension] = run->step;
      sliced[dimension] = run->axis ? positions[*run->axis] : one;
      if (!run->axis) {
        singles.push_back(dimension);
        continue;
      }
      if (placed[*run->axis] != one)
        return failure();
      placed[*run->axis] = positions[*run->axis];
      sources.push_back({*run->axis, dimension});
    }
    llvm::sort(sources);

    Location loc = op.getLoc();
    Type elementType = getElementTypeOrSelf(op.getInput());
    Value value = rewriter.create<mm::SliceOp>(
        loc, mm::makeTensorType(sliced, elementType), op.getInput(),
        mm::DimsAttr::get(context, offsets), steps);
    SmallVector<int64_t> permutation(singles);
    for (auto &[axis, dimension] : sources)
      permutation.push_back(dimension);
    for (size_t i = entries.size(); i < shape.size(); ++i) {
      permutation.push_back(i);
      placed.push_back(shape[i]);
    }
    value = transposeTo(rewriter, loc, value, permutation);
    value = reshapeTo(rewriter, loc, value, placed);
    if (value.getType() != op.getType())
      value = rewriter.create<mm::BroadcastOp>(loc, op.getType(), value);
    rewriter.replaceOp(op, value);
    ++count;
    return success();
  }

  Pass::Statistic &count;
};

struct SlicePositions : mmcc::impl::SlicePositionsBase<SlicePositions> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<GatherAtPositions, GatherNDAtPositions>(context, numSliced);
    if (failed(
            applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
