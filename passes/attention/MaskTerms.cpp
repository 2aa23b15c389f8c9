//===- MaskTerms.cpp - A mask taken apart ---------------------------------===//

#include "passes/attention/MaskTerms.h"
#include "passes/attention/ConstantMask.h"
#include "passes/fuse/ConstantValues.h"
#include <cmath>

using namespace mlir;

namespace mmcc {

//===----------------------------------------------------------------------===//
// Terms behind views
//===----------------------------------------------------------------------===//

/// `value`, which broadcasts to the input of `view`, as seen through it.
static Value viewThrough(OpBuilder &builder, Operation *view, Value value) {
  if (isa<mm::BroadcastOp>(view))
    return value;
  Location loc = view->getLoc();
  MLIRContext *context = builder.getContext();
  mm::Dim one = mm::Dim::constant(context, 1);
  auto from = getTensorType(view->getOperand(0));
  mm::Shape shape = mm::getShape(value.getType());
  shape.insert(shape.begin(), from.getRank() - shape.size(), one);
  value = reshapeTo(builder, loc, value, shape);
  if (auto transpose = dyn_cast<mm::TransposeOp>(view))
    return transposeTo(builder, loc, value, transpose.getPermutation());
  if (auto reshape = dyn_cast<mm::ReshapeOp>(view)) {
    mm::Shape result;
    std::optional<SmallVector<int64_t>> map = getUnitReshapeMap(reshape);
    for (int64_t source : *map)
      result.push_back(source < 0 ? one : shape[source]);
    return reshapeTo(builder, loc, value, result);
  }
  auto slice = cast<mm::SliceOp>(view);
  mm::Shape offsets = slice.getOffsets().getDims();
  mm::Shape result = mm::getShape(slice.getType());
  SmallVector<int64_t> steps(slice.getSteps());
  for (size_t axis = 0; axis < shape.size(); ++axis)
    if (shape[axis].isConstant(1) && from.getDimSize(axis) != 1) {
      offsets[axis] = mm::Dim::constant(context, 0);
      result[axis] = one;
      steps[axis] = 1;
    }
  return builder.create<mm::SliceOp>(
      loc, mm::makeTensorType(result, getElementTypeOrSelf(value)), value,
      mm::DimsAttr::get(context, offsets), steps);
}

static bool isTransparentView(Operation *op) {
  if (auto reshape = dyn_cast<mm::ReshapeOp>(op))
    return getUnitReshapeMap(reshape).has_value();
  return isa<mm::TransposeOp, mm::BroadcastOp, mm::SliceOp>(op);
}

/// Carries terms of the input of `view` over to its result.
static MaskTerms viewTerms(OpBuilder &builder, Operation *view,
                           MaskTerms terms) {
  for (MaskTerm &term : terms) {
    term.value = viewThrough(builder, view, term.value);
    if (term.kind != MaskTerm::Position)
      continue;
    std::optional<IndexExpr> index = applyView(view, term.index);
    if (index)
      term.index = *index;
    else
      term.kind = MaskTerm::Keep;
  }
  return terms;
}

//===----------------------------------------------------------------------===//
// Two numbers
//===----------------------------------------------------------------------===//

namespace {
/// A value that has one number where a condition holds and another elsewhere.
struct TwoValued {
  Value condition;
  double onTrue, onFalse;
};
} // namespace

/// Follows arithmetic with numbers: (1 - cast(b)) * -10000 and its relatives.
static std::optional<TwoValued> getTwoValued(Value value, int depth = 0) {
  Operation *op = value.getDefiningOp();
  if (!op || depth > 8)
    return std::nullopt;
  if (auto select = dyn_cast<mm::SelectOp>(op)) {
    std::optional<double> onTrue = getSplat(select.getOnTrue());
    std::optional<double> onFalse = getSplat(select.getOnFalse());
    if (!onTrue || !onFalse)
      return std::nullopt;
    return TwoValued{select.getCondition(), *onTrue, *onFalse};
  }
  if (auto cast = dyn_cast<mm::CastOp>(op)) {
    Value input = cast.getInput();
    if (getElementTypeOrSelf(input).isInteger(1))
      return TwoValued{input, 1.0, 0.0};
    if (getElementTypeOrSelf(value).isInteger(1))
      return std::nullopt;
    return getTwoValued(input, depth + 1);
  }
  auto apply = [&](Value operand, auto &&function) {
    std::optional<TwoValued> result = getTwoValued(operand, depth + 1);
    if (result) {
      result->onTrue = function(result->onTrue);
      result->onFalse = function(result->onFalse);
    }
    return result;
  };
  if (!isa<FloatType>(getElementTypeOrSelf(value)))
    return std::nullopt;
  if (isa<mm::NegOp>(op))
    return apply(op->getOperand(0), [](double x) { return -x; });
  if (!isa<mm::AddOp, mm::SubOp, mm::MulOp, mm::DivOp>(op))
    return std::nullopt;
  if (std::optional<double> b = getSplat(op->getOperand(1)))
    return apply(op->getOperand(0), [&](double x) {
      return isa<mm::AddOp>(op)   ? x + *b
             : isa<mm::SubOp>(op) ? x - *b
             : isa<mm::MulOp>(op) ? x * *b
                                  : x / *b;
    });
  std::optional<double> a = getSplat(op->getOperand(0));
  if (a && !isa<mm::DivOp>(op))
    return apply(op->getOperand(1), [&](double x) {
      return isa<mm::AddOp>(op) ? *a + x : isa<mm::SubOp>(op) ? *a - x : *a * x;
    });
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Conditions
//===----------------------------------------------------------------------===//

/// `value` or its negation, as booleans that keep.
static MaskTerm makeKeep(OpBuilder &builder, Value value, bool negated,
                         double fill) {
  if (negated)
    value = builder.create<mm::NotOp>(value.getLoc(), value);
  return {MaskTerm::Keep, value, {}, fill};
}

/// Turns `lhs predicate rhs` into index <= 0.
static std::optional<IndexExpr> getInequality(mm::CompareOp compare,
                                              bool negated) {
  std::optional<IndexExpr> lhs = getIndexExpr(compare.getLhs());
  std::optional<IndexExpr> rhs = getIndexExpr(compare.getRhs());
  if (!lhs || !rhs)
    return std::nullopt;
  mm::Predicate predicate = compare.getPredicate();
  if (negated) {
    switch (predicate) {
    case mm::Predicate::LT:
      predicate = mm::Predicate::GE;
      break;
    case mm::Predicate::LE:
      predicate = mm::Predicate::GT;
      break;
    case mm::Predicate::GT:
      predicate = mm::Predicate::LE;
      break;
    case mm::Predicate::GE:
      predicate = mm::Predicate::LT;
      break;
    default:
      return std::nullopt;
    }
  }
  bool swapped =
      predicate == mm::Predicate::GT || predicate == mm::Predicate::GE;
  bool strict =
      predicate == mm::Predicate::LT || predicate == mm::Predicate::GT;
  if (predicate == mm::Predicate::EQ || predicate == mm::Predicate::NE)
    return std::nullopt;
  int64_t sign = swapped ? -1 : 1;
  IndexExpr excess = combine(*lhs, sign, *rhs, -sign);
  if (strict)
    excess.constant = excess.constant + 1;
  return excess;
}

/// `term`, a term as data, said by positions.
static MaskTerms atPositions(MaskTerm term, ArrayRef<IndexExpr> positions) {
  MaskTerms terms;
  term.kind = MaskTerm::Position;
  for (const IndexExpr &index : positions) {
    term.index = index;
    terms.push_back(term);
  }
  return terms;
}

/// The condition that a comparison of its two numbers with a third says again,
/// or (true in the second place) its opposite.
static std::optional<std::pair<Value, bool>>
getCompared(mm::CompareOp compare) {
  bool isEqual = compare.getPredicate() == mm::Predicate::EQ;
  if (!isEqual && compare.getPredicate() != mm::Predicate::NE)
    return std::nullopt;
  std::optional<TwoValued> two = getTwoValued(compare.getLhs());
  std::optional<double> number = getSplat(compare.getRhs());
  if (!two || !number)
    return std::nullopt;
  bool onTrue = (two->onTrue == *number) == isEqual;
  bool onFalse = (two->onFalse == *number) == isEqual;
  if (onTrue == onFalse)
    return std::nullopt;
  return std::pair(two->condition, onFalse);
}

static MaskTerms takeKept(OpBuilder &builder, Value condition, bool negated,
                          double fill, int depth) {
  Operation *op = condition.getDefiningOp();
  if (!op || depth > 24)
    return {makeKeep(builder, condition, negated, fill)};
  if (std::optional<double> splat = getSplat(condition))
    if ((*splat != 0) != negated)
      return {};
  if (auto inverse = dyn_cast<mm::NotOp>(op))
    return takeKept(builder, inverse.getInput(), !negated, fill, depth + 1);
  if (auto cast = dyn_cast<mm::CastOp>(op)) {
    // Booleans that went through numbers and came back.
    Value inner = cast.getInput();
    while (auto before = inner.getDefiningOp<mm::CastOp>())
      inner = before.getInput();
    if (getElementTypeOrSelf(inner).isInteger(1))
      return takeKept(builder, inner, negated, fill, depth + 1);
    std::optional<TwoValued> two = getTwoValued(cast.getInput());
    if (two && (two->onTrue != 0) != (two->onFalse != 0))
      return takeKept(builder, two->condition, negated != (two->onTrue == 0),
                      fill, depth + 1);
  }
  bool isAnd = isa<mm::AndOp>(op) && !negated;
  bool isNor = isa<mm::OrOp>(op) && negated;
  if (isAnd || isNor) {
    MaskTerms terms =
        takeKept(builder, op->getOperand(0), negated, fill, depth + 1);
    llvm::append_range(
        terms, takeKept(builder, op->getOperand(1), negated, fill, depth + 1));
    return terms;
  }
  if (isTransparentView(op))
    return viewTerms(
        builder, op,
        takeKept(builder, op->getOperand(0), negated, fill, depth + 1));
  SmallVector<IndexExpr> positions;
  std::optional<SparsePattern> sparse;
  if (auto compare = dyn_cast<mm::CompareOp>(op)) {
    if (std::optional<bool> holds = isDecided(compare);
        holds && *holds != negated)
      return {};
    // Booleans that became the numbers of a float mask and came back.
    if (auto compared = getCompared(compare))
      return takeKept(builder, compared->first, negated != compared->second,
                      fill, depth + 1);
    if (std::optional<IndexExpr> index = getInequality(compare, negated))
      positions.push_back(*index);
  } else if (isa<mm::ConstantOp>(op)) {
    if (std::optional<SmallVector<double>> elements =
            getElements(condition, 1 << 24)) {
      SmallVector<bool> keeps;
      for (double element : *elements)
        keeps.push_back((element != 0) != negated);
      positions = getBand(getTensorType(condition), keeps);
      if (positions.empty())
        sparse = getSparsePattern(getTensorType(condition), keeps);
    }
  }
  MaskTerm term = makeKeep(builder, condition, negated, fill);
  term.sparse = sparse;
  return positions.empty() ? MaskTerms{term} : atPositions(term, positions);
}

MaskTerms takeApartKept(OpBuilder &builder, Value condition, bool negated,
                        double fill) {
  return takeKept(builder, condition, negated, fill, 0);
}

//===----------------------------------------------------------------------===//
// Sums
//===----------------------------------------------------------------------===//

/// Whether `value` excludes a pair wherever it is added, and with what.
static std::optional<double> getFill(Value value) {
  std::optional<double> splat = getSplat(value);
  if (splat && *splat <= kExcluded)
    return splat;
  return std::nullopt;
}

static MaskTerms takeAdded(OpBuilder &builder, Value mask, int depth) {
  MaskTerms whole = {MaskTerm{MaskTerm::Add, mask, {}, 0}};
  Operation *op = mask.getDefiningOp();
  if (!op || depth > 24)
    return whole;
  if (std::optional<double> splat = getSplat(mask); splat && *splat == 0)
    return {};
  if (auto select = dyn_cast<mm::SelectOp>(op)) {
    for (bool onTrue : {true, false}) {
      std::optional<double> fill =
          getFill(onTrue ? select.getOnTrue() : select.getOnFalse());
      if (!fill)
        continue;
      MaskTerms terms =
          takeKept(builder, select.getCondition(), onTrue, *fill, depth + 1);
      Value rest = onTrue ? select.getOnFalse() : select.getOnTrue();
      llvm::append_range(terms, takeAdded(builder, rest, depth + 1));
      return terms;
    }
    return whole;
  }
  if (std::optional<TwoValued> two = getTwoValued(mask)) {
    if (two->onTrue == 0 && two->onFalse <= kExcluded)
      return takeKept(builder, two->condition, false, two->onFalse, depth + 1);
    if (two->onFalse == 0 && two->onTrue <= kExcluded)
      return takeKept(builder, two->condition, true, two->onTrue, depth + 1);
  }
  if (auto cast = dyn_cast<mm::CastOp>(op)) {
    if (!isa<FloatType>(getElementTypeOrSelf(cast.getInput())))
      return whole;
    return takeAdded(builder, cast.getInput(), depth + 1);
  }
  if (auto add = dyn_cast<mm::AddOp>(op)) {
    MaskTerms terms = takeAdded(builder, add.getLhs(), depth + 1);
    llvm::append_range(terms, takeAdded(builder, add.getRhs(), depth + 1));
    return terms;
  }
  if (auto max = dyn_cast<mm::MaxOp>(op)) {
    // A floor that keeps the sum of two masks finite.
    if (getFill(max.getRhs()))
      return takeAdded(builder, max.getLhs(), depth + 1);
    return whole;
  }
  if (isTransparentView(op))
    return viewTerms(builder, op,
                     takeAdded(builder, op->getOperand(0), depth + 1));
  if (isa<mm::ConstantOp>(op)) {
    std::optional<SmallVector<double>> elements = getElements(mask, 1 << 24);
    if (!elements)
      return whole;
    SmallVector<bool> keeps;
    double fill = 0;
    for (double element : *elements) {
      if (element != 0 && !(element <= kExcluded))
        return whole;
      keeps.push_back(element == 0);
      if (element != 0)
        fill = std::max(element, fill == 0 ? element : fill);
    }
    // As data the term stays what it was: a float that is added.
    SmallVector<IndexExpr> positions = getBand(getTensorType(mask), keeps);
    if (positions.empty()) {
      whole.front().fill = fill;
      whole.front().sparse = getSparsePattern(getTensorType(mask), keeps);
      return whole;
    }
    return atPositions({MaskTerm::Add, mask, {}, fill}, positions);
  }
  return whole;
}

MaskTerms takeApartAdded(OpBuilder &builder, Value mask) {
  return takeAdded(builder, mask, 0);
}

} // namespace mmcc
