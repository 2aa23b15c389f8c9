//===- AttentionMatch.cpp - The pieces of an attention --------------------===//

#include "passes/attention/AttentionMatch.h"
#include "passes/attention/MaskTerms.h"
#include "passes/fuse/ConstantValues.h"
#include <cmath>
#include <limits>

using namespace mlir;

namespace mmcc {

static bool isFloat(Value value) {
  return isa<FloatType>(getElementTypeOrSelf(value));
}

//===----------------------------------------------------------------------===//
// Back to the scores
//===----------------------------------------------------------------------===//

namespace {
/// What has been passed on the way back, by value, so that a wrong turn at a
/// sum is forgotten.
struct Path {
  double multiplier = 1.0, softcap = 0.0;
  std::vector<RawMask> masks;
  std::vector<std::pair<Value, mm::Shape>> rowFactors;
  std::vector<mm::Shape> leads;
  mm::MatmulOp scores;
  int steps = 0;
};

class ScoreWalk {
public:
  explicit ScoreWalk(std::string &reason) : reason(reason) {}

  bool walk(Value value, Path &path) {
    Operation *op = value.getDefiningOp();
    if (!op)
      return fail("the scores come from outside");
    if (!value.hasOneUse())
      return fail("the scores have another use at", op);
    if (++path.steps > 24 || ++turns > 200)
      return fail("the scores are far from a product");
    if (auto matmul = dyn_cast<mm::MatmulOp>(op)) {
      path.scores = matmul;
      path.leads.push_back(getLead(value));
      return true;
    }
    if (auto cast = dyn_cast<mm::CastOp>(op))
      return isFloat(cast.getInput()) ? walk(cast.getInput(), path)
                                      : fail("not a float", op);
    if (auto reshape = dyn_cast<mm::ReshapeOp>(op)) {
      if (!keepsLastTwo(reshape))
        return fail("a reshape changes queries or keys", op);
      path.leads.push_back(getLead(value));
      return walk(reshape.getInput(), path);
    }
    if (isa<mm::AddOp, mm::SubOp>(op))
      return walkSum(op, path);
    if (isa<mm::MulOp, mm::DivOp>(op))
      return walkScale(op, path);
    if (auto select = dyn_cast<mm::SelectOp>(op))
      return walkSelect(select, path);
    if (auto max = dyn_cast<mm::MaxOp>(op)) {
      // A floor below which nothing counts.
      std::optional<double> floor = getSplat(max.getRhs());
      if (floor && *floor <= -1e30 && max.getLhs().getType() == max.getType())
        return walk(max.getLhs(), path);
    }
    if (auto tanh = dyn_cast<mm::TanhOp>(op)) {
      // multiplier * tanh(u), and u is reached next: the cap comes before the
      // masks that were passed, and none may lie below it.
      if (path.softcap != 0 || !(path.multiplier > 0))
        return fail("a second cap", op);
      if (!path.rowFactors.empty())
        return fail("a factor a row lies above the cap", op);
      path.softcap = path.multiplier;
      return walk(tanh.getInput(), path);
    }
    return fail("no scores: the way back ends at", op);
  }

private:
  bool fail(const char *text, Operation *op = nullptr) {
    reason = text;
    if (op)
      reason += " " + op->getName().getStringRef().str();
    return false;
  }

  bool walkSum(Operation *op, Path &path) {
    Value lhs = op->getOperand(0), rhs = op->getOperand(1);
    Type type = op->getResult(0).getType();
    if (path.softcap != 0)
      return fail("a mask lies below the cap", op);
    for (auto [scores, mask] : {std::pair(lhs, rhs), std::pair(rhs, lhs)}) {
      if (scores.getType() != type || (isa<mm::SubOp>(op) && scores == rhs) ||
          isConstantExpression(scores))
        continue;
      Path attempt = path;
      RawMask raw;
      raw.value = mask;
      raw.lead = getLead(op->getResult(0));
      raw.factor = path.multiplier * (isa<mm::SubOp>(op) ? -1.0 : 1.0);
      attempt.leads.push_back(raw.lead);
      attempt.masks.push_back(raw);
      if (walk(scores, attempt)) {
        path = attempt;
        return true;
      }
    }
    return false;
  }

