//===- IndexExpr.cpp - Tensors that are functions of their indices --------===//

#include "passes/attention/IndexExpr.h"
#include "passes/fuse/ConstantValues.h"
#include <cmath>

using namespace mlir;

namespace mmcc {

static mm::Dim makeDim(const mm::Dim &like, int64_t value) {
  return mm::Dim::constant(like.getContext(), value);
}

mm::Dim IndexExpr::coefficient(size_t axisFromRight) const {
  return axisFromRight < coefficients.size() ? coefficients[axisFromRight]
                                             : makeDim(constant, 0);
}

bool IndexExpr::isConstant() const {
  return llvm::all_of(coefficients,
                      [](const mm::Dim &dim) { return dim.isConstant(0); });
}

IndexExpr makeIndexExpr(const mm::Dim &constant,
                        ArrayRef<int64_t> coefficients) {
  IndexExpr result{constant, {}};
  for (int64_t coefficient : coefficients)
    result.coefficients.push_back(makeDim(constant, coefficient));
  return result;
}

IndexExpr combine(const IndexExpr &a, const mm::Dim &factorA,
                  const IndexExpr &b, const mm::Dim &factorB) {
  IndexExpr result;
  result.constant = a.constant * factorA + b.constant * factorB;
  size_t rank = std::max(a.coefficients.size(), b.coefficients.size());
  for (size_t axis = 0; axis < rank; ++axis)
    result.coefficients.push_back(a.coefficient(axis) * factorA +
                                  b.coefficient(axis) * factorB);
  return result;
}

IndexExpr combine(const IndexExpr &a, int64_t factorA, const IndexExpr &b,
                  int64_t factorB) {
  return combine(a, makeDim(a.constant, factorA), b,
                 makeDim(a.constant, factorB));
}

std::optional<SmallVector<int64_t>> getUnitReshapeMap(mm::ReshapeOp reshape) {
  mm::Shape from = mm::getShape(reshape.getInput().getType());
  mm::Shape to = mm::getShape(reshape.getType());
  SmallVector<int64_t> map;
  size_t next = 0;
  auto skipUnits = [&] {
    while (next < from.size() && from[next].isConstant(1))
      ++next;
  };
  for (const mm::Dim &dim : to) {
    if (dim.isConstant(1)) {
      map.push_back(-1);
      continue;
    }
    skipUnits();
    if (next == from.size() || from[next] != dim)
      return std::nullopt;
    map.push_back(next++);
  }
  skipUnits();
  if (next != from.size())
    return std::nullopt;
  return map;
}

/// The index of a dimension of size 1 is 0, whatever it broadcasts to.
static void dropUnitAxes(Value value, IndexExpr &expr) {
  auto type = getTensorType(value);
  expr.coefficients.resize(type.getRank(), makeDim(expr.constant, 0));
  for (int64_t axis = 0; axis < type.getRank(); ++axis)
    if (type.getDimSize(axis) == 1)
      expr.coefficients[type.getRank() - 1 - axis] = makeDim(expr.constant, 0);
}

std::optional<IndexExpr> applyView(Operation *view, const IndexExpr &expr) {
  int64_t fromRank = getTensorType(view->getOperand(0)).getRank();
  int64_t toRank = getTensorType(view->getResult(0)).getRank();
  auto fromCoefficient = [&](int64_t axis) {
    return expr.coefficient(fromRank - 1 - axis);
  };
  IndexExpr result =
      makeIndexExpr(expr.constant, SmallVector<int64_t>(toRank, 0));
  auto set = [&](int64_t axis, const mm::Dim &coefficient) {
    result.coefficients[toRank - 1 - axis] = coefficient;
  };
  if (isa<mm::BroadcastOp>(view)) {
    result.coefficients = expr.coefficients;
  } else if (auto reshape = dyn_cast<mm::ReshapeOp>(view)) {
    std::optional<SmallVector<int64_t>> map = getUnitReshapeMap(reshape);
    if (!map)
      return std::nullopt;
    for (auto [axis, source] : llvm::enumerate(*map))
      if (source >= 0)
        set(axis, fromCoefficient(source));
  } else if (auto transpose = dyn_cast<mm::TransposeOp>(view)) {
    for (auto [axis, source] : llvm::enumerate(transpose.getPermutation()))
      set(axis, fromCoefficient(source));
  } else if (auto slice = dyn_cast<mm::SliceOp>(view)) {
    for (int64_t axis = 0; axis < toRank; ++axis) {
      mm::Dim coefficient = fromCoefficient(axis);
      set(axis, coefficient * slice.getSteps()[axis]);
      result.constant =
          result.constant + slice.getOffsets().getDim(axis) * coefficient;
    }
  } else {
    return std::nullopt;
  }
  dropUnitAxes(view->getResult(0), result);
  return result;
}

/// A constant that grows evenly along at most one dimension.
static std::optional<IndexExpr> getProgression(mm::ConstantOp constant) {
  MLIRContext *context = constant.getContext();
  auto type = getTensorType(constant.getResult());
  std::optional<int64_t> wide;
  for (int64_t axis = 0; axis < type.getRank(); ++axis)
    if (type.getDimSize(axis) != 1) {
      if (wide)
        return std::nullopt;
      wide = axis;
    }
  std::optional<SmallVector<double>> elements =
      getElements(constant.getResult(), 1 << 20);
  if (!elements || elements->empty())
    return std::nullopt;
  auto isIndex = [](double number) {
    return number == std::trunc(number) && std::fabs(number) < 1e15;
  };
  double first = elements->front();
  double step = elements->size() > 1 ? (*elements)[1] - first : 0;
  if (!isIndex(first) || !isIndex(step))
    return std::nullopt;
  for (auto [index, element] : llvm::enumerate(*elements))
    if (element != first + step * static_cast<double>(index))
      return std::nullopt;
  SmallVector<int64_t> coefficients;
  if (wide) {
    coefficients.assign(type.getRank() - *wide, 0);
    coefficients.back() = static_cast<int64_t>(step);
  }
  return makeIndexExpr(mm::Dim::constant(context, static_cast<int64_t>(first)),
                       coefficients);
}

static std::optional<IndexExpr> getIndexExpr(Value value, int depth);

static std::optional<bool> isDecided(mm::CompareOp compare, int depth) {
  bool isEqual = compare.getPredicate() == mm::Predicate::EQ;
  if (!isEqual && compare.getPredicate() != mm::Predicate::NE)
    return std::nullopt;
  std::optional<IndexExpr> lhs = getIndexExpr(compare.getLhs(), depth + 1);
  std::optional<IndexExpr> rhs = getIndexExpr(compare.getRhs(), depth + 1);
  if (!lhs || !rhs)
    return std::nullopt;
  IndexExpr difference = combine(*lhs, 1, *rhs, -1);
  std::optional<int64_t> number = difference.constant.getConstant();
  if (!difference.isConstant() || !number)
    return std::nullopt;
  return (*number == 0) == isEqual;
}

/// Pieces of one progression, joined in order: exporters write "the position
/// before" as the first position less one, joined with all positions.
static std::optional<IndexExpr> getJoined(mm::ConcatOp concat, int depth) {
  size_t rank = getTensorType(concat.getResult()).getRank();
  size_t axis = rank - 1 - concat.getAxis();
  auto sizeOf = [&](Value input) {
    return mm::getShape(input.getType())[concat.getAxis()];
  };
  SmallVector<IndexExpr> pieces;
  std::optional<mm::Dim> step;
  for (Value input : concat.getInputs()) {
    std::optional<IndexExpr> piece = getIndexExpr(input, depth + 1);
    if (!piece)
      return std::nullopt;
    piece->coefficients.resize(rank, makeDim(piece->constant, 0));
    // A piece of one element says nothing of the step.
    if (!sizeOf(input).isConstant(1)) {
      if (step && *step != piece->coefficients[axis])
        return std::nullopt;
      step = piece->coefficients[axis];
    }
    pieces.push_back(std::move(*piece));
  }
  if (!step)
    return std::nullopt;
  mm::Dim at = makeDim(*step, 0);
  for (auto [piece, input] : llvm::zip_equal(pieces, concat.getInputs())) {
    piece.coefficients[axis] = *step;
    const IndexExpr &first = pieces.front();
    if (piece.constant != first.constant + *step * at ||
        piece.coefficients != first.coefficients)
      return std::nullopt;
    at = at + sizeOf(input);
  }
  return pieces.front();
}

static std::optional<IndexExpr> getIndexExpr(Value value, int depth) {
  Operation *op = value.getDefiningOp();
  if (!op || depth > 24)
    return std::nullopt;
  std::optional<IndexExpr> result;
  if (auto constant = dyn_cast<mm::ConstantOp>(op)) {
    result = getProgression(constant);
    // Two dimensions and more may still hold one number.
    if (!result)
      if (std::optional<double> splat = getSplat(value);
          splat && *splat == std::trunc(*splat) && std::fabs(*splat) < 1e15)
        result = makeIndexExpr(mm::Dim::constant(value.getContext(),
                                                 static_cast<int64_t>(*splat)));
  } else if (auto iota = dyn_cast<mm::IotaOp>(op)) {
    result = makeIndexExpr(iota.getStart().getDim(0),
                           {static_cast<int64_t>(iota.getStep())});
  } else if (auto sizes = dyn_cast<mm::SizesOp>(op)) {
    if (sizes.getDims().size() == 1)
      result = makeIndexExpr(sizes.getDims().getDim(0));
  } else if (auto concat = dyn_cast<mm::ConcatOp>(op)) {
    result = getJoined(concat, depth);
  } else if (auto sum = dyn_cast<mm::CumulativeOp>(op)) {
    std::optional<IndexExpr> input = getIndexExpr(sum.getInput(), depth + 1);
    if (input && sum.getKind() == "sum" && input->isConstant() &&
        input->constant.isConstant(0))
      result = input;
  } else if (auto cast = dyn_cast<mm::CastOp>(op)) {
    if (auto compare = cast.getInput().getDefiningOp<mm::CompareOp>())
      if (std::optional<bool> holds = isDecided(compare, depth))
        return makeIndexExpr(mm::Dim::constant(value.getContext(), *holds));
    // Positions stay whole and small enough for every type but the smallest.
    Type type = cast.getType().getElementType();
    if (!type.isIntOrFloat() || type.getIntOrFloatBitWidth() < 32)
      return std::nullopt;
    result = getIndexExpr(cast.getInput(), depth + 1);
  } else if (isa<mm::ReshapeOp, mm::TransposeOp, mm::BroadcastOp, mm::SliceOp>(
                 op)) {
    std::optional<IndexExpr> input = getIndexExpr(op->getOperand(0), depth + 1);
    if (input)
      result = applyView(op, *input);
  } else if (auto gather = dyn_cast<mm::GatherOp>(op)) {
    // Picking positions from a table of positions.
    std::optional<IndexExpr> table = getIndexExpr(gather.getInput(), depth + 1);
    std::optional<IndexExpr> index =
        getIndexExpr(gather.getIndices(), depth + 1);
    if (!table || !index || getTensorType(gather.getInput()).getRank() != 1)
      return std::nullopt;
    // A negative index would count from the end.
    if (holdsEverywhere(combine(*index, -1, *index, 0),
                        mm::getShape(gather.getIndices().getType())))
      result =
          combine(*index, table->coefficient(0), makeIndexExpr(table->constant),
                  makeDim(table->constant, 1));
  } else if (isa<mm::AddOp, mm::SubOp, mm::MulOp>(op)) {
    std::optional<IndexExpr> a = getIndexExpr(op->getOperand(0), depth + 1);
    std::optional<IndexExpr> b = getIndexExpr(op->getOperand(1), depth + 1);
    if (!a || !b)
      return std::nullopt;
    if (isa<mm::MulOp>(op)) {
      mm::Dim zero = makeDim(a->constant, 0);
      if (b->isConstant())
        result = combine(*a, b->constant, *b, zero);
      else if (a->isConstant())
        result = combine(*b, a->constant, *a, zero);
    } else {
      result = combine(*a, 1, *b, isa<mm::SubOp>(op) ? -1 : 1);
    }
  }
  if (result)
    dropUnitAxes(value, *result);
  return result;
}

std::optional<IndexExpr> getIndexExpr(Value value) {
  return getIndexExpr(value, 0);
}

std::optional<bool> isDecided(mm::CompareOp compare) {
  return isDecided(compare, 0);
}

/// Sizes are at least 0, and so is what sums, products and quotients make of
/// them.
static bool isNeverNegative(AffineExpr expr) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue() >= 0;
  if (auto binary = dyn_cast<AffineBinaryOpExpr>(expr))
    return isNeverNegative(binary.getLHS()) && isNeverNegative(binary.getRHS());
  return isa<AffineSymbolExpr>(expr);
}

static bool isNeverPositive(AffineExpr expr) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue() <= 0;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return false;
  AffineExpr lhs = binary.getLHS(), rhs = binary.getRHS();
  if (expr.getKind() == AffineExprKind::Add)
    return isNeverPositive(lhs) && isNeverPositive(rhs);
  if (expr.getKind() == AffineExprKind::Mul)
    return (isNeverPositive(lhs) && isNeverNegative(rhs)) ||
           (isNeverNegative(lhs) && isNeverPositive(rhs));
  return false;
}

bool isNeverPositive(const mm::Dim &dim) {
  return isNeverPositive(dim.getExpr());
}

bool holdsEverywhere(const IndexExpr &expr, ArrayRef<mm::Dim> shape) {
  mm::Dim largest = expr.constant;
  for (size_t axis = 0; axis < expr.coefficients.size(); ++axis) {
    const mm::Dim &coefficient = expr.coefficients[axis];
    if (isNeverPositive(coefficient))
      continue;
    if (axis >= shape.size() || !isNeverPositive(coefficient * -1))
      return false;
    largest = largest + (shape[shape.size() - 1 - axis] - 1) * coefficient;
  }
  return isNeverPositive(largest);
}

} // namespace mmcc
