#include "test/runtime/TestArtifact.h"

#include <gtest/gtest.h>

namespace mmcc::test {
namespace {

using namespace schema;

/// in [n] bytes -> those that are not zero: the output's length is counted
/// first. hi bounds the count.
TestArtifact compressArtifact(int64_t hi) {
  TestArtifact t;
  uint32_t n = t.e.symbol(t.symbol("n", 0, 0));
  uint32_t kept_symbol = t.symbol("kept", -1, -1, 0, hi);
  t.entry().symbols[kept_symbol]->origin = SymbolOrigin::command;
  uint32_t kept = t.e.symbol(kept_symbol);
  t.input("in", DType::u8, {n});
  t.output("out", DType::u8, {kept});
  uint32_t in = t.buffer(BufferKind::input, 0, n);
  uint32_t count = t.arena(t.e.constant(8), 0, 1);
  uint32_t copy = t.arena(kept, 2, 3);
  uint32_t out = t.buffer(BufferKind::output, 0, kept);
  uint32_t one = t.e.constant(1);
  t.dispatch(count_nonzero, {one}, {operand(in, kRead), operand(count, kWrite)},
             {n});
  DefineSymbolT define;
  define.symbol = kept_symbol;
  define.source = std::make_unique<Operand>(operand(count, kRead));
  t.command().body.Set(std::move(define));
  t.dispatch(compress, {one}, {operand(in, kRead), operand(copy, kWrite)}, {n});
  CopyT move;
  move.source = std::make_unique<Operand>(operand(copy, kRead));
  move.target = std::make_unique<Operand>(operand(out, kWrite));
  move.bytes = kept;
  t.command().body.Set(std::move(move));
  return t;
}

TEST(ControlFlow, a_command_defines_a_dimension) {
  Loaded loaded(compressArtifact(100).write("compress.mmcc"), 2);
  std::vector<std::vector<uint8_t>> cases = {
      {0, 3, 0, 4, 5, 0}, {1, 2, 3}, {0, 0}, {}, {9}, {0, 3, 0, 4, 5, 0}};
  for (std::vector<uint8_t> in : cases) {
    std::vector<uint8_t> expected;
    for (uint8_t byte : in)
      if (byte)
        expected.push_back(byte);
    std::vector<Tensor> outputs;
    Error error = {};
    ASSERT_TRUE(loaded.session.run(
        {tensorOf(MMCC_U8, {int64_t(in.size())}, in)}, outputs, error))
        << error.message;
    const uint8_t *out = static_cast<const uint8_t *>(outputs[0].data);
    ASSERT_EQ(outputs[0].dims[0], int64_t(expected.size()));
    EXPECT_EQ(std::vector<uint8_t>(out, out + expected.size()), expected);
  }
}

TEST(ControlFlow, a_defined_dimension_is_checked) {
  Loaded loaded(compressArtifact(2).write("compress.mmcc"), 1);
  std::vector<uint8_t> in = {1, 1, 1};
  std::vector<Tensor> outputs;
  Error error = {};
  EXPECT_FALSE(
      loaded.session.run({tensorOf(MMCC_U8, {3}, in)}, outputs, error));
  EXPECT_STREQ(error.message, "entry 'main': command 1: the data gives 'kept' "
                              "= 3, which must be 0 to 2");
  EXPECT_FALSE(loaded.session.outputShapes({tensorOf(MMCC_U8, {3}, in)},
                                           outputs, error));
  EXPECT_EQ(error.code, MMCC_UNSUPPORTED);
}

/// if (flag) out = 7s else out = 0x0201 pattern.
TEST(ControlFlow, branch_takes_one_side) {
  TestArtifact t;
  uint32_t n = t.e.constant(6);
  t.input("flag", DType::boolean, {});
  t.output("out", DType::u8, {n});
  uint32_t flag = t.buffer(BufferKind::input, 0, t.e.constant(1));
  uint32_t out = t.buffer(BufferKind::output, 0, n);
  BranchT branch;
  branch.condition = std::make_unique<Operand>(operand(flag, kRead));
  branch.then_block = 1;
  branch.else_block = 2;
  t.command().body.Set(std::move(branch));
  for (uint32_t block : {1u, 2u}) {
    FillT fill;
    fill.target = std::make_unique<Operand>(operand(out, kWrite));
    fill.bytes = n;
    fill.pattern = block == 1 ? 7 : 0x0201;
    fill.pattern_bytes = block;
    t.command(block).body.Set(std::move(fill));
  }
  Loaded loaded(t.write("branch.mmcc"), 2);
  for (uint8_t value : {1, 0}) {
    std::vector<uint8_t> input = {value};
    std::vector<Tensor> outputs;
    Error error = {};
    ASSERT_TRUE(
        loaded.session.run({tensorOf(MMCC_BOOL, {}, input)}, outputs, error))
        << error.message;
    const uint8_t *bytes = static_cast<const uint8_t *>(outputs[0].data);
    std::vector<uint8_t> expected(6, 7);
    if (!value)
      expected = {1, 2, 1, 2, 1, 2};
    EXPECT_EQ(std::vector<uint8_t>(bytes, bytes + 6), expected);
  }
}

/// total = 0; going_on = 1; up to `trips` times while going_on:
///   total += i + 1; going_on = total < limit.
TestArtifact loopArtifact(int64_t limit) {
  TestArtifact t;
  uint32_t trips = t.e.symbol(t.symbol("trips", 0, 0));
  uint32_t index_symbol = t.symbol("i", -1, -1);
  t.entry().symbols[index_symbol]->origin = SymbolOrigin::loop_index;
  t.input("turns", DType::u8, {trips});
  t.output("total", DType::i64, {});
  uint32_t total = t.buffer(BufferKind::output, 0, t.e.constant(8));
  uint32_t going_on = t.arena(t.e.constant(1), 0, 2);
  auto fill = [&](uint32_t buffer, uint64_t value, int64_t bytes) {
    FillT fill;
    fill.target = std::make_unique<Operand>(operand(buffer, kWrite));
    fill.bytes = t.e.constant(bytes);
    fill.pattern = value;
    t.command().body.Set(std::move(fill));
  };
  fill(total, 0, 8);
  fill(going_on, 1, 1);
  LoopT loop;
  loop.trips = int32_t(trips);
  loop.condition = std::make_unique<Operand>(operand(going_on, kRead));
  loop.body = 1;
  loop.index_symbol = int32_t(index_symbol);
  t.command().body.Set(std::move(loop));
  uint32_t next = t.e.add(t.e.symbol(index_symbol), t.e.constant(1));
  t.dispatch(accumulate, {t.e.constant(1)},
             {operand(total, kWrite), operand(going_on, kWrite)},
             {next, t.e.constant(limit)}, 1);
  return t;
}

TEST(ControlFlow, loop_counts_and_stops) {
  // 1 + 2 + 3 + 4 + 5 = 15; with a limit of 8 it stops after 1 + 2 + 3 + 4.
  for (auto [limit, trips, expected] :
       {std::tuple(1000, 5, 15), std::tuple(8, 5, 10), std::tuple(8, 0, 0)}) {
    Loaded loaded(loopArtifact(limit).write("loop.mmcc"), 2);
    std::vector<uint8_t> turns(size_t(trips), 0);
    std::vector<Tensor> outputs;
    Error error = {};
    for (int repeat = 0; repeat < 2; ++repeat) {
      ASSERT_TRUE(loaded.session.run({tensorOf(MMCC_U8, {trips}, turns)},
                                     outputs, error))
          << error.message;
      EXPECT_EQ(*static_cast<const int64_t *>(outputs[0].data), expected);
    }
  }
}

TEST(ControlFlow, large_copies_and_fills_are_complete) {
  TestArtifact t;
  const int64_t bytes = (1 << 20) + 24;
  uint32_t n = t.e.constant(bytes);
  t.output("out", DType::u8, {n});
  uint32_t out = t.buffer(BufferKind::output, 0, n);
  uint32_t mid = t.arena(n, 0, 1);
  FillT fill;
  fill.target = std::make_unique<Operand>(operand(mid, kWrite));
  fill.bytes = n;
  fill.pattern = 0x0807060504030201;
  fill.pattern_bytes = 8;
  t.command().body.Set(std::move(fill));
  CopyT copy;
  copy.source = std::make_unique<Operand>(operand(mid, kRead));
  copy.target = std::make_unique<Operand>(operand(out, kWrite));
  copy.bytes = n;
  t.command().body.Set(std::move(copy));
  Loaded loaded(t.write("moves.mmcc"), 3);
  std::vector<Tensor> outputs;
  Error error = {};
  ASSERT_TRUE(loaded.session.run({}, outputs, error)) << error.message;
  const uint8_t *data = static_cast<const uint8_t *>(outputs[0].data);
  for (int64_t i = 0; i < bytes; ++i)
    ASSERT_EQ(data[i], i % 8 + 1) << i;
}

} // namespace
} // namespace mmcc::test
