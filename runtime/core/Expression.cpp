#include "runtime/core/Expression.h"

#include "runtime/core/CheckedMath.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace mmcc::runtime {

using schema::ExprOp;

Span<const int64_t> expressionOf(const schema::Entry &entry, uint32_t id) {
  uint32_t begin = id == 0 ? 0 : entry.expr_end()->Get(id - 1);
  return {entry.expr_code()->data() + begin, entry.expr_end()->Get(id) - begin};
}

const char *checkExpression(Span<const int64_t> code, uint64_t symbol_count) {
  unsigned depth = 0;
  for (size_t i = 0; i < code.size(); ++i) {
    if (code[i] < 0 || code[i] > int64_t(ExprOp::MAX))
      return "has an unknown operator";
    ExprOp op = ExprOp(code[i]);
    if (op == ExprOp::constant || op == ExprOp::symbol) {
      if (++i == code.size())
        return "ends within an instruction";
      if (op == ExprOp::symbol &&
          (code[i] < 0 || uint64_t(code[i]) >= symbol_count))
        return "names a symbol that does not exist";
      if (++depth > kMaxExpressionDepth)
        return "is nested too deeply";
      continue;
    }
    if (depth < 2)
      return "takes an operand that is not there";
    --depth;
  }
  return depth == 1 ? nullptr : "does not leave exactly one value";
}

