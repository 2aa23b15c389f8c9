//===- MaskPlan.cpp - What becomes of a mask ------------------------------===//

#include "passes/attention/MaskPlan.h"
#include "passes/fuse/ConstantValues.h"
#include "llvm/ADT/SmallPtrSet.h"
#include <cmath>
#include <limits>

using namespace mlir;

namespace mmcc {

/// The coefficients of (key, query), if there are no others and both are
/// known.
static std::optional<std::pair<int64_t, int64_t>>
getPairCoefficients(const IndexExpr &index) {
  for (size_t axis = 2; axis < index.coefficients.size(); ++axis)
    if (!index.coefficient(axis).isConstant(0))
      return std::nullopt;
  std::optional<int64_t> key = index.coefficient(0).getConstant();
  std::optional<int64_t> query = index.coefficient(1).getConstant();
  if (!key || !query)
    return std::nullopt;
  return std::pair(*key, *query);
}

/// A pattern of strided keys, where no window narrows it further.
static void takeSparse(MaskPlan &plan) {
  auto found = llvm::find_if(plan.rest, [](const PlacedTerm &placed) {
    return placed.term.sparse.has_value();
  });
  if (found == plan.rest.end() || plan.window > 0)
    return;
  SparsePattern pattern = *found->term.sparse;
  bool causal = pattern.causal;
  if (plan.ahead) {
    // Causality from elsewhere bounds strided keys, too.
    if (*plan.ahead != 0)
      return;
    causal = true;
  }
  plan.ahead = causal ? 0 : pattern.ahead;
  plan.window = pattern.window;
  plan.stride = pattern.stride;
  plan.reduced = true;
  plan.rest.erase(found);
}

MaskPlan planMask(ArrayRef<PlacedTerm> terms, const mm::Dim &queries,
                  const mm::Dim &keys) {
  MaskPlan plan;
  mm::Dim pairs[] = {queries, keys};
  mm::Dim offset = keys - queries;
  for (const PlacedTerm &placed : terms) {
    const MaskTerm &term = placed.term;
    auto pair = term.kind == MaskTerm::Position
                    ? getPairCoefficients(term.index)
                    : std::nullopt;
    if (pair && holdsEverywhere(term.index, pairs)) {
      plan.reduced = true;
      continue;
    }
    // j <= i + offset + ahead
    std::optional<int64_t> ahead;
    if (pair == std::pair<int64_t, int64_t>(1, -1))
      ahead = (mm::Dim::constant(queries.getContext(), 0) -
               term.index.constant - offset)
                  .getConstant();
    // i + offset - j <= window - 1
    std::optional<int64_t> window;
    if (pair == std::pair<int64_t, int64_t>(-1, 1))
      window = (offset - term.index.constant + 1).getConstant();
    if (ahead && *ahead >= 0) {
      plan.ahead = plan.ahead ? std::min(*plan.ahead, *ahead) : *ahead;
      plan.reduced = true;
    } else if (window && *window > 0) {
      plan.window = plan.window ? std::min(plan.window, *window) : *window;
      plan.reduced = true;
    } else {
      plan.rest.push_back(placed);
    }
  }
  takeSparse(plan);
  return plan;
}

void seeThroughRepeat(OpBuilder &builder, PlacedTerm &placed,
                      LeadFactors &factors) {
  Value &value = placed.term.value;
  while (auto broadcast = value.getDefiningOp<mm::BroadcastOp>())
    value = broadcast.getInput();
  auto reshape = value.getDefiningOp<mm::ReshapeOp>();
  auto broadcast =
      reshape ? reshape.getInput().getDefiningOp<mm::BroadcastOp>() : nullptr;
  if (!broadcast)
    return;
  mm::Shape shape = mm::getShape(value.getType());
  mm::Shape repeated = mm::getShape(broadcast.getType());
  mm::Shape before = mm::getShape(broadcast.getInput().getType());
  mm::Dim one = mm::Dim::constant(builder.getContext(), 1);
  before.insert(before.begin(), repeated.size() - before.size(), one);
  if (shape.size() < 2 || repeated.size() < 2 ||
      shape.back() != repeated.back() ||
      shape[shape.size() - 2] != repeated[repeated.size() - 2])
    return;
  mm::Shape own = getLead(value), repeatedLead = getLead(broadcast);
  if (!factors.refinePresent(factors.presence(own, placed.lead), repeatedLead))
    return;
  // Factor by factor: those of the repeated dimensions are the present ones,
  // and those that were not repeated stay.
  SmallVector<bool> present = factors.presence(own, placed.lead);
  mm::Shape spread;
  size_t next = 0;
  mm::Dim covered = one;
  for (size_t i = 0; i < factors.size(); ++i) {
    if (!present[i]) {
      spread.push_back(one);
      continue;
    }
    while (repeatedLead[next].isConstant(1))
      ++next;
    spread.push_back(before[next].isConstant(1) ? one : factors[i]);
    covered = covered * factors[i];
    if (covered == repeatedLead[next]) {
      covered = one;
      ++next;
    }
  }
  spread.push_back(before[before.size() - 2]);
  spread.push_back(before.back());
  value = reshapeTo(builder, value.getLoc(), broadcast.getInput(), spread);
  placed.lead.assign(factors.get().begin(), factors.get().end());
}

static Value castTo(OpBuilder &builder, Value value, Type elementType) {
  if (getElementTypeOrSelf(value) == elementType)
    return value;
  mm::Shape shape = mm::getShape(value.getType());
  return builder.create<mm::CastOp>(
      value.getLoc(), mm::makeTensorType(shape, elementType), value);
}

Value joinRest(OpBuilder &builder, Location location, const MaskPlan &plan,
               const LeadFactors &factors, Type elementType) {
  // Conditions first, by what they fill with, then sums.
  Value kept, added;
  llvm::SmallPtrSet<Value, 4> seen;
  double fill = -std::numeric_limits<double>::infinity();
  for (const PlacedTerm &placed : plan.rest) {
    const MaskTerm &term = placed.term;
    // Both ends of a band are one constant.
    if (term.kind == MaskTerm::Position && !seen.insert(term.value).second)
      continue;
    Value value =
        factors.spread(builder, term.value.getLoc(), term.value, placed.lead);
    if (getElementTypeOrSelf(value).isInteger(1)) {
      kept = kept ? builder.create<mm::AndOp>(location, kept, value) : value;
      fill = std::max(fill, term.fill);
      continue;
    }
    value = castTo(builder, value, elementType);
    if (placed.factor != 1.0)
      value = builder.create<mm::MulOp>(
          location, value,
          makeScalar(builder, location, elementType, placed.factor));
    added = added ? builder.create<mm::AddOp>(location, added, value) : value;
  }
  if (!kept)
    return added;
  if (!added && std::isinf(fill))
    return kept;
  // A finite fill keeps what the model does with a row that has no pair left:
  // the mean over all keys.
  Value fillValue = makeScalar(builder, location, elementType, fill);
  Value other = added ? added : makeScalar(builder, location, elementType, 0.0);
  return builder.create<mm::SelectOp>(location, kept, other, fillValue);
}

} // namespace mmcc
