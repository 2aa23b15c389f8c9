//===- IndexExpr.cpp - Tensors that are functions of their indices --------===//

#include "passes/attention/IndexExpr.h"
#include "passes/fuse/ConstantValues.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;

namespace mmcc {

static IndexExpr makeConstant(mm::Dim dim) { return IndexExpr{dim, {}}; }

std::optional<IndexExpr> combine(const IndexExpr &a, int64_t factorA,
                                 const IndexExpr &b, int64_t factorB) {
  IndexExpr result;
  result.constant = a.constant * factorA + b.constant * factorB;
  size_t rank = std::max(a.coefficients.size(), b.coefficients.size());
  for (size_t axis = 0; axis < rank; ++axis) {
    int64_t left, right, sum;
    if (llvm::MulOverflow(a.coefficient(axis), factorA, left) ||
        llvm::MulOverflow(b.coefficient(axis), factorB, right) ||
        llvm::AddOverflow(left, right, sum))
      return std::nullopt;
    result.coefficients.push_back(sum);
  }
  return result;
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
  expr.coefficients.resize(type.getRank(), 0);
  for (int64_t axis = 0; axis < type.getRank(); ++axis)
    if (type.getDimSize(axis) == 1)
      expr.coefficients[type.getRank() - 1 - axis] = 0;
}

std::optional<IndexExpr> applyView(Operation *view, const IndexExpr &expr) {
  int64_t fromRank = getTensorType(view->getOperand(0)).getRank();
  int64_t toRank = getTensorType(view->getResult(0)).getRank();
  auto fromCoefficient = [&](int64_t axis) {
    return expr.coefficient(fromRank - 1 - axis);
  };
  IndexExpr result{expr.constant, SmallVector<int64_t, 4>(toRank, 0)};
  auto set = [&](int64_t axis, int64_t coefficient) {
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
      int64_t coefficient = fromCoefficient(axis), scaled;
      if (llvm::MulOverflow(coefficient, slice.getSteps()[axis], scaled))
        return std::nullopt;
      set(axis, scaled);
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
  IndexExpr result =
      makeConstant(mm::Dim::constant(context, static_cast<int64_t>(first)));
  if (wide) {
    result.coefficients.assign(type.getRank() - *wide, 0);
    result.coefficients.back() = static_cast<int64_t>(step);
  }
  return result;
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
        result = makeConstant(mm::Dim::constant(value.getContext(),
                                                static_cast<int64_t>(*splat)));
  } else if (auto iota = dyn_cast<mm::IotaOp>(op)) {
    result = IndexExpr{iota.getStart().getDim(0),
                       {static_cast<int64_t>(iota.getStep())}};
  } else if (auto sizes = dyn_cast<mm::SizesOp>(op)) {
    if (sizes.getDims().size() == 1)
      result = makeConstant(sizes.getDims().getDim(0));
  } else if (auto cast = dyn_cast<mm::CastOp>(op)) {
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
    std::optional<IndexExpr> negated = combine(*index, -1, *index, 0);
    if (negated &&
        holdsEverywhere(*negated, mm::getShape(gather.getIndices().getType())))
      result = combine(*index, table->coefficient(0),
                       makeConstant(table->constant), 1);
  } else if (isa<mm::AddOp, mm::SubOp, mm::MulOp>(op)) {
    std::optional<IndexExpr> a = getIndexExpr(op->getOperand(0), depth + 1);
    std::optional<IndexExpr> b = getIndexExpr(op->getOperand(1), depth + 1);
    if (!a || !b)
      return std::nullopt;
    if (isa<mm::MulOp>(op)) {
      auto factorOf = [](const IndexExpr &expr) -> std::optional<int64_t> {
        if (llvm::any_of(expr.coefficients, [](int64_t c) { return c != 0; }))
          return std::nullopt;
        return expr.constant.getConstant();
      };
      IndexExpr zero = makeConstant(mm::Dim::constant(value.getContext(), 0));
      if (std::optional<int64_t> factor = factorOf(*b))
        result = combine(*a, *factor, zero, 1);
      else if (std::optional<int64_t> factor = factorOf(*a))
        result = combine(*b, *factor, zero, 1);
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

static bool isNeverPositive(AffineExpr expr) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue() <= 0;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return false;
  if (expr.getKind() == AffineExprKind::Add)
    return isNeverPositive(binary.getLHS()) && isNeverPositive(binary.getRHS());
  if (expr.getKind() == AffineExprKind::Mul) {
    auto factor = dyn_cast<AffineConstantExpr>(binary.getRHS());
    return factor && factor.getValue() <= 0 &&
           isa<AffineSymbolExpr>(binary.getLHS());
  }
  return false;
}

bool isNeverPositive(const mm::Dim &dim) {
  return isNeverPositive(dim.getExpr());
}

bool holdsEverywhere(const IndexExpr &expr, ArrayRef<mm::Dim> shape) {
  mm::Dim largest = expr.constant;
  for (size_t axis = 0; axis < expr.coefficients.size(); ++axis) {
    int64_t coefficient = expr.coefficients[axis];
    if (coefficient <= 0)
      continue;
    if (axis >= shape.size())
      return false;
    largest = largest + (shape[shape.size() - 1 - axis] - 1) * coefficient;
  }
  return isNeverPositive(largest);
}

} // namespace mmcc