static int64_t floorDivide(int64_t a, int64_t b) {
  int64_t quotient = a / b;
  return quotient * b != a && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

static bool apply(ExprOp op, int64_t a, int64_t b, int64_t &result) {
  constexpr int64_t lowest = std::numeric_limits<int64_t>::min();
  switch (op) {
  case ExprOp::add:
    return checkedAdd(a, b, result);
  case ExprOp::sub:
    return checkedSub(a, b, result);
  case ExprOp::mul:
    return checkedMul(a, b, result);
  case ExprOp::min:
    result = std::min(a, b);
    return true;
  case ExprOp::max:
    result = std::max(a, b);
    return true;
  default:
    break;
  }
  if (b == 0 || (a == lowest && b == -1))
    return false;
  int64_t quotient = floorDivide(a, b);
  int64_t remainder = a - quotient * b;
  if (op == ExprOp::floordiv)
    result = quotient;
  else if (op == ExprOp::ceildiv)
    result = quotient + (remainder != 0);
  else
    result = remainder;
  return true;
}

bool evaluate(Span<const int64_t> code, const int64_t *symbols,
              int64_t &result) {
  int64_t stack[kMaxExpressionDepth];
  unsigned depth = 0;
  for (size_t i = 0; i < code.size(); ++i) {
    ExprOp op = ExprOp(code[i]);
    if (op == ExprOp::constant) {
      stack[depth++] = code[++i];
    } else if (op == ExprOp::symbol) {
      stack[depth++] = symbols[code[++i]];
    } else {
      --depth;
      if (!apply(op, stack[depth - 1], stack[depth], stack[depth - 1]))
        return false;
    }
  }
  result = stack[0];
  return true;
}

template <typename Visit>
static void forEachSymbol(Span<const int64_t> code, Visit visit) {
  for (size_t i = 0; i < code.size(); ++i) {
    ExprOp op = ExprOp(code[i]);
    if (op == ExprOp::symbol)
      visit(uint64_t(code[i + 1]));
    if (op == ExprOp::symbol || op == ExprOp::constant)
      ++i;
  }
}

uint32_t largestOf(Span<const int64_t> code, const uint32_t *value_of) {
  uint32_t largest = 0;
  forEachSymbol(
      code, [&](uint64_t id) { largest = std::max(largest, value_of[id]); });
  return largest;
}

uint64_t unionOf(Span<const int64_t> code, const uint64_t *mask_of) {
  uint64_t mask = 0;
  forEachSymbol(code, [&](uint64_t id) { mask |= mask_of[id]; });
  return mask;
}

namespace {

struct Interval {
  int64_t lo;
  int64_t hi;
};

// Saturation stands for "no bound".
constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
constexpr int64_t kNoneLow = std::numeric_limits<int64_t>::min();

Interval combine(ExprOp op, Interval a, Interval b) {
  if (op == ExprOp::min)
    return {std::min(a.lo, b.lo), std::min(a.hi, b.hi)};
  if (op == ExprOp::max)
    return {std::max(a.lo, b.lo), std::max(a.hi, b.hi)};
  if (op == ExprOp::mod) {
    if (b.lo > 0 && b.hi != kNone)
      return {0, b.hi - 1};
    return {b.lo > 0 ? 0 : kNoneLow, kNone};
  }
  if (a.lo == kNoneLow || b.lo == kNoneLow || b.hi == kNone ||
      (op != ExprOp::add && op != ExprOp::sub && b.lo <= 0 && b.hi >= 0 &&
       op != ExprOp::mul)) {
    // Only the common case, a + b and a * b of values that are not negative,
    // keeps its lower bound.
    int64_t lo = 0;
    if ((op == ExprOp::add && a.lo >= 0 && b.lo >= 0 &&
         checkedAdd(a.lo, b.lo, lo)) ||
        (op == ExprOp::mul && a.lo >= 0 && b.lo >= 0 &&
         checkedMul(a.lo, b.lo, lo)))
      return {lo, kNone};
    return {kNoneLow, kNone};
  }
  Interval result = {kNone, kNoneLow};
  bool open = a.hi == kNone;
  const int64_t as[2] = {a.lo, open ? a.lo : a.hi};
  const int64_t bs[2] = {b.lo, b.hi};
  for (int64_t x : as) {
    for (int64_t y : bs) {
      int64_t value;
      if (!apply(op, x, y, value))
        return {kNoneLow, kNone};
      result.lo = std::min(result.lo, value);
      result.hi = std::max(result.hi, value);
    }
  }
  if (open) {
    bool rises = op == ExprOp::add || op == ExprOp::sub || b.lo >= 0;
    return {rises ? result.lo : kNoneLow, kNone};
  }
  return result;
}

} // namespace

void boundsOf(Span<const int64_t> code, const int64_t *lo, const int64_t *hi,
              int64_t &result_lo, int64_t &result_hi) {
  Interval stack[kMaxExpressionDepth];
  unsigned depth = 0;
  for (size_t i = 0; i < code.size(); ++i) {
    ExprOp op = ExprOp(code[i]);
    if (op == ExprOp::constant) {
      stack[depth++] = {code[i + 1], code[i + 1]};
      ++i;
    } else if (op == ExprOp::symbol) {
      int64_t id = code[++i];
      stack[depth++] = {lo[id], hi[id] < 0 ? kNone : hi[id]};
    } else {
      --depth;
      stack[depth - 1] = combine(op, stack[depth - 1], stack[depth]);
    }
  }
  result_lo = std::max<int64_t>(stack[0].lo, 0);
  result_hi = stack[0].hi == kNone ? -1 : std::max<int64_t>(stack[0].hi, 0);
}

std::string textOf(Span<const int64_t> code, const char *const *names) {
  struct Part {
    std::string text;
    int precedence;
  };
  std::vector<Part> stack;
  auto wrapped = [](const Part &part, int precedence) {
    return part.precedence < precedence ? "(" + part.text + ")" : part.text;
  };
  for (size_t i = 0; i < code.size(); ++i) {
    ExprOp op = ExprOp(code[i]);
    if (op == ExprOp::constant) {
      stack.push_back({std::to_string(code[++i]), 3});
      continue;
    }
    if (op == ExprOp::symbol) {
      stack.push_back({names[code[++i]], 3});
      continue;
    }
    Part rhs = std::move(stack.back());
    stack.pop_back();
    Part &lhs = stack.back();
    if (op == ExprOp::add || op == ExprOp::sub) {
      lhs.text = wrapped(lhs, 1) + (op == ExprOp::add ? " + " : " - ") +
                 wrapped(rhs, 2);
      lhs.precedence = 1;
    } else if (op == ExprOp::mul) {
      lhs.text = wrapped(lhs, 2) + "*" + wrapped(rhs, 3);
      lhs.precedence = 2;
    } else {
      lhs.text = std::string(schema::EnumNameExprOp(op)) + "(" + lhs.text +
                 ", " + rhs.text + ")";
      lhs.precedence = 3;
    }
  }
  return stack.back().text;
}

} // namespace mmcc::runtime
