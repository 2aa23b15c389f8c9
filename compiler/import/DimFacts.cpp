//===- DimFacts.cpp - What is known about symbolic dimensions -------------===//

#include "compiler/import/DimFacts.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using mmcc::mm::Dim;

namespace mmcc::import {

//===----------------------------------------------------------------------===//
// Bounds
//===----------------------------------------------------------------------===//

static constexpr int64_t kMin = INT64_MIN, kMax = INT64_MAX;

static uint64_t magnitudeOf(AffineExpr expr) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    int64_t value = constant.getValue();
    return value < 0 ? -static_cast<uint64_t>(value) : value;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return 1;
  uint64_t lhs = magnitudeOf(binary.getLHS());
  uint64_t rhs = magnitudeOf(binary.getRHS());
  return expr.getKind() == AffineExprKind::Add
             ? llvm::SaturatingAdd(lhs, rhs)
             : llvm::SaturatingMultiply(lhs, rhs);
}

uint64_t magnitude(const Dim &dim) { return magnitudeOf(dim.getExpr()); }

bool canCombine(const Dim &a, const Dim &b) {
  return llvm::SaturatingMultiply(std::max<uint64_t>(magnitude(a), 1),
                                  std::max<uint64_t>(magnitude(b), 1)) <=
         uint64_t(1) << 52;
}

/// Sums saturate; an unbounded term wins over any other.
static int64_t addBound(int64_t a, int64_t b, int64_t unbounded) {
  if (a == unbounded || b == unbounded)
    return unbounded;
  int64_t sum;
  return llvm::AddOverflow(a, b, sum) ? unbounded : sum;
}

static int64_t mulBound(int64_t a, int64_t b) {
  if (a == 0 || b == 0)
    return 0;
  bool negative = (a < 0) != (b < 0);
  bool infinite = a == kMin || a == kMax || b == kMin || b == kMax;
  int64_t product;
  if (infinite || llvm::MulOverflow(a, b, product))
    return negative ? kMin : kMax;
  return product;
}

static Bounds multiply(Bounds a, Bounds b) {
  int64_t corners[] = {mulBound(a.lo, b.lo), mulBound(a.lo, b.hi),
                       mulBound(a.hi, b.lo), mulBound(a.hi, b.hi)};
  return {*std::min_element(corners, corners + 4),
          *std::max_element(corners, corners + 4)};
}

static int64_t divideBound(int64_t a, int64_t b, bool up) {
  if (a == kMin || a == kMax)
    return a;
  if (b == kMax)
    return up ? (a > 0) : -(a < 0);
  return up ? llvm::divideCeilSigned(a, b) : llvm::divideFloorSigned(a, b);
}

static Bounds divide(Bounds a, Bounds b, bool up) {
  if (b.lo <= 0)
    return {};
  int64_t corners[] = {divideBound(a.lo, b.lo, up), divideBound(a.lo, b.hi, up),
                       divideBound(a.hi, b.lo, up),
                       divideBound(a.hi, b.hi, up)};
  return {*std::min_element(corners, corners + 4),
          *std::max_element(corners, corners + 4)};
}

Bounds DimFacts::range(StringAttr name) const {
  auto it = ranges.find(name);
  return it == ranges.end() ? Bounds{1, kMax} : it->second;
}

Bounds DimFacts::boundsOf(AffineExpr expr, ArrayRef<StringAttr> names) const {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return {constant.getValue(), constant.getValue()};
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return range(names[symbol.getPosition()]);
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return {};
  Bounds a = boundsOf(binary.getLHS(), names);
  Bounds b = boundsOf(binary.getRHS(), names);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return {addBound(a.lo, b.lo, kMin), addBound(a.hi, b.hi, kMax)};
  case AffineExprKind::Mul:
    return multiply(a, b);
  case AffineExprKind::FloorDiv:
    return divide(a, b, false);
  case AffineExprKind::CeilDiv:
    return divide(a, b, true);
  case AffineExprKind::Mod:
    if (b.lo <= 0)
      return {};
    if (a.lo >= 0)
      return {0, std::min(a.hi, b.hi == kMax ? kMax : b.hi - 1)};
    return {0, b.hi == kMax ? kMax : b.hi - 1};
  default:
    return {};
  }
}

Bounds DimFacts::bounds(const Dim &dim) const {
  return boundsOf(dim.getExpr(), dim.symbols());
}

//===----------------------------------------------------------------------===//
// Decisions
//===----------------------------------------------------------------------===//

std::optional<bool> DimFacts::equal(const Dim &a, const Dim &b) const {
  if (a == b)
    return true;
  Bounds difference = bounds(a - b);
  if (difference.lo > 0 || difference.hi < 0)
    return false;
  if (difference.lo == 0 && difference.hi == 0)
    return true;
  return std::nullopt;
}

std::optional<bool> DimFacts::less(const Dim &a, const Dim &b) const {
  Bounds difference = bounds(b - a);
  if (difference.lo > 0)
    return true;
  if (difference.hi <= 0)
    return false;
  return std::nullopt;
}

std::optional<Dim> DimFacts::min(const Dim &a, const Dim &b) const {
  Bounds difference = bounds(b - a);
  if (difference.lo >= 0)
    return a;
  if (difference.hi <= 0)
    return b;
  return std::nullopt;
}

std::optional<Dim> DimFacts::max(const Dim &a, const Dim &b) const {
  std::optional<Dim> smaller = min(a, b);
  if (!smaller)
    return std::nullopt;
  return *smaller == a ? b : a;
}

