//===- SliceForms.cpp - gather, pad, concat and broadcast as less ---------===//

#include "dialects/mm/ConstantFold.h"
#include "mlir/IR/Matchers.h"
#include "passes/simplify/ViewPatterns.h"

using namespace mlir;

namespace mmcc {
namespace {

/// Indices first, first + step, ... in row-major order.
struct Progression {
  mm::Dim first;
  int64_t step;
};

/// The progression of a constant's elements, where all of them lie in
/// [-size, size); negative ones count from the end.
std::optional<Progression> getProgression(DenseIntElementsAttr indices,
                                          const mm::Dim &size) {
  if (indices.empty() || indices.getNumElements() > mm::kMaxFoldedElements)
    return std::nullopt;
  std::optional<int64_t> count = size.getConstant();
  SmallVector<int64_t> positions;
  for (const APInt &index : indices.getValues<APInt>()) {
    int64_t position = index.getSExtValue();
    // Signs may mix (last, first) only where the size is known.
    if (count && position < 0)
      position += *count;
    if (count && (position < 0 || position >= *count))
      return std::nullopt;
    positions.push_back(position);
    if ((position < 0) != (positions.front() < 0))
      return std::nullopt;
  }
  int64_t step = positions.size() > 1 ? positions[1] - positions[0] : 1;
  for (size_t i = 1; i < positions.size(); ++i)
    if (positions[i] - positions[i - 1] != step)
      return std::nullopt;
  if (step == 0)
    return std::nullopt;
  mm::Dim first = mm::Dim::constant(size.getContext(), positions[0]);
  return Progression{positions[0] < 0 ? first + size : first, step};
}

/// The same, of a constant seen through views. A slice of the constant bounds
/// the indices, so that a slice in place of the gather reads nothing else.
std::optional<Progression> getProgression(Value indices, const mm::Dim &size) {
  DenseIntElementsAttr constant;
  if (matchPattern(indices, m_Constant(&constant)))
    return getProgression(constant, size);
  if (auto reshape = indices.getDefiningOp<mm::ReshapeOp>())
    return getProgression(reshape.getInput(), size);
  auto slice = indices.getDefiningOp<mm::SliceOp>();
  if (!slice)
    return std::nullopt;
  std::optional<Progression> whole = getProgression(slice.getInput(), size);
  if (!whole)
    return std::nullopt;
  mm::Shape shape = mm::getShape(slice.getInput().getType());
  std::optional<size_t> vector;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i].isConstant(1))
      continue;
    if (vector)
      return std::nullopt;
    vector = i;
  }
  if (!vector)
    return whole;
  mm::Dim offset = slice.getOffsets().getDim(*vector);
  return Progression{whole->first + offset * whole->step,
                     whole->step * slice.getSteps()[*vector]};
}

/// Indices in even steps take a slice.
struct GatherOfSteps : OpRewritePattern<mm::GatherOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::GatherOp op,
                                PatternRewriter &rewriter) const override {
    int64_t axis = op.getAxis();
    mm::Shape shape = mm::getShape(op.getInput().getType());
    std::optional<Progression> progression =
        getProgression(op.getIndices(), shape[axis]);
    if (!progression)
      return failure();
    mm::Shape offsets(shape.size(), mm::Dim::constant(op.getContext(), 0));
    offsets[axis] = progression->first;
    SmallVector<int64_t> steps(shape.size(), 1);
    steps[axis] = progression->step;
    shape[axis] =
        mm::product(op.getContext(), mm::getShape(op.getIndices().getType()));
    Type element = tensorTypeOf(op.getInput()).getElementType();
    Value slice = rewriter.create<mm::SliceOp>(
        op.getLoc(), mm::makeTensorType(shape, element), op.getInput(),
        mm::DimsAttr::get(op.getContext(), offsets), steps);
    rewriter.replaceOp(op, createReshape(rewriter, op.getLoc(), slice,
                                         mm::getShape(op.getType())));
    return success();
  }
};

