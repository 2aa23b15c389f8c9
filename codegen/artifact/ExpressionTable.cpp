#include "codegen/artifact/ExpressionTable.h"

#include <algorithm>

namespace mmcc::artifact {

using schema::ExprOp;

/// The value of `op`, when it is defined and does not overflow.
static bool fold(ExprOp op, int64_t a, int64_t b, int64_t &result) {
  switch (op) {
  case ExprOp::add:
    return !__builtin_add_overflow(a, b, &result);
  case ExprOp::sub:
    return !__builtin_sub_overflow(a, b, &result);
  case ExprOp::mul:
    return !__builtin_mul_overflow(a, b, &result);
  case ExprOp::min:
    result = std::min(a, b);
    return true;
  case ExprOp::max:
    result = std::max(a, b);
    return true;
  default:
    break;
  }
  // The rest is folded where rounding cannot be in question.
  if (a < 0 || b <= 0)
    return false;
  result = op == ExprOp::floordiv  ? a / b
           : op == ExprOp::ceildiv ? a / b + (a % b != 0)
                                   : a % b;
  return true;
}

ExpressionTable::Id ExpressionTable::words(std::vector<int64_t> code) {
  auto [known, added] = ids.try_emplace(code, Id(expressions.size()));
  if (added)
    expressions.push_back(std::move(code));
  return known->second;
}

ExpressionTable::Id ExpressionTable::constant(int64_t value) {
  return words({int64_t(ExprOp::constant), value});
}

ExpressionTable::Id ExpressionTable::symbol(uint32_t symbol) {
  return words({int64_t(ExprOp::symbol), int64_t(symbol)});
}

ExpressionTable::Id ExpressionTable::binary(ExprOp op, Id lhs, Id rhs) {
  std::vector<int64_t> code = expressions[lhs];
  const std::vector<int64_t> &right = expressions[rhs];
  bool constants = code.size() == 2 && right.size() == 2 &&
                   code[0] == int64_t(ExprOp::constant) &&
                   right[0] == int64_t(ExprOp::constant);
  int64_t folded = 0;
  if (constants && fold(op, code[1], right[1], folded))
    return constant(folded);
  code.insert(code.end(), right.begin(), right.end());
  code.push_back(int64_t(op));
  return words(std::move(code));
}

void ExpressionTable::store(schema::EntryT &entry) const {
  entry.expr_code.clear();
  entry.expr_end.clear();
  for (const std::vector<int64_t> &code : expressions) {
    entry.expr_code.insert(entry.expr_code.end(), code.begin(), code.end());
    entry.expr_end.push_back(uint32_t(entry.expr_code.size()));
  }
}

} // namespace mmcc::artifact
