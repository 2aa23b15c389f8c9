//===- ReshapedSlice.cpp - slice, pad and concat of reshapes --------------===//

#include "dialects/mm/ConstantFold.h"
#include "passes/simplify/DimGroups.h"
#include "passes/simplify/ViewPatterns.h"

using namespace mlir;

namespace mmcc {
namespace {

mm::ReshapeOp getReshape(Value value) {
  auto reshape = value.getDefiningOp<mm::ReshapeOp>();
  if (!reshape || mm::isConstantView(reshape.getInput()))
    return {};
  return reshape;
}

std::optional<DimGroups> groupsOf(mm::ReshapeOp reshape) {
  return DimGroups::get(mm::getShape(reshape.getInput().getType()),
                        mm::getShape(reshape.getType()));
}

/// A slice of reshaped dimensions, in terms of the dimensions before. Where a
/// dimension was split, the outermost part may be cut: q, k and v out of
/// [batch, tokens, 3 * heads * dim] as [batch, tokens, 3, heads, dim].
struct SliceOfReshape : OpRewritePattern<mm::SliceOp> {
  using OpRewritePattern::OpRewritePattern;

  struct Cut {
    mm::Shape offsets, sizes;
    SmallVector<int64_t> steps;
  };

  LogicalResult matchAndRewrite(mm::SliceOp op,
                                PatternRewriter &rewriter) const override {
    auto reshape = getReshape(op.getInput());
    std::optional<DimGroups> groups;
    if (!reshape || !(groups = groupsOf(reshape)))
      return failure();
    mm::Shape from = mm::getShape(reshape.getInput().getType());
    mm::Dim zero = mm::Dim::constant(op.getContext(), 0);
    Cut cut{mm::Shape(from.size(), zero), from,
            SmallVector<int64_t>(from.size(), 1)};
    for (const DimGroup &group : groups->all())
      if (!cutGroup(op, reshape, group, cut))
        return failure();
    Type element = tensorTypeOf(op.getInput()).getElementType();
    Value moved = rewriter.create<mm::SliceOp>(
        op.getLoc(), mm::makeTensorType(cut.sizes, element), reshape.getInput(),
        mm::DimsAttr::get(op.getContext(), cut.offsets), cut.steps);
    rewriter.replaceOp(op, createReshape(rewriter, op.getLoc(), moved,
                                         mm::getShape(op.getType())));
    return success();
  }

  static bool cutGroup(mm::SliceOp op, mm::ReshapeOp reshape,
                       const DimGroup &group, Cut &cut) {
    mm::Shape to = mm::getShape(reshape.getType());
    mm::Shape sizes = mm::getShape(op.getType());
    mm::Shape offsets = op.getOffsets().getDims();
    std::optional<size_t> touched;
    for (size_t j = group.toBegin; j < group.toEnd; ++j) {
      if (sizes[j] == to[j] && op.getSteps()[j] == 1)
        continue;
      if (touched)
        return false;
      touched = j;
    }
    if (!touched)
      return true;
    size_t j = *touched, i = group.fromBegin;
    int64_t step = op.getSteps()[j];
    if (group.isOneToOne()) {
      cut.offsets[i] = offsets[j];
      cut.sizes[i] = sizes[j];
      cut.steps[i] = step;
      return true;
    }
    auto ones = [](ArrayRef<mm::Dim> dims) {
      return llvm::all_of(dims,
                          [](const mm::Dim &dim) { return dim.isConstant(1); });
    };
    // One dimension was split: its outermost part may be cut.
    MLIRContext *context = op.getContext();
    if (group.fromCount() == 1 && step == 1 &&
        ones(ArrayRef(to).slice(group.toBegin, j - group.toBegin))) {
      mm::Dim inner =
          mm::product(context, ArrayRef(to).slice(j + 1, group.toEnd - j - 1));
      cut.offsets[i] = offsets[j] * inner;
      cut.sizes[i] = sizes[j] * inner;
      return true;
    }
    // Dimensions were merged: whole runs of the inner ones may be cut.
    if (group.toCount() == 1 && step == 1) {
      mm::Dim inner = mm::product(
          context, ArrayRef(cut.sizes).slice(i + 1, group.fromEnd - i - 1));
      std::optional<mm::Dim> offset = offsets[j].exactDiv(inner);
      std::optional<mm::Dim> size = sizes[j].exactDiv(inner);
      if (!offset || !size)
        return false;
      cut.offsets[i] = *offset;
      cut.sizes[i] = *size;
      return true;
    }
    return false;
  }
};

/// Padding of dimensions that the reshape leaves alone.
struct PadOfReshape : OpRewritePattern<mm::PadOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::PadOp op,
                                PatternRewriter &rewriter) const override {
    auto reshape = getReshape(op.getInput());
    std::optional<DimGroups> groups;
    if (!reshape || !(groups = groupsOf(reshape)))
      return failure();
    mm::Shape shape = mm::getShape(reshape.getInput().getType());
    mm::Shape low(shape.size(), mm::Dim::constant(op.getContext(), 0));
    mm::Shape before = mm::getShape(op.getInput().getType());
    mm::Shape after = mm::getShape(op.getType());
    for (const DimGroup &group : groups->all()) {
      for (size_t j = group.toBegin; j < group.toEnd; ++j) {
        mm::Dim amount = op.getLow().getDim(j);
        if (before[j] == after[j] && amount.isConstant(0))
          continue;
        if (!group.isOneToOne())
          return failure();
        shape[group.fromBegin] = after[j];
        low[group.fromBegin] = amount;
      }
    }
    Type element = tensorTypeOf(op.getInput()).getElementType();
    Value moved = rewriter.create<mm::PadOp>(
        op.getLoc(), mm::makeTensorType(shape, element), reshape.getInput(),
        op.getValue(), mm::DimsAttr::get(op.getContext(), low),
        op.getModeAttr());
    rewriter.replaceOpWithNewOp<mm::ReshapeOp>(op, op.getType(), moved);
    return success();
  }
};

/// All inputs are reshaped likewise, and the joined dimension is left alone.
struct ConcatOfReshapes : OpRewritePattern<mm::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::ConcatOp op,
                                PatternRewriter &rewriter) const override {
    SmallVector<Value> inputs;
    std::optional<size_t> axis;
    mm::Shape common;
    for (Value input : op.getInputs()) {
      auto reshape = getReshape(input);
      std::optional<DimGroups> groups;
      if (!reshape || !(groups = groupsOf(reshape)))
        return failure();
      const DimGroup &group = groups->ofResult(op.getAxis());
      if (!group.isOneToOne() || (axis && *axis != group.fromBegin))
        return failure();
      axis = group.fromBegin;
      mm::Shape shape = mm::getShape(reshape.getInput().getType());
      shape[*axis] = mm::Dim::constant(op.getContext(), 0);
      if (!inputs.empty() && shape != common)
        return failure();
      common = shape;
      inputs.push_back(reshape.getInput());
    }
    Value moved = rewriter.create<mm::ConcatOp>(op.getLoc(), inputs, *axis);
    rewriter.replaceOpWithNewOp<mm::ReshapeOp>(op, op.getType(), moved);
    return success();
  }
};

} // namespace

void populateReshapedSlicePatterns(RewritePatternSet &patterns) {
  patterns.add<SliceOfReshape, PadOfReshape, ConcatOfReshapes>(
      patterns.getContext());
}

} // namespace mmcc
