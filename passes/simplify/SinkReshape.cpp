//===- SinkReshape.cpp - Reshapes move to results -------------------------===//

#include "dialects/mm/ConstantFold.h"
#include "passes/simplify/DimGroups.h"
#include "passes/simplify/ViewPatterns.h"
#include <vector>

using namespace mlir;

namespace mmcc {
namespace {

/// The reshape of a computed value.
mm::ReshapeOp getReshape(Value value) {
  auto reshape = value.getDefiningOp<mm::ReshapeOp>();
  if (!reshape || mm::isConstantView(reshape.getInput()))
    return {};
  return reshape;
}

mm::Shape sourceShape(mm::ReshapeOp reshape) {
  return mm::getShape(reshape.getInput().getType());
}
mm::Shape resultShape(mm::ReshapeOp reshape) {
  return mm::getShape(reshape.getType());
}
std::optional<DimGroups> groupsOf(mm::ReshapeOp reshape) {
  return DimGroups::get(sourceShape(reshape), resultShape(reshape));
}

/// Whether two reshapes do the same to values of one shape.
bool isSameReshape(mm::ReshapeOp a, mm::ReshapeOp b) {
  return sourceShape(a) == sourceShape(b) && resultShape(a) == resultShape(b);
}

//===----------------------------------------------------------------------===//
// Elementwise operations
//===----------------------------------------------------------------------===//

/// What an operand beside a reshaped one becomes in front of the reshape:
/// the value to take, and its shape there.
struct PulledOperand {
  Value value;
  mm::Shape shape;
};

std::optional<PulledOperand> pullBack(Value operand, mm::ReshapeOp reshape,
                                      const DimGroups &groups) {
  auto other = getReshape(operand);
  if (other && isSameReshape(other, reshape))
    return PulledOperand{other.getInput(), sourceShape(reshape)};
  mm::Shape shape = mm::getShape(operand.getType());
  mm::Shape source = sourceShape(reshape);
  if (isSingleElement(shape) && shape.size() <= source.size())
    return PulledOperand{operand, shape};
  // A computed operand of full size keeps its form: its own producer gains
  // nothing from another shape.
  if (shape == resultShape(reshape) && !mm::isConstantView(operand))
    return std::nullopt;
  std::optional<mm::Shape> pulled = groups.pullBack(shape);
  if (!pulled)
    return std::nullopt;
  return PulledOperand{operand, withoutLeadingUnits(*pulled, shape.size())};
}

struct ThroughElementwise : RewritePattern {
  ThroughElementwise(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (!isElementwise(op))
      return failure();
    mm::Shape shape = mm::getShape(op->getResult(0).getType());
    for (Value operand : op->getOperands()) {
      auto reshape = getReshape(operand);
      if (reshape && resultShape(reshape) == shape &&
          succeeded(sink(op, reshape, rewriter)))
        return success();
    }
    return failure();
  }