  bool walkScale(Operation *op, Path &path) {
    Value lhs = op->getOperand(0), rhs = op->getOperand(1);
    Type type = op->getResult(0).getType();
    bool isDiv = isa<mm::DivOp>(op);
    for (auto [scores, factor] : {std::pair(lhs, rhs), std::pair(rhs, lhs)}) {
      if (scores.getType() != type || (isDiv && factor == lhs))
        continue;
      if (std::optional<double> number = getSplat(factor)) {
        if (!(*number > 0) || std::isinf(*number))
          return fail("a scale that is not positive", op);
        path.multiplier *= isDiv ? 1.0 / *number : *number;
        return walk(scores, path);
      }
    }
    if (isDiv)
      return fail("a quotient of two values", op);
    for (auto [scores, factor] : {std::pair(lhs, rhs), std::pair(rhs, lhs)}) {
      auto factorType = getTensorType(factor);
      // A column [.., queries or 1, 1] scales rows; what lies below it would be
      // scaled too.
      if (scores.getType() != type || path.softcap != 0 ||
          factorType.getRank() == 0 || factorType.getShape().back() != 1)
        continue;
      Path attempt = path;
      size_t masksAbove = attempt.masks.size();
      mm::Shape lead = getLead(op->getResult(0));
      attempt.leads.push_back(lead);
      attempt.rowFactors.push_back({factor, lead});
      if (walk(scores, attempt) && attempt.masks.size() == masksAbove) {
        path = attempt;
        return true;
      }
    }
    return fail("a product of two values", op);
  }

  bool walkSelect(mm::SelectOp select, Path &path) {
    for (bool fillOnTrue : {true, false}) {
      Value filler = fillOnTrue ? select.getOnTrue() : select.getOnFalse();
      Value scores = fillOnTrue ? select.getOnFalse() : select.getOnTrue();
      std::optional<double> fill = getSplat(filler);
      if (!fill || !(*fill <= kExcluded) ||
          scores.getType() != select.getType())
        continue;
      if (path.softcap != 0)
        return fail("a mask lies below the cap", select);
      RawMask raw;
      raw.value = select.getCondition();
      raw.condition = true;
      raw.negated = fillOnTrue;
      raw.fill = *fill;
      raw.lead = getLead(select);
      path.leads.push_back(raw.lead);
      path.masks.push_back(raw);
      return walk(scores, path);
    }
    return fail("a select that is no mask", select);
  }

