// What a session reports of its commands, and the map of names for perf.

#include "test/runtime/TestArtifact.h"

#include <cstdio>
#include <gtest/gtest.h>
#include <unistd.h>

namespace mmcc::test {
namespace {

using namespace schema;

/// out[r] = 2 * sum(x[r, :]): sum_rows into the arena, then, for two nodes,
/// twice add_f32 of that to itself.
TestArtifact sumTwice() {
  TestArtifact t;
  uint32_t rows = t.e.symbol(t.symbol("rows", 0, 0, 1));
  uint32_t columns = t.e.symbol(t.symbol("columns", 0, 1, 1));
  t.input("x", DType::f32, {rows, columns});
  t.output("out", DType::f32, {rows});
  uint32_t bytes = t.e.mul(rows, t.e.constant(4));
  uint32_t x = t.buffer(BufferKind::input, 0, t.e.mul(bytes, columns));
  uint32_t out = t.buffer(BufferKind::output, 0, bytes);
  uint32_t mid = t.arena(bytes, 0, 2);
  t.dispatch(sum_rows, {rows}, {operand(x, kRead), operand(mid, kWrite)},
             {columns});
  uint32_t block = t.e.constant(3);
  for (int i = 0; i < 2; ++i)
    t.dispatch(add_f32, {t.e.ceilDiv(rows, block)},
               {operand(mid, kRead), operand(mid, kRead), operand(out, kWrite)},
               {rows, block});
  auto function = std::make_unique<KernelT>();
  function->name = "helper";
  function->entry_offset = testImage().size() - 1;
  t.program.variants[0]->functions.push_back(std::move(function));
  t.entry().node_names = {"pool\n", "double", "again"};
  for (int i = 0; i < 3; ++i)
    t.entry().blocks[0]->commands[i]->node = i;
  return t;
}

struct Seen {
  std::string node, kernel;
  std::vector<float> result;
};

void note(const mmcc_observation *observation, void *context) {
  const float *data = static_cast<const float *>(observation->data);
  Seen seen = {observation->node,
               observation->kernel,
               {data, data + observation->bytes / 4}};
  static_cast<std::vector<Seen> *>(context)->push_back(std::move(seen));
}

TEST(Observer, sees_what_every_command_stores) {
  Loaded loaded(sumTwice().write("observed.mmcc"), 2);
  std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  std::vector<Tensor> inputs = {tensorOf(MMCC_F32, {5, 2}, x)}, outputs;
  std::vector<Seen> seen;
  Error error = {};
  mmcc_session_set_observer(loaded.session.get(), note, &seen);
  ASSERT_TRUE(loaded.session.run(inputs, outputs, error)) << error.message;
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].kernel, "kernel6");
  EXPECT_EQ(seen[0].result, (std::vector<float>{3, 7, 11, 15, 19}));
  EXPECT_EQ(seen[1].node, "double");
  EXPECT_EQ(seen[1].result, (std::vector<float>{6, 14, 22, 30, 38}));
  EXPECT_EQ(loaded.session.launches(), 3u);

  mmcc_session_set_observer(loaded.session.get(), nullptr, nullptr);
  ASSERT_TRUE(loaded.session.run(inputs, outputs, error));
  EXPECT_EQ(seen.size(), 3u);
}

#ifndef MMCC_TEST_GPU // perf looks at processors
TEST(PerfMap, names_kernels_and_nodes) {
  Loaded loaded(sumTwice().write("observed.mmcc"), 1);
  std::string path = "/tmp/perf-" + std::to_string(getpid()) + ".map";
  std::remove(path.c_str());
  Error error = {};
  ASSERT_EQ(mmcc_model_write_perf_map(loaded.model.get(), &error), MMCC_OK)
      << error.message;
  std::vector<uint8_t> file = readFile(path);
  std::string text(file.begin(), file.end());
  std::remove(path.c_str());
  EXPECT_NE(text.find(" kernel6 (pool?)\n"), std::string::npos) << text;
  EXPECT_NE(text.find(" kernel0 (double, +1)\n"), std::string::npos) << text;
  EXPECT_NE(text.find(" kernel1\n"), std::string::npos) << text;
  EXPECT_NE(text.find(" 1 helper\n"), std::string::npos) << text;
}
#endif

} // namespace
} // namespace mmcc::test
