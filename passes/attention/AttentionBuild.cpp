//===- AttentionBuild.cpp - Makes mm.attention from its pieces ------------===//

#include "passes/attention/AttentionBuild.h"
#include "passes/attention/MaskPlan.h"
#include "passes/fuse/ConstantValues.h"

using namespace mlir;

namespace mmcc {

namespace {
/// Where the factors are cut into batch and heads, and how many of the last
/// ones keys and values share.
struct Split {
  size_t heads;
  size_t shared;
};
} // namespace

/// Which factors of a spread value are whole.
static SmallVector<bool> getPresence(const LeadFactors &factors, Value spread) {
  mm::Shape shape = mm::getShape(spread.getType());
  SmallVector<bool> present;
  for (size_t i = 0; i < factors.size(); ++i)
    present.push_back(shape[i] == factors[i]);
  return present;
}

static bool anyMissing(ArrayRef<bool> present) {
  return llvm::is_contained(present, false);
}

/// The cut that the exporter had in mind: a list of two dimensions.
static size_t getPreferredCut(const AttentionMatch &match,
                              const LeadFactors &factors) {
  size_t count = factors.size();
  for (ArrayRef<mm::Dim> lead : match.leads) {
    if (lead.size() != 2)
      continue;
    mm::Dim one = mm::Dim::constant(match.queries.getContext(), 1);
    mm::Dim only[] = {lead[0], one};
    return llvm::count(factors.presence(only, lead), true);
  }
  if (count == 1)
    return factors[0].getConstant() ? 0 : 1;
  return count ? count - 1 : 0;
}

static std::optional<Split> chooseSplit(const AttentionMatch &match,
                                        const LeadFactors &factors, Value query,
                                        Value key, Value value, Value mask) {
  size_t count = factors.size(), preferred = getPreferredCut(match, factors);
  SmallVector<bool> q = getPresence(factors, query);
  SmallVector<bool> k = getPresence(factors, key);
  SmallVector<bool> v = getPresence(factors, value);
  SmallVector<bool> m(count, false);
  if (mask)
    m = getPresence(factors, mask);
  std::optional<Split> best;
  int bestCost = 0;
  for (size_t cut = 0; cut <= count; ++cut) {
    size_t shared = 0;
    while (shared < count - cut && !k[count - 1 - shared] &&
           !v[count - 1 - shared])
      ++shared;
    if (!factors.product(cut, count).getConstant()) {
      // Without a known number of heads there are no groups.
      if (cut < count)
        continue;
      shared = 0;
    }
    int cost = cut == preferred ? 0 : 1;
    // A broadcast operand is read through an index map; a broadcast mask may
    // have to be computed at that size.
    cost += 2 * anyMissing(q);
    for (ArrayRef<bool> operand : {ArrayRef<bool>(k), ArrayRef<bool>(v)})
      cost += 4 * anyMissing(operand.drop_back(shared));
    for (ArrayRef<bool> group :
         {ArrayRef<bool>(m).take_front(cut), ArrayRef<bool>(m).drop_front(cut)})
      cost += 8 * (anyMissing(group) && llvm::is_contained(group, true));
    if (!best || cost < bestCost) {
      best = Split{cut, shared};
      bestCost = cost;
    }
  }
  return best;
}

/// The operand as [factors or 1..., tokens, channels].
static Value spreadOperand(OpBuilder &builder, const AttentionMatch &match,
                           const LeadFactors &factors, LeadOperand operand) {
  Location loc = match.root->getLoc();
  if (peekScale(operand.value) != 1.0)
    operand.value = withoutScale(builder, operand.value);
  Value value = operand.value;
  if (operand.grouped) {
    mm::Shape shape = mm::getShape(value.getType());
    shape.insert(shape.begin() + 2, mm::Dim::constant(builder.getContext(), 1));
    value = reshapeTo(builder, loc, value, shape);
  }
  if (operand.swapped) {
    SmallVector<int64_t> permutation;
    int64_t rank = getTensorType(value).getRank();
    for (int64_t i = 0; i < rank; ++i)
      permutation.push_back(i);
    std::swap(permutation[rank - 1], permutation[rank - 2]);
    value = transposeTo(builder, loc, value, permutation);
  }
  return factors.spread(builder, loc, value, operand.lead);
}

static MaskPlan makePlan(OpBuilder &builder, const AttentionMatch &match) {
  std::vector<PlacedTerm> placed;
  for (const RawMask &mask : match.masks) {
    MaskTerms terms =
        mask.condition
            ? takeApartKept(builder, mask.value, mask.negated, mask.fill)
        : mask.factor > 0
            ? takeApartAdded(builder, mask.value)
            : MaskTerms{MaskTerm{MaskTerm::Add, mask.value, {}, 0}};
    for (const MaskTerm &term : terms)
      placed.push_back({term, mask.lead, mask.factor});
  }
  return planMask(placed, match.queries, match.keys);
}

mm::AttentionOp buildAttention(RewriterBase &rewriter,
                               const AttentionMatch &match) {
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(match.root);
  Location loc = match.root->getLoc();

  // Masks first: they may split factors once more.
  LeadFactors factors = match.factors;
  MaskPlan plan = makePlan(rewriter, match);
  for (PlacedTerm &placed : plan.rest)
    seeThroughRepeat(rewriter, placed, factors);
  Value mask = joinRest(rewriter, loc, plan, factors, match.scoreType);

  double scale = match.scale * match.query.factor * match.key.factor *
                 peekScale(match.query.value) * peekScale(match.key.value);
  double outputFactor =
      match.outputFactor * match.value.factor * peekScale(match.value.value);
  Value query = spreadOperand(rewriter, match, factors, match.query);
  Value key = spreadOperand(rewriter, match, factors, match.key);
  Value value = spreadOperand(rewriter, match, factors, match.value);
  for (auto &[factor, lead] : match.rowFactors)
    query = rewriter.create<mm::MulOp>(
        loc, query, factors.spread(rewriter, loc, factor, lead));

  std::optional<Split> split =
      chooseSplit(match, factors, query, key, value, mask);
  if (!split)
    return nullptr;
  query = factors.gather(rewriter, loc, query, split->heads, true);
  key = factors.gather(rewriter, loc, key, split->heads, true, split->shared);
  value =
      factors.gather(rewriter, loc, value, split->heads, true, split->shared);
  if (mask)
    mask = factors.gather(rewriter, loc, mask, split->heads, false);
  std::optional<int64_t> ahead = plan.ahead;
  if (match.ahead)
    ahead = ahead ? std::min(*ahead, *match.ahead) : *match.ahead;
  auto attention = rewriter.create<mm::AttentionOp>(
      loc, query, key, value, mask, /*spans=*/Value(),
      rewriter.getF64FloatAttr(scale), rewriter.getBoolAttr(ahead == 0),
      rewriter.getI64IntegerAttr(plan.window ? plan.window : match.window),
      rewriter.getI64IntegerAttr(ahead > 0 ? *ahead : -1),
      rewriter.getI64IntegerAttr(plan.stride ? plan.stride : match.stride),
      rewriter.getF64FloatAttr(match.softcap), rewriter.getStringAttr("f32"));
  Value result = attention.getResult();
  Type elementType = getElementTypeOrSelf(match.root->getResult(0));
  if (getElementTypeOrSelf(result) != elementType)
    result = rewriter.create<mm::CastOp>(
        loc, mm::makeTensorType(mm::getShape(result.getType()), elementType),
        result);
  if (outputFactor != 1.0)
    result = rewriter.create<mm::MulOp>(
        loc, result, makeScalar(rewriter, loc, elementType, outputFactor));
  replaceWithValue(rewriter, match.root, result);
  return attention;
}

} // namespace mmcc