  std::string &reason;
  int turns = 0;
};

//===----------------------------------------------------------------------===//
// Forth to the product with the values
//===----------------------------------------------------------------------===//

/// The result of select(is_nan(p), 0, p), if that is all that reads p.
Value matchNanGuard(Value p) {
  mm::SelectOp guard;
  int64_t others = 0;
  for (Operation *user : p.getUsers()) {
    if (auto isNan = dyn_cast<mm::IsNaNOp>(user)) {
      if (!isNan->hasOneUse())
        return {};
    } else if (auto select = dyn_cast<mm::SelectOp>(user)) {
      guard = select;
    } else {
      ++others;
    }
  }
  if (!guard || others)
    return {};
  auto isNan = guard.getCondition().getDefiningOp<mm::IsNaNOp>();
  bool matches = isNan && isNan.getInput() == p && guard.getOnFalse() == p &&
                 isSplat(guard.getOnTrue(), 0.0) &&
                 guard.getType() == p.getType();
  return matches ? guard.getResult() : Value();
}

/// Whether `select` sets to zero what a mask before the softmax excluded.
bool zeroesExcluded(mm::SelectOp select, Value p, const AttentionMatch &match) {
  if (select.getType() != p.getType())
    return false;
  for (const RawMask &mask : match.masks) {
    if (!mask.condition || mask.value != select.getCondition())
      continue;
    Value zero = mask.negated ? select.getOnTrue() : select.getOnFalse();
    Value kept = mask.negated ? select.getOnFalse() : select.getOnTrue();
    if (kept == p && isSplat(zero, 0.0))
      return true;
  }
  return false;
}

bool walkForth(Value p, AttentionMatch &match, std::string &reason) {
  for (int steps = 0; steps < 16; ++steps) {
    if (Value guarded = matchNanGuard(p)) {
      p = guarded;
      continue;
    }
    if (!p.hasOneUse()) {
      reason = "the probabilities have another use";
      return false;
    }
    Operation *user = *p.getUsers().begin();
    if (auto cast = dyn_cast<mm::CastOp>(user); cast && isFloat(cast)) {
      p = cast;
    } else if (auto reshape = dyn_cast<mm::ReshapeOp>(user);
               reshape && keepsLastTwo(reshape)) {
      match.leads.push_back(getLead(reshape));
      p = reshape;
    } else if (auto mul = dyn_cast<mm::MulOp>(user);
               mul && stripScale(mul).base == p) {
      match.outputFactor *= stripScale(mul).factor;
      p = mul;
    } else if (auto select = dyn_cast<mm::SelectOp>(user);
               select && zeroesExcluded(select, p, match)) {
      p = select;
    } else if (auto matmul = dyn_cast<mm::MatmulOp>(user);
               matmul && matmul.getLhs() == p && matmul.getRhs() != p) {
      match.root = matmul;
      match.leads.push_back(getLead(matmul));
      if (getLead(p) != getLead(matmul)) {
        reason = "the probabilities broadcast over the values";
        return false;
      }
      return true;
    } else {
      reason =
          "the probabilities go to " + user->getName().getStringRef().str();
      return false;
    }
  }
  reason = "the probabilities go far before a product";
  return false;
}

} // namespace

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

std::optional<AttentionMatch> matchAttention(mm::SoftmaxOp softmax,
                                             std::string &reason) {
  AttentionMatch match(softmax.getContext());
  auto type = softmax.getType();
  int64_t axis = softmax.getAxis(), rank = type.getRank();
  if (softmax.getLog() || rank < 2 || axis != rank - 1) {
    reason = "not a softmax over the last of several dimensions";
    return std::nullopt;
  }
  Path path;
  path.leads.push_back(getLead(softmax));
  ScoreWalk walk(reason);
  if (!walk.walk(softmax.getInput(), path))
    return std::nullopt;
  match.masks = path.masks;
  match.rowFactors = path.rowFactors;
  match.leads = path.leads;
  match.softcap = path.softcap;
  match.scale = path.multiplier;
  if (!walkForth(softmax, match, reason))
    return std::nullopt;
  auto product = cast<mm::MatmulOp>(match.root);
  Value q = path.scores.getLhs(), k = path.scores.getRhs();
  Value v = product.getRhs();
  if (getElementTypeOrSelf(q) != getElementTypeOrSelf(k) ||
      getElementTypeOrSelf(q) != getElementTypeOrSelf(v)) {
    reason = "queries, keys and values differ in element type";
    return std::nullopt;
  }
  for (ArrayRef<mm::Dim> lead : match.leads)
    if (!match.factors.refine(lead)) {
      reason = "the leading dimensions of scores and values do not nest";
      return std::nullopt;
    }
  mm::Shape scoreShape = mm::getShape(path.scores.getType());
  match.queries = scoreShape[scoreShape.size() - 2];
  match.keys = scoreShape.back();
  match.scoreType = type.getElementType();
  mm::Shape scoreLead = getLead(path.scores);
  match.query = seeThrough(q, scoreLead, false, match.factors);
  match.key = seeThrough(k, scoreLead, true, match.factors);
  match.value = seeThrough(v, getLead(product), false, match.factors);
  return match;
}

AttentionMatch matchExisting(mm::AttentionOp op) {
  AttentionMatch match(op.getContext());
  match.root = op;
  match.scale = op.getScale().convertToDouble();
  match.softcap = op.getSoftcap().convertToDouble();
  if (op.getCausal())
    match.ahead = 0;
  else if (int64_t(op.getAhead()) >= 0)
    match.ahead = op.getAhead();
  match.stride = op.getStride();
  match.window = op.getWindow();
  match.scoreType = getElementTypeOrSelf(op.getQuery());
  match.queries = mm::getShape(op.getQuery().getType())[2];
  match.keys = mm::getShape(op.getKey().getType())[2];
  mm::Shape lead = getLead(op.getQuery());
  match.leads.push_back(lead);
  match.factors.refine(lead);
  // Grouped keys have fewer heads: the ratio is a factor of its own, which
  // they lack.
  mm::Shape keyLead = getLead(op.getKey());
  bool grouped = keyLead[1] != lead[1];
  if (grouped) {
    mm::Shape split = {lead[0], keyLead[1], *lead[1].exactDiv(keyLead[1])};
    match.factors.refine(split);
    match.key.value = op.getKey();
    match.value.value = op.getValue();
    for (LeadOperand *operand : {&match.key, &match.value}) {
      operand->lead = split;
      operand->grouped = true;
    }
  } else {
    match.key = seeThrough(op.getKey(), lead, false, match.factors);
    match.value = seeThrough(op.getValue(), lead, false, match.factors);
  }
  match.query = seeThrough(op.getQuery(), lead, false, match.factors);
  if (Value mask = op.getMask()) {
    RawMask raw;
    raw.value = mask;
    raw.condition = getElementTypeOrSelf(mask).isInteger(1);
    raw.fill = -std::numeric_limits<double>::infinity();
    raw.lead = lead;
    match.masks.push_back(raw);
  }
  return match;
}

} // namespace mmcc