/// Index tuples that follow each other in row-major order (a mask read at
/// [batch, position]) take a slice of the dimensions as one.
struct GatherNDOfNeighbours : OpRewritePattern<mm::GatherNDOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(mm::GatherNDOp op,
                                PatternRewriter &rewriter) const override {
    DenseIntElementsAttr indices;
    if (op.getBatchDims() != 0 ||
        !matchPattern(op.getIndices(), m_Constant(&indices)) ||
        indices.empty() || indices.getNumElements() > mm::kMaxFoldedElements)
      return failure();
    size_t depth = indices.getType().getShape().back();
    mm::Shape input = mm::getShape(op.getInput().getType());
    SmallVector<int64_t> sizes;
    for (const mm::Dim &dim : ArrayRef(input).take_front(depth)) {
      if (!dim.getConstant())
        return failure();
      sizes.push_back(*dim.getConstant());
    }
    std::optional<int64_t> first = firstOfNeighbours(indices, sizes);
    if (!first)
      return failure();
    MLIRContext *context = op.getContext();
    mm::Shape flat = {mm::product(context, ArrayRef(input).take_front(depth))};
    flat.append(input.begin() + depth, input.end());
    Value value = createReshape(rewriter, op.getLoc(), op.getInput(), flat);
    mm::Shape offsets(flat.size(), mm::Dim::constant(context, 0));
    offsets[0] = mm::Dim::constant(context, *first);
    flat[0] = mm::Dim::constant(context, indices.getNumElements() / depth);
    Type element = tensorTypeOf(op.getInput()).getElementType();
    value = rewriter.createOrFold<mm::SliceOp>(
        op.getLoc(), mm::makeTensorType(flat, element), value,
        mm::DimsAttr::get(context, offsets),
        SmallVector<int64_t>(flat.size(), 1));
    rewriter.replaceOp(op, createReshape(rewriter, op.getLoc(), value,
                                         mm::getShape(op.getType())));
    return success();
  }

  /// The row-major position of the first tuple, if each is one further.
  static std::optional<int64_t> firstOfNeighbours(DenseIntElementsAttr indices,
                                                  ArrayRef<int64_t> sizes) {
    SmallVector<int64_t> strides = mm::rowMajorStrides(sizes);
    std::optional<int64_t> first;
    int64_t position = 0, expected = 0;
    for (auto [k, index] : llvm::enumerate(indices.getValues<APInt>())) {
      size_t dimension = k % sizes.size();
      int64_t value = index.getSExtValue();
      value += value < 0 ? sizes[dimension] : 0;
      if (value < 0 || value >= sizes[dimension])
        return std::nullopt;
      position += value * strides[dimension];
      if (dimension + 1 < sizes.size())
        continue;
      if (!first)
        expected = *(first = position);
      if (position != expected++)
        return std::nullopt;
      position = 0;
    }
    return first;
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

/// f(broadcast(x), numbers) computes f less often as broadcast(f(x, numbers)).
struct SinkBroadcast : RewritePattern {
  SinkBroadcast(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (!isElementwise(op))
      return failure();
    mm::BroadcastOp broadcast;
    SmallVector<Value> operands(op->getOperands());
    for (Value &operand : operands) {
      mm::Shape shape = mm::getShape(operand.getType());
      if (auto candidate = operand.getDefiningOp<mm::BroadcastOp>();
          candidate && !broadcast) {
        broadcast = candidate;
        operand = candidate.getInput();
      } else if (!shape.empty()) {
        return failure();
      }
    }
    if (!broadcast)
      return failure();
    Value moved = cloneWithOperands(
        rewriter, op, operands, mm::getShape(broadcast.getInput().getType()));
    rewriter.replaceOpWithNewOp<mm::BroadcastOp>(op, op->getResult(0).getType(),
                                                 moved);
    return success();
  }
};

} // namespace

void populateSliceFormPatterns(RewritePatternSet &patterns) {
  patterns.add<GatherOfSteps, GatherNDOfNeighbours, PadThatCrops,
               ConcatOfNeighbours, DropBroadcast, SinkBroadcast>(
      patterns.getContext());
}

} // namespace mmcc