  LogicalResult sink(Operation *op, mm::ReshapeOp reshape,
                     PatternRewriter &rewriter) const {
    std::optional<DimGroups> groups = groupsOf(reshape);
    if (!groups)
      return failure();
    std::vector<PulledOperand> pulled;
    for (Value operand : op->getOperands()) {
      std::optional<PulledOperand> next = pullBack(operand, reshape, *groups);
      if (!next)
        return failure();
      pulled.push_back(*next);
    }
    SmallVector<Value> operands;
    for (PulledOperand &operand : pulled)
      operands.push_back(
          createReshape(rewriter, op->getLoc(), operand.value, operand.shape));
    Value moved =
        cloneWithOperands(rewriter, op, operands, sourceShape(reshape));
    rewriter.replaceOpWithNewOp<mm::ReshapeOp>(op, op->getResult(0).getType(),
                                               moved);
    return success();
  }
};

/// reshape(f(reshape(x), m)) back to the shape of x, where m varies in part of
/// a dimension only (the mask of a window, before batch and windows are one):
/// m is repeated, as a view.
struct CancelAroundElementwise : OpRewritePattern<mm::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::ReshapeOp outer,
                                PatternRewriter &rewriter) const override {
    Operation *op = outer.getInput().getDefiningOp();
    if (!op || !isElementwise(op) || !op->hasOneUse())
      return failure();
    mm::ReshapeOp inner;
    for (Value operand : op->getOperands()) {
      auto reshape = getReshape(operand);
      if (reshape && sourceShape(reshape) == resultShape(outer) &&
          resultShape(reshape) == sourceShape(outer))
        inner = reshape;
    }
    if (!inner)
      return failure();
    std::optional<DimGroups> groups = groupsOf(inner);
    if (!groups)
      return failure();
    mm::Shape full = resultShape(inner);
    std::vector<PulledOperand> pulled;
    // Dimensions to repeat an operand to; empty where it fits as it is.
    std::vector<mm::Shape> repeated;
    for (Value operand : op->getOperands()) {
      mm::Shape shape = mm::getShape(operand.getType()), wide;
      std::optional<PulledOperand> next = pullBack(operand, inner, *groups);
      if (!next && shape != full) {
        wide = repeat(shape, full, *groups);
        next = PulledOperand{operand, *groups->pullBack(wide)};
      }
      if (!next)
        return failure();
      pulled.push_back(*next);
      repeated.push_back(wide);
    }
    SmallVector<Value> operands;
    for (auto [operand, wide] : llvm::zip_equal(pulled, repeated)) {
      Value value = operand.value;
      Type element = tensorTypeOf(value).getElementType();
      if (!wide.empty())
        value = rewriter.create<mm::BroadcastOp>(
            op->getLoc(), mm::makeTensorType(wide, element), value);
      operands.push_back(
          createReshape(rewriter, op->getLoc(), value, operand.shape));
    }
    Value moved = cloneWithOperands(rewriter, op, operands, resultShape(outer));
    rewriter.replaceOp(outer, moved);
    return success();
  }

  /// `shape` with every group of dimensions either all 1 or as in `full`.
  static mm::Shape repeat(ArrayRef<mm::Dim> shape, ArrayRef<mm::Dim> full,
                          const DimGroups &groups) {
    mm::Shape aligned = extendRank(full[0].getContext(), shape, full.size());
    for (const DimGroup &group : groups.all()) {
      bool ones = true;
      for (size_t j = group.toBegin; j < group.toEnd; ++j)
        ones &= aligned[j].isConstant(1);
      for (size_t j = group.toBegin; j < group.toEnd && !ones; ++j)
        aligned[j] = full[j];
    }
    return aligned;
  }
};

//===----------------------------------------------------------------------===//
// Operations on some dimensions
//===----------------------------------------------------------------------===//

/// Each group of dimensions is reduced as a whole or not at all.
struct ThroughReduce : OpRewritePattern<mm::ReduceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::ReduceOp op,
                                PatternRewriter &rewriter) const override {
    auto reshape = getReshape(op.getInput());
    std::optional<DimGroups> groups;
    if (!reshape || !(groups = groupsOf(reshape)))
      return failure();
    SmallVector<int64_t> axes;
    for (const DimGroup &group : groups->all()) {
      size_t reduced = llvm::count_if(op.getAxes(), [&](int64_t axis) {
        return static_cast<size_t>(axis) >= group.toBegin &&
               static_cast<size_t>(axis) < group.toEnd;
      });
      if (reduced != 0 && reduced != group.toCount())
        return failure();
      for (size_t i = group.fromBegin; i < group.fromEnd && reduced; ++i)
        axes.push_back(i);
    }
    Value reduced = rewriter.create<mm::ReduceOp>(
        op.getLoc(), reshape.getInput(), op.getKind(), axes, op.getKeep());
    rewriter.replaceOp(op, createReshape(rewriter, op.getLoc(), reduced,
                                         mm::getShape(op.getType())));
    return success();
  }
};

/// The number of trailing dimensions that the reshape leaves alone.
size_t untouchedTail(mm::ReshapeOp reshape) {
  mm::Shape from = sourceShape(reshape), to = resultShape(reshape);
  size_t count = 0;
  while (count < from.size() && count < to.size() &&
         from[from.size() - 1 - count] == to[to.size() - 1 - count])
    ++count;
  return count;
}

