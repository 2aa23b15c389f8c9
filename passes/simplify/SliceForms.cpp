//===- SliceForms.cpp - gather, pad, concat and broadcast as less ---------===//

#include "dialects/mm/ConstantFold.h"
#include "mlir/IR/Matchers.h"
#include "passes/simplify/ViewPatterns.h"

using namespace mlir;

namespace mmcc {
namespace {

/// Constant indices in even steps take a slice.
struct GatherOfSteps : OpRewritePattern<mm::GatherOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::GatherOp op,
                                PatternRewriter &rewriter) const override {
    DenseIntElementsAttr indices;
    if (!matchPattern(op.getIndices(), m_Constant(&indices)) ||
        indices.empty() || indices.getNumElements() > mm::kMaxFoldedElements)
      return failure();
    int64_t axis = op.getAxis();
    mm::Shape shape = mm::getShape(op.getInput().getType());
    std::optional<int64_t> size = shape[axis].getConstant();
    SmallVector<int64_t> positions;
    for (const APInt &index : indices.getValues<APInt>()) {
      positions.push_back(index.getSExtValue());
      // Signs may mix (last, first) where the size is known only.
      if (size && positions.back() < 0)
        positions.back() += *size;
      if (size && (positions.back() < 0 || positions.back() >= *size))
        return failure();
      if ((positions.back() < 0) != (positions.front() < 0))
        return failure();
    }
    int64_t step = positions.size() > 1 ? positions[1] - positions[0] : 1;
    if (step == 0)
      return failure();
    for (size_t i = 1; i < positions.size(); ++i)
      if (positions[i] - positions[i - 1] != step)
        return failure();
    mm::Dim first = mm::Dim::constant(op.getContext(), positions[0]);
    if (positions[0] < 0)
      first = first + shape[axis];
    mm::Shape offsets(shape.size(), mm::Dim::constant(op.getContext(), 0));
    offsets[axis] = first;
    SmallVector<int64_t> steps(shape.size(), 1);
    steps[axis] = step;
    shape[axis] = mm::Dim::constant(op.getContext(), positions.size());
    Type element = tensorTypeOf(op.getInput()).getElementType();
    Value slice = rewriter.create<mm::SliceOp>(
        op.getLoc(), mm::makeTensorType(shape, element), op.getInput(),
        mm::DimsAttr::get(op.getContext(), offsets), steps);
    rewriter.replaceOp(op, createReshape(rewriter, op.getLoc(), slice,
                                         mm::getShape(op.getType())));
    return success();
  }
};

/// A pad that adds nothing anywhere is a slice.
struct PadThatCrops : OpRewritePattern<mm::PadOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::PadOp op,
                                PatternRewriter &rewriter) const override {
    mm::Shape before = mm::getShape(op.getInput().getType());
    mm::Shape after = mm::getShape(op.getType());
    mm::Shape offsets;
    for (size_t i = 0; i < before.size(); ++i) {
      mm::Dim low = op.getLow().getDim(i);
      std::optional<int64_t> added = low.getConstant();
      std::optional<int64_t> high = (after[i] - before[i] - low).getConstant();
      if (!added || !high || *added > 0 || *high > 0)
        return failure();
      offsets.push_back(low * -1);
    }
    SmallVector<int64_t> steps(before.size(), 1);
    rewriter.replaceOpWithNewOp<mm::SliceOp>(
        op, op.getType(), op.getInput(),
        mm::DimsAttr::get(op.getContext(), offsets), steps);
    return success();
  }
};

/// Slices of one value that follow each other are one slice.
struct ConcatOfNeighbours : OpRewritePattern<mm::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::ConcatOp op,
                                PatternRewriter &rewriter) const override {
    size_t axis = op.getAxis();
    for (size_t i = 1; i < op.getInputs().size(); ++i) {
      auto first = op.getInputs()[i - 1].getDefiningOp<mm::SliceOp>();
      auto second = op.getInputs()[i].getDefiningOp<mm::SliceOp>();
      if (!first || !second || !areNeighbours(first, second, axis))
        continue;
      mm::Shape shape = mm::getShape(first.getType());
      shape[axis] = shape[axis] + mm::getShape(second.getType())[axis];
      Type element = tensorTypeOf(first.getInput()).getElementType();
      Value joined = rewriter.create<mm::SliceOp>(
          op.getLoc(), mm::makeTensorType(shape, element), first.getInput(),
          first.getOffsets(), first.getSteps());
      SmallVector<Value> inputs(op.getInputs());
      inputs[i - 1] = joined;
      inputs.erase(inputs.begin() + i);
      rewriter.replaceOpWithNewOp<mm::ConcatOp>(op, op.getType(), inputs,
                                                op.getAxisAttr());
      return success();
    }
    return failure();
  }

  static bool areNeighbours(mm::SliceOp first, mm::SliceOp second,
                            size_t axis) {
    if (first.getInput() != second.getInput() ||
        first.getSteps() != second.getSteps())
      return false;
    for (size_t i = 0; i < first.getSteps().size(); ++i) {
      mm::Dim expected = first.getOffsets().getDim(i);
      if (i == axis)
        expected =
            expected + mm::getShape(first.getType())[i] * first.getSteps()[i];
      if (second.getOffsets().getDim(i) != expected)
        return false;
    }
    return true;
  }
};

/// The user's result stays the same without the broadcast.
struct DropBroadcast : RewritePattern {
  DropBroadcast(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    auto inference = dyn_cast<InferTypeOpInterface>(op);
    if (!inference ||
        !(isElementwise(op) || isa<mm::MatmulOp, mm::AttentionOp>(op)))
      return failure();
    for (OpOperand &operand : op->getOpOperands()) {
      auto broadcast = operand.get().getDefiningOp<mm::BroadcastOp>();
      if (!broadcast)
        continue;
      SmallVector<Value> operands(op->getOperands());
      operands[operand.getOperandNumber()] = broadcast.getInput();
      SmallVector<Type> types;
      if (failed(inference.inferReturnTypes(
              op->getContext(), std::nullopt, operands, op->getAttrDictionary(),
              op->getPropertiesStorage(), op->getRegions(), types)) ||
          TypeRange(types) != TypeRange(op->getResultTypes()))
        continue;
      rewriter.modifyOpInPlace(op, [&] { operand.set(broadcast.getInput()); });
      return success();
    }
    return failure();
  }
};

/// f(broadcast(x)) computes f less often as broadcast(f(x)).
struct SinkBroadcast : RewritePattern {
  SinkBroadcast(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (!isElementwise(op) || op->getNumOperands() != 1)
      return failure();
    auto broadcast = op->getOperand(0).getDefiningOp<mm::BroadcastOp>();
    if (!broadcast)
      return failure();
    Value moved =
        cloneWithOperands(rewriter, op, broadcast.getInput(),
                          mm::getShape(broadcast.getInput().getType()));
    rewriter.replaceOpWithNewOp<mm::BroadcastOp>(op, op->getResult(0).getType(),
                                                 moved);
    return success();
  }
};

} // namespace

void populateSliceFormPatterns(RewritePatternSet &patterns) {
  patterns.add<GatherOfSteps, PadThatCrops, ConcatOfNeighbours, DropBroadcast,
               SinkBroadcast>(patterns.getContext());
}

} // namespace mmcc