//===----------------------------------------------------------------------===//
// Demands
//===----------------------------------------------------------------------===//

Dim DimFacts::symbol(MLIRContext *context, StringRef name) {
  auto key = StringAttr::get(context, prefix + name);
  mentioned.insert({key, 0});
  Dim dim = Dim::symbol(context, key.getValue());
  // A binding may mention symbols that were bound later.
  for (size_t i = 0; i <= bindings.size(); ++i) {
    Dim next = dim.substitute(bindings);
    if (next == dim)
      break;
    dim = next;
  }
  return dim;
}

/// Writes `dim` as factor * symbol + rest, if it is of that form and `rest`
/// is free of the symbol.
static bool splitLinear(const Dim &dim, StringAttr symbol, int64_t &factor,
                        Dim &rest) {
  MLIRContext *context = dim.getContext();
  DenseMap<StringAttr, Dim> zero, one;
  zero[symbol] = Dim::constant(context, 0);
  one[symbol] = Dim::constant(context, 1);
  rest = dim.substitute(zero);
  std::optional<int64_t> slope = (dim.substitute(one) - rest).getConstant();
  if (!slope || *slope == 0)
    return false;
  factor = *slope;
  return Dim::symbol(context, symbol.getValue()) * factor + rest == dim;
}

bool DimFacts::demandEqual(const Dim &a, const Dim &b) {
  std::optional<bool> known = equal(a, b);
  if (known)
    return *known;
  Dim difference = a - b;
  // Of several symbols the one mentioned last gives way.
  SmallVector<StringAttr> candidates(difference.symbols());
  llvm::sort(candidates, [&](StringAttr x, StringAttr y) {
    return std::distance(mentioned.begin(), mentioned.find(x)) >
           std::distance(mentioned.begin(), mentioned.find(y));
  });
  for (StringAttr symbol : candidates) {
    int64_t factor;
    Dim rest;
    if (!splitLinear(difference, symbol, factor, rest))
      continue;
    Dim solution;
    if (std::optional<int64_t> constant = rest.getConstant()) {
      if (*constant % factor != 0)
        return false;
      solution = Dim::constant(a.getContext(), -*constant / factor);
    } else if (factor == 1 || factor == -1) {
      solution = rest * -factor;
    } else {
      continue;
    }
    Bounds allowed = range(symbol), found = bounds(solution);
    if (found.hi < allowed.lo || found.lo > allowed.hi)
      return false;
    if (solution.symbols().size() == 1 &&
        solution ==
            Dim::symbol(a.getContext(), solution.symbols()[0].getValue()))
      ranges[solution.symbols()[0]] = {std::max(allowed.lo, found.lo),
                                       std::min(allowed.hi, found.hi)};
    bindings[symbol] = solution;
    restart = true;
    return true;
  }
  return false;
}

/// 1 if the expression grows with its only symbol, -1 if it falls, 0 if it is
/// constant; nothing if that is not plain from its form.
static std::optional<int> direction(AffineExpr expr) {
  if (isa<AffineConstantExpr>(expr))
    return 0;
  if (isa<AffineSymbolExpr>(expr))
    return 1;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return std::nullopt;
  std::optional<int> lhs = direction(binary.getLHS());
  std::optional<int> rhs = direction(binary.getRHS());
  if (!lhs || !rhs)
    return std::nullopt;
  auto constant = dyn_cast<AffineConstantExpr>(binary.getRHS());
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    if (*lhs * *rhs < 0)
      return std::nullopt;
    return *lhs ? *lhs : *rhs;
  case AffineExprKind::Mul:
    if (!constant)
      return std::nullopt;
    return constant.getValue() < 0 ? -*lhs : *lhs;
  case AffineExprKind::FloorDiv:
  case AffineExprKind::CeilDiv:
    if (!constant || constant.getValue() <= 0)
      return std::nullopt;
    return *lhs;
  default:
    return std::nullopt;
  }
}

bool DimFacts::demandAtMost(const Dim &a, const Dim &b) {
  Dim slack = b - a;
  Bounds now = bounds(slack);
  if (now.lo >= 0)
    return true;
  if (now.hi < 0 || slack.symbols().size() != 1)
    return false;
  StringAttr symbol = slack.symbols()[0];
  std::optional<int> slope = direction(slack.getExpr());
  if (!slope || *slope == 0)
    return false;
  MLIRContext *context = a.getContext();
  auto holds = [&](int64_t value) {
    DenseMap<StringAttr, Dim> values;
    values[symbol] = Dim::constant(context, value);
    return *slack.substitute(values).getConstant() >= 0;
  };
  // The sizes for which it holds lie on one side of a threshold.
  Bounds allowed = range(symbol);
  int64_t low = allowed.lo;
  int64_t high = std::min(allowed.hi, int64_t(1) << 40);
  if (!holds(*slope > 0 ? high : low))
    return false;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (*slope > 0)
      (holds(middle) ? high : low) = holds(middle) ? middle : middle + 1;
    else if (holds(middle + 1))
      low = middle + 1;
    else
      high = middle;
  }
  if (*slope > 0)
    allowed.lo = std::max(allowed.lo, low);
  else
    allowed.hi = std::min(allowed.hi, low);
  ranges[symbol] = allowed;
  narrowed = true;
  return true;
}

} // namespace mmcc::import
