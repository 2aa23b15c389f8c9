// Dependencies, traffic and places of an entry's commands.

#include "compiler/report/ProgramFacts.h"
#include "test/runtime/TestArtifact.h"

#include <gtest/gtest.h>

namespace mmcc::test {
namespace {

using namespace schema;

/// Packs the program as an artifact does, and describes its entry.
llvm::json::Object describe(TestArtifact &t, std::vector<int64_t> symbols) {
  t.e.store(t.entry());
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(Program::Pack(builder, &t.program));
  const Program *program =
      flatbuffers::GetRoot<Program>(builder.GetBufferPointer());
  return describeEntry(*program->variants()->Get(0),
                       *program->entries()->Get(0), symbols);
}

std::vector<int64_t> numbers(const llvm::json::Array &array) {
  std::vector<int64_t> result;
  for (const llvm::json::Value &value : array)
    result.push_back(value.getAsInteger().value_or(-1));
  return result;
}

/// x and y are written by 0 and 1, which read the input; 2 writes part of x
/// over again without reading it, 3 adds to y in place; 4 reads both.
TestArtifact diamond(bool placed) {
  TestArtifact t;
  uint32_t n = t.e.symbol(t.symbol("n", 0, 0, 1));
  uint32_t bytes = t.e.mul(n, t.e.constant(4));
  uint32_t in =
      t.buffer(BufferKind::input, t.input("in", DType::f32, {n}), bytes);
  t.output("out", DType::f32, {n});
  uint32_t out = t.buffer(BufferKind::output, 0, bytes);
  auto place = [&](int64_t at) {
    return placed ? int32_t(t.e.constant(at)) : -1;
  };
  uint32_t x = t.arena(bytes, 0, 4, place(0));
  uint32_t y = t.arena(bytes, 1, 4, place(4096));
  uint32_t one = t.e.constant(1);
  auto run = [&](std::vector<Operand> operands) {
    t.dispatch(add_f32, {one}, std::move(operands), {n, one});
  };
  run({operand(in, kRead), operand(in, kRead), operand(x, kWrite)});
  run({operand(in, kRead), operand(in, kRead), operand(y, kWrite)});
  run({operand(in, kRead), operand(in, kRead), operand(x, kWrite)});
  run({operand(in, kRead), operand(y, kRead), operand(y, kWrite)});
  run({operand(x, kRead), operand(y, kRead), operand(out, kWrite)});
  return t;
}

TEST(ProgramFacts, commands_come_after_what_wrote_their_operands) {
  TestArtifact t = diamond(true);
  llvm::json::Object facts = describe(t, {10});
  const llvm::json::Array &commands = *facts.getArray("commands");
  ASSERT_EQ(commands.size(), 5u);
  std::vector<std::vector<int64_t>> after;
  std::vector<int64_t> bytes;
  for (const llvm::json::Value &command : commands) {
    after.push_back(numbers(*command.getAsObject()->getArray("after")));
    bytes.push_back(*command.getAsObject()->getInteger("bytes"));
  }
  // Both writers of x, since the second may have left the first one's part; of
  // y only the one that has read what was there before.
  EXPECT_EQ(after,
            (std::vector<std::vector<int64_t>>{{}, {}, {}, {1}, {0, 2, 3}}));
  // Ten floats each, however often an operand names them.
  EXPECT_EQ(bytes, (std::vector<int64_t>{80, 80, 80, 80, 120}));
}

TEST(ProgramFacts, arena_is_where_compiler_or_runtime_put_it) {
  for (bool placed : {true, false}) {
    TestArtifact t = diamond(placed);
    llvm::json::Object facts = describe(t, {100});
    const llvm::json::Array &buffers = *facts.getArray("buffers");
    ASSERT_EQ(buffers.size(), 2u);
    const llvm::json::Object &x = *buffers[0].getAsObject();
    const llvm::json::Object &y = *buffers[1].getAsObject();
    EXPECT_EQ(x.getInteger("bytes"), 400);
    EXPECT_EQ(x.getInteger("first"), 0);
    EXPECT_EQ(y.getInteger("first"), 1);
    EXPECT_EQ(y.getInteger("last"), 4);
    // The runtime packs from 0 on: 400 bytes, up to a multiple of 64, and 400.
    int64_t end = placed ? 4096 + 400 : 448 + 400;
    EXPECT_EQ(facts.getObject("arena")->getInteger("bytes"), end);
    // Both, rounded up to 64, from command 1 on.
    EXPECT_EQ(facts.getObject("arena")->getInteger("live"), 448 + 448);
  }
}

TEST(ProgramFacts, a_loop_reads_no_more_of_a_table_than_it_stores) {
  TestArtifact t;
  uint32_t n = t.e.constant(10), bytes = t.e.constant(40);
  t.output("out", DType::f32, {n});
  uint32_t out = t.buffer(BufferKind::output, 0, bytes);
  uint32_t table =
      t.buffer(BufferKind::constant, t.constant("table", {1, 2, 3}),
               t.e.constant(1 << 20));
  for (Kernel kernel : {add_f32, cell_id})
    t.dispatch(kernel, {n}, {operand(table, kRead), operand(out, kWrite)}, {n});
  t.program.variants[0]->kernels[add_f32]->name = "loops_3";
  t.program.variants[0]->kernels[cell_id]->name = "gemm_f32_4";
  llvm::json::Object facts = describe(t, {});
  const llvm::json::Array &commands = *facts.getArray("commands");
  const llvm::json::Object &loop = *commands[0].getAsObject();
  const llvm::json::Object &product = *commands[1].getAsObject();
  EXPECT_EQ(loop.getString("row"), "loops");
  EXPECT_EQ(loop.getInteger("bytes"), 40 + 40);
  EXPECT_EQ(product.getString("row"), "gemm_f32");
  EXPECT_EQ(product.getInteger("bytes"), (1 << 20) + 40);
  EXPECT_EQ(product.getInteger("weights"), 1 << 20);
}

} // namespace
} // namespace mmcc::test
