//===- NormMatch.cpp - The pieces of a normalisation ----------------------===//

#include "passes/fuse/NormMatch.h"
#include "passes/fuse/ConstantValues.h"

using namespace mlir;

namespace mmcc {

/// Number of elements along `axes`, if static.
static std::optional<int64_t> countAlong(Value value, ArrayRef<int64_t> axes) {
  auto type = getTensorType(value);
  int64_t count = 1;
  for (int64_t axis : axes) {
    if (type.isDynamicDim(axis))
      return std::nullopt;
    count *= type.getDimSize(axis);
  }
  return count;
}

std::optional<MeanMatch> matchMean(Value value) {
  // A sum over the number of elements is a mean.
  Scaled scaled = stripScale(value);
  mm::ReduceOp reduce = scaled.base.getDefiningOp<mm::ReduceOp>();
  if (!reduce) {
    // The reduced dimensions may be put back by a reshape.
    auto reshape = scaled.base.getDefiningOp<mm::ReshapeOp>();
    reduce =
        reshape ? reshape.getInput().getDefiningOp<mm::ReduceOp>() : nullptr;
    if (!reduce || reduce.getKeep())
      return std::nullopt;
    mm::Shape kept = mm::getShape(reduce.getInput().getType());
    for (int64_t axis : reduce.getAxes())
      kept[axis] = mm::Dim::constant(value.getContext(), 1);
    mm::Shape actual = mm::getShape(reshape.getType());
    if (actual.size() != kept.size() ||
        !std::equal(kept.begin(), kept.end(), actual.begin()))
      return std::nullopt;
  } else if (!reduce.getKeep()) {
    return std::nullopt;
  }
  double expected = 1.0;
  if (reduce.getKind() == mm::ReduceKind::Sum) {
    std::optional<int64_t> count =
        countAlong(reduce.getInput(), reduce.getAxes());
    if (!count || *count == 0)
      return std::nullopt;
    expected = 1.0 / static_cast<double>(*count);
  } else if (reduce.getKind() != mm::ReduceKind::Mean) {
    return std::nullopt;
  }
  if (!isClose(scaled.factor, expected,
               literalTolerance(getElementTypeOrSelf(value))))
    return std::nullopt;
  return MeanMatch{reduce.getInput(), llvm::to_vector(reduce.getAxes())};
}

/// The value whose square this is.
static Value matchSquare(Value value) {
  if (auto mul = value.getDefiningOp<mm::MulOp>())
    return mul.getLhs() == mul.getRhs() ? mul.getLhs() : Value();
  if (auto pow = value.getDefiningOp<mm::PowOp>())
    return getSplat(pow.getRhs()) == 2.0 ? pow.getLhs() : Value();
  return {};
}

/// What 1 / sqrt is taken of.
static Value matchInverseRoot(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return {};
  if (auto rsqrt = dyn_cast<mm::RsqrtOp>(op))
    return rsqrt.getInput();
  auto rootOf = [](Value value) -> Value {
    if (auto root = value.getDefiningOp<mm::SqrtOp>())
      return root.getInput();
    if (auto pow = value.getDefiningOp<mm::PowOp>())
      return getSplat(pow.getRhs()) == 0.5 ? pow.getLhs() : Value();
    return {};
  };
  if (auto reciprocal = dyn_cast<mm::ReciprocalOp>(op))
    return rootOf(reciprocal.getInput());
  if (auto div = dyn_cast<mm::DivOp>(op))
    return getSplat(div.getLhs()) == 1.0 ? rootOf(div.getRhs()) : Value();
  if (auto pow = dyn_cast<mm::PowOp>(op))
    return getSplat(pow.getRhs()) == -0.5 ? pow.getLhs() : Value();
  return {};
}

namespace {
/// The mean of the square of `of` plus epsilon.
struct MeanSquare {
  Value of;
  SmallVector<int64_t> axes;
  double epsilon = 0;
};
} // namespace

static std::optional<MeanSquare> matchMeanSquare(Value value) {
  MeanSquare result;
  if (auto add = value.getDefiningOp<mm::AddOp>()) {
    if (std::optional<double> epsilon = getSplat(add.getRhs())) {
      result.epsilon = *epsilon;
      value = add.getLhs();
    } else if (std::optional<double> epsilon = getSplat(add.getLhs())) {
      result.epsilon = *epsilon;
      value = add.getRhs();
    }
  }
  std::optional<MeanMatch> mean = matchMean(value);
  if (!mean || result.epsilon < 0)
    return std::nullopt;
  result.of = matchSquare(mean->input);
  result.axes = mean->axes;
  if (!result.of)
    return std::nullopt;
  return result;
}

/// x, if `value` is x - mean(x) along `axes`.
static Value matchCentred(Value value, ArrayRef<int64_t> axes) {
  auto sub = value.getDefiningOp<mm::SubOp>();
  if (!sub)
    return {};
  std::optional<MeanMatch> mean = matchMean(sub.getRhs());
  if (!mean || mean->input != sub.getLhs() ||
      ArrayRef<int64_t>(mean->axes) != axes)
    return {};
  return sub.getLhs();
}

/// Whether `a` and `b` are one value, or the same difference computed twice.
static bool sameDifference(Value a, Value b, ArrayRef<int64_t> axes) {
  if (a == b)
    return true;
  Value x = matchCentred(a, axes);
  return x && x == matchCentred(b, axes);
}

std::optional<NormMatch> matchNorm(Operation *root) {
  if (!isa<FloatType>(getElementTypeOrSelf(root->getResult(0))))
    return std::nullopt;
  std::optional<MeanSquare> square;
  Product product;
  if (auto div = dyn_cast<mm::DivOp>(root)) {
    if (auto sqrt = div.getRhs().getDefiningOp<mm::SqrtOp>())
      square = matchMeanSquare(sqrt.getInput());
    else if (auto pow = div.getRhs().getDefiningOp<mm::PowOp>();
             pow && getSplat(pow.getRhs()) == 0.5)
      square = matchMeanSquare(pow.getLhs());
    if (!square)
      return std::nullopt;
    product = getProduct(div.getLhs(), square->of);
  } else {
    // The inverse root decides what the normalised value is; that value may
    // itself be a product, so the factors are opened again down to it.
    for (Value factor : getProduct(root->getResult(0)).factors)
      if (Value argument = matchInverseRoot(factor)) {
        square = matchMeanSquare(argument);
        if (!square)
          continue;
        product = getProduct(root->getResult(0), square->of);
        llvm::erase(product.factors, factor);
        break;
      }
    if (!square)
      return std::nullopt;
  }
  NormMatch match;
  match.axes = square->axes;
  llvm::sort(match.axes);
  match.epsilon = square->epsilon;
  match.coefficient = product.coefficient;
  for (Value factor : product.factors) {
    if (!match.input && sameDifference(factor, square->of, match.axes))
      match.input = factor;
    else
      match.factors.push_back(factor);
  }
  // More factors than a scale mean that the root lies further on than the norm.
  if (!match.input || match.factors.size() > 1 || match.axes.empty() ||
      (match.factors.empty() &&
       match.input.getType() != root->getResult(0).getType()))
    return std::nullopt;
  if (Value whole = matchCentred(match.input, match.axes)) {
    match.input = whole;
    match.centred = true;
  }
  return match;
}

TrailingAxes moveAxesLast(const NormMatch &match) {
  int64_t rank = getTensorType(match.input).getRank();
  TrailingAxes result;
  for (int64_t i = 0; i < rank; ++i)
    if (!llvm::is_contained(match.axes, i))
      result.permutation.push_back(i);
  result.axis = result.permutation.size();
  llvm::append_range(result.permutation, match.axes);
  return result;
}

void replaceNorm(PatternRewriter &rewriter, Operation *root,
                 const NormMatch &match, const TrailingAxes &trailing,
                 Value norm) {
  SmallVector<int64_t> inverse(trailing.permutation.size());
  for (auto [index, source] : llvm::enumerate(trailing.permutation))
    inverse[source] = index;
  Value result = transposeTo(rewriter, root->getLoc(), norm, inverse);
  for (Value factor : match.factors)
    result = rewriter.create<mm::MulOp>(root->getLoc(), result, factor);
  if (match.coefficient != 1.0)
    result = rewriter.create<mm::MulOp>(root->getLoc(), result,
                                        makeScalar(rewriter, root->getLoc(),
                                                   getElementTypeOrSelf(result),
                                                   match.coefficient));
  replaceWithValue(rewriter, root, result);
}

Value shapeNormParameter(PatternRewriter &rewriter, Value vector, Value norm,
                         int64_t axis) {
  auto type = getTensorType(vector);
  auto normType = getTensorType(norm);
  int64_t rank = normType.getRank(), lead = rank - type.getRank();
  if (type.getRank() == 0 || lead < 0 || !type.hasStaticShape() ||
      type.getElementType() != normType.getElementType() ||
      !isConstantExpression(vector))
    return {};
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (type.getDimSize(i) != 1 &&
        (i + lead < axis || normType.isDynamicDim(i + lead) ||
         normType.getDimSize(i + lead) != type.getDimSize(i)))
      return {};
  mm::Shape shape = mm::getShape(type);
  if (lead < axis)
    shape.erase(shape.begin(), shape.begin() + (axis - lead));
  return reshapeTo(rewriter, vector.getLoc(), vector, shape);
}

} // namespace mmcc
