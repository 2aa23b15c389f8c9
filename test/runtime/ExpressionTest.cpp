#include "runtime/core/Expression.h"
#include "codegen/artifact/ExpressionTable.h"

#include <cstdint>
#include <gtest/gtest.h>
#include <vector>

namespace {

using namespace mmcc;
using runtime::Span;
using Op = schema::ExprOp;
using Code = std::vector<int64_t>;

Code binary(Op op, int64_t a, int64_t b) { return {0, a, 0, b, int64_t(op)}; }

int64_t valueOf(const Code &code, std::vector<int64_t> symbols = {}) {
  int64_t value = -999;
  EXPECT_EQ(runtime::checkExpression(Span<const int64_t>(code), symbols.size()),
            nullptr);
  EXPECT_TRUE(
      runtime::evaluate(Span<const int64_t>(code), symbols.data(), value));
  return value;
}

bool fails(const Code &code) {
  int64_t value;
  return !runtime::evaluate(Span<const int64_t>(code), nullptr, value);
}

TEST(Expression, arithmetic) {
  EXPECT_EQ(valueOf(binary(Op::add, 2, 3)), 5);
  EXPECT_EQ(valueOf(binary(Op::sub, 2, 3)), -1);
  EXPECT_EQ(valueOf(binary(Op::mul, -4, 3)), -12);
  EXPECT_EQ(valueOf(binary(Op::min, -4, 3)), -4);
  EXPECT_EQ(valueOf(binary(Op::max, -4, 3)), 3);
}

// -7 / 2 = -3.5; -7 / -2 = 3.5; 7 / -2 = -3.5.
TEST(Expression, rounding_of_negative_quotients) {
  EXPECT_EQ(valueOf(binary(Op::floordiv, 7, 2)), 3);
  EXPECT_EQ(valueOf(binary(Op::floordiv, -7, 2)), -4);
  EXPECT_EQ(valueOf(binary(Op::floordiv, -7, -2)), 3);
  EXPECT_EQ(valueOf(binary(Op::floordiv, 7, -2)), -4);
  EXPECT_EQ(valueOf(binary(Op::ceildiv, 7, 2)), 4);
  EXPECT_EQ(valueOf(binary(Op::ceildiv, -7, 2)), -3);
  EXPECT_EQ(valueOf(binary(Op::ceildiv, 6, 2)), 3);
  EXPECT_EQ(valueOf(binary(Op::mod, 7, 3)), 1);
  EXPECT_EQ(valueOf(binary(Op::mod, -7, 3)), 2);
  EXPECT_EQ(valueOf(binary(Op::mod, 7, -3)), -2);
}

TEST(Expression, overflow_and_division_by_zero_fail) {
  EXPECT_TRUE(fails(binary(Op::add, INT64_MAX, 1)));
  EXPECT_TRUE(fails(binary(Op::sub, INT64_MIN, 1)));
  EXPECT_TRUE(fails(binary(Op::mul, INT64_MAX, 2)));
  EXPECT_TRUE(fails(binary(Op::floordiv, 1, 0)));
  EXPECT_TRUE(fails(binary(Op::ceildiv, INT64_MIN, -1)));
  EXPECT_TRUE(fails(binary(Op::mod, 1, 0)));
}

TEST(Expression, symbols) {
  artifact::ExpressionTable e;
  auto id = e.add(e.mul(e.constant(3), e.symbol(1)), e.symbol(0));
  schema::EntryT entry;
  e.store(entry);
  Code code(entry.expr_code.begin() + entry.expr_end[id - 1],
            entry.expr_code.begin() + entry.expr_end[id]);
  EXPECT_EQ(valueOf(code, {5, 7}), 26);
  const char *names[] = {"batch", "seq"};
  EXPECT_EQ(runtime::textOf(Span<const int64_t>(code), names), "3*seq + batch");
}

TEST(Expression, malformed_code_is_refused) {
  auto refused = [](const Code &code, uint64_t symbols = 1) {
    return runtime::checkExpression(Span<const int64_t>(code), symbols) !=
           nullptr;
  };
  EXPECT_FALSE(refused({1, 0}));
  EXPECT_TRUE(refused({}));
  EXPECT_TRUE(refused({0}));              // no literal
  EXPECT_TRUE(refused({1, 1}));           // no such symbol
  EXPECT_TRUE(refused({1, -1}));          // no such symbol
  EXPECT_TRUE(refused({0, 1, 2}));        // one operand
  EXPECT_TRUE(refused({0, 1, 0, 2}));     // two results
  EXPECT_TRUE(refused({0, 1, 0, 2, 10})); // no such operator
  EXPECT_TRUE(refused({0, 1, 0, 2, -1})); // no such operator
  Code deep;
  for (unsigned i = 0; i <= runtime::kMaxExpressionDepth; ++i)
    deep.insert(deep.end(), {0, 1});
  for (unsigned i = 0; i < runtime::kMaxExpressionDepth; ++i)
    deep.push_back(int64_t(Op::add));
  EXPECT_TRUE(refused(deep));
}

TEST(Expression, table_shares_and_folds) {
  artifact::ExpressionTable e;
  EXPECT_EQ(e.constant(6), e.mul(e.constant(2), e.constant(3)));
  EXPECT_EQ(e.add(e.symbol(0), e.constant(1)),
            e.add(e.symbol(0), e.constant(1)));
  EXPECT_NE(e.symbol(0), e.symbol(1));
}

std::pair<int64_t, int64_t> bounds(const Code &code, int64_t lo, int64_t hi) {
  int64_t a, b;
  runtime::boundsOf(Span<const int64_t>(code), &lo, &hi, a, b);
  return {a, b};
}

TEST(Expression, bounds) {
  using Pair = std::pair<int64_t, int64_t>;
  EXPECT_EQ(bounds({1, 0}, 2, 9), Pair(2, 9));
  EXPECT_EQ(bounds({1, 0}, 2, -1), Pair(2, -1));
  Code affine = {0, 3, 1, 0, int64_t(Op::mul), 0, 1, int64_t(Op::add)};
  EXPECT_EQ(bounds(affine, 2, 9), Pair(7, 28));
  EXPECT_EQ(bounds(affine, 2, -1), Pair(7, -1));
  Code half = {1, 0, 0, 2, int64_t(Op::floordiv)};
  EXPECT_EQ(bounds(half, 3, 9), Pair(1, 4));
  EXPECT_EQ(bounds(half, 3, -1), Pair(1, -1));
  Code difference = {0, 10, 1, 0, int64_t(Op::sub)};
  EXPECT_EQ(bounds(difference, 3, 4), Pair(6, 7));
  Code rest = {1, 0, 0, 8, int64_t(Op::mod)};
  EXPECT_EQ(bounds(rest, 0, -1), Pair(0, 7));
}

} // namespace