struct ThroughSoftmax : OpRewritePattern<mm::SoftmaxOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::SoftmaxOp op,
                                PatternRewriter &rewriter) const override {
    auto reshape = getReshape(op.getInput());
    if (!reshape)
      return failure();
    size_t tail = resultShape(reshape).size() - op.getAxis();
    if (untouchedTail(reshape) < tail)
      return failure();
    int64_t axis = sourceShape(reshape).size() - tail;
    Value moved = rewriter.create<mm::SoftmaxOp>(
        op.getLoc(), reshape.getInput(), axis, op.getLog());
    rewriter.replaceOpWithNewOp<mm::ReshapeOp>(op, op.getType(), moved);
    return success();
  }
};

template <typename NormOp> struct ThroughNorm : OpRewritePattern<NormOp> {
  using OpRewritePattern<NormOp>::OpRewritePattern;
  LogicalResult matchAndRewrite(NormOp op,
                                PatternRewriter &rewriter) const override {
    auto reshape = getReshape(op.getInput());
    if (!reshape)
      return failure();
    size_t tail = resultShape(reshape).size() - op.getAxis();
    if (untouchedTail(reshape) < tail)
      return failure();
    SmallVector<Value> operands(op->getOperands());
    operands[0] = reshape.getInput();
    mm::Shape shape = sourceShape(reshape);
    Type type = op.getType();
    Value moved = cloneWithOperands(rewriter, op, operands, shape);
    cast<NormOp>(moved.getDefiningOp())
        .setAxisAttr(rewriter.getI64IntegerAttr(shape.size() - tail));
    rewriter.replaceOpWithNewOp<mm::ReshapeOp>(op, type, moved);
    return success();
  }
};

struct ThroughLinear : OpRewritePattern<mm::LinearOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::LinearOp op,
                                PatternRewriter &rewriter) const override {
    auto reshape = getReshape(op.getInput());
    if (!reshape || untouchedTail(reshape) < 1)
      return failure();
    Value moved = rewriter.create<mm::LinearOp>(op.getLoc(), reshape.getInput(),
                                                op.getWeight(), op.getBias());
    rewriter.replaceOpWithNewOp<mm::ReshapeOp>(op, op.getType(), moved);
    return success();
  }
};

/// matmul([b * h, m, k], [b * h, k, n]) whose lhs or rhs was [b, h, ...].
struct ThroughBatchedMatmul : OpRewritePattern<mm::MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::MatmulOp op,
                                PatternRewriter &rewriter) const override {
    mm::Shape batch = leading(op.getType());
    if (batch != leading(op.getLhs().getType()) ||
        batch != leading(op.getRhs().getType()))
      return failure();
    for (Value operand : op.getOperands()) {
      auto reshape = getReshape(operand);
      // Only a reshape that merges: the one put on the other operand splits.
      if (!reshape || untouchedTail(reshape) < 2 ||
          sourceShape(reshape).size() <= batch.size() + 2)
        continue;
      mm::Shape split = leading(reshape.getInput().getType());
      auto unmerge = [&](Value value) {
        mm::Shape shape = split;
        mm::Shape old = mm::getShape(value.getType());
        shape.append(old.end() - 2, old.end());
        return createReshape(rewriter, op.getLoc(), value, shape);
      };
      Value lhs = unmerge(op.getLhs()), rhs = unmerge(op.getRhs());
      Value moved = rewriter.create<mm::MatmulOp>(op.getLoc(), lhs, rhs);
      rewriter.replaceOpWithNewOp<mm::ReshapeOp>(op, op.getType(), moved);
      return success();
    }
    return failure();
  }

  static mm::Shape leading(Type type) {
    mm::Shape shape = mm::getShape(type);
    shape.truncate(shape.size() - 2);
    return shape;
  }
};

} // namespace

void populateSinkReshapePatterns(RewritePatternSet &patterns) {
  patterns.add<ThroughElementwise, CancelAroundElementwise, ThroughReduce,
               ThroughSoftmax, ThroughNorm<mm::LayerNormOp>,
               ThroughNorm<mm::RmsNormOp>, ThroughLinear, ThroughBatchedMatmul>(
      patterns.getContext());
}

} // namespace mmcc
