// Streams: what runs side by side, in every order that waits allow, gives what
// one after the other gives.

#include "runtime/executor/ArenaPacker.h"
#include "test/runtime/TestArtifact.h"

#include <functional>
#include <gtest/gtest.h>
#include <set>

namespace mmcc::test {
namespace {

using namespace schema;

/// Two chains of `length` additions, out = a + length * b and c + length * b,
/// in streams 0 and 1, and their sum. `n` elements, a cell each `block`.
TestArtifact chains(uint32_t length, int64_t size, int64_t block_size) {
  TestArtifact t;
  uint32_t n = t.e.constant(size), bytes = t.e.constant(size * 4);
  uint32_t block = t.e.constant(block_size);
  std::vector<uint32_t> in;
  for (const char *name : {"a", "b", "c"})
    in.push_back(
        t.buffer(BufferKind::input, t.input(name, DType::f32, {n}), bytes));
  t.output("out", DType::f32, {n});
  uint32_t out = t.buffer(BufferKind::output, 0, bytes);
  // Commands: the chains, a record, a wait, the sum.
  auto add = [&](uint32_t x, uint32_t y, uint32_t sum, uint32_t stream) {
    t.dispatch(add_f32, {t.e.ceilDiv(n, block)},
               {operand(x, kRead), operand(y, kRead), operand(sum, kWrite)},
               {n, block});
    t.entry().blocks[0]->commands.back()->stream = stream;
  };
  uint32_t ends[2];
  for (uint32_t stream = 0; stream < 2; ++stream) {
    uint32_t last = in[stream * 2];
    for (uint32_t i = 0; i < length; ++i) {
      uint32_t position = stream * length + i;
      // Placed by the runtime: many of one stream share a place.
      uint32_t next = t.arena(bytes, position,
                              i + 1 == length ? 2 * length + 2 : position + 1);
      add(last, in[1], next, stream);
      last = next;
    }
    ends[stream] = last;
  }
  EventRecordT record;
  t.command().body.Set(record);
  t.entry().blocks[0]->commands.back()->stream = 1;
  EventWaitT wait;
  t.command().body.Set(wait);
  add(ends[0], ends[1], out, 0);
  t.entry().stream_count = 2;
  t.entry().event_count = 1;
  t.program.features = {"streams"};
  return t;
}

void check(uint32_t length, int64_t size, int64_t block, unsigned threads,
           int rounds) {
  Loaded loaded(chains(length, size, block).write("streams.mmcc"), threads);
  ASSERT_TRUE(bool(loaded.session));
  std::vector<float> a(static_cast<size_t>(size), 1),
      b(static_cast<size_t>(size), 2), c(static_cast<size_t>(size), 3);
  for (int round = 0; round < rounds; ++round) {
    a[0] = float(round);
    c[0] = float(3 * round);
    std::vector<Tensor> inputs = {tensorOf(MMCC_F32, {size}, a),
                                  tensorOf(MMCC_F32, {size}, b),
                                  tensorOf(MMCC_F32, {size}, c)};
    std::vector<Tensor> outputs;
    Error error = {};
    ASSERT_TRUE(loaded.session.run(inputs, outputs, error)) << error.message;
    EXPECT_EQ(loaded.session.launches(), 2 * length + 1);
    const float *sum = static_cast<const float *>(outputs[0].data);
    for (size_t i = 0; i < a.size(); ++i)
      ASSERT_EQ(sum[i], a[i] + c[i] + 4 * float(length)) << i;
  }
}

// Long launches are shared, short ones are not; both worth several threads.
TEST(Streams, of_shared_launches) {
  for (unsigned threads : {1, 2, 3, 5})
    check(/*length=*/7, /*size=*/40000, /*block=*/1000, threads, 30);
}

TEST(Streams, of_launches_that_are_not_shared) {
  for (unsigned threads : {1, 2, 3})
    check(/*length=*/40, /*size=*/1000, /*block=*/1000, threads, 100);
}

TEST(Streams, are_profiled_one_after_the_other) {
  Loaded loaded(chains(3, 4000, 1000).write("streams.mmcc"), 2);
  mmcc_session_set_profiling(loaded.session.get(), 1);
  std::vector<float> x(4000, 1);
  std::vector<Tensor> inputs(3, tensorOf(MMCC_F32, {4000}, x)), outputs;
  Error error = {};
  ASSERT_TRUE(loaded.session.run(inputs, outputs, error)) << error.message;
  EXPECT_EQ(mmcc_session_profile_size(loaded.session.get()), 7u);
}

TEST(Streams, have_a_timeline) {
  Loaded loaded(chains(3, 40000, 1000).write("streams.mmcc"), 3);
  mmcc_session_set_timeline(loaded.session.get(), 1);
  std::vector<float> x(40000, 1);
  std::vector<Tensor> inputs(3, tensorOf(MMCC_F32, {40000}, x)), outputs;
  Error error = {};
  // Of the last run only.
  for (int i = 0; i < 2; ++i)
    ASSERT_TRUE(loaded.session.run(inputs, outputs, error)) << error.message;
  std::set<uint32_t> commands;
  std::vector<uint64_t> ends(3, 0);
  size_t size = mmcc_session_timeline_size(loaded.session.get());
  mmcc_timeline_slice slice;
  for (size_t i = 0; i < size; ++i) {
    ASSERT_EQ(mmcc_session_timeline(loaded.session.get(), i, &slice), MMCC_OK);
    ASSERT_LT(slice.thread, 3u);
    EXPECT_LE(ends[slice.thread], slice.begin_ns);
    EXPECT_LE(slice.begin_ns, slice.end_ns);
    ends[slice.thread] = slice.end_ns;
    commands.insert(slice.command);
  }
  EXPECT_EQ(commands.size(), 7u);
  EXPECT_EQ(mmcc_session_timeline(loaded.session.get(), size, &slice),
            MMCC_NOT_FOUND);
  mmcc_session_set_timeline(loaded.session.get(), 0);
  ASSERT_TRUE(loaded.session.run(inputs, outputs, error)) << error.message;
  EXPECT_EQ(mmcc_session_timeline_size(loaded.session.get()), 0u);
}

// a and b are never alive together in the order of commands; in one stream they
// share 256 bytes, in two they do not.
TEST(Streams, share_no_memory) {
  for (uint32_t stream : {0u, 1u, ~0u}) {
    std::vector<runtime::ArenaBuffer> buffers = {{256, 64, 0, 1, 0, 0},
                                                 {256, 64, 2, 3, 0, stream}};
    int64_t total = 0;
    ASSERT_TRUE(runtime::ArenaPacker().pack(buffers, 0, total));
    EXPECT_EQ(total, stream == 0 ? 256 : 512);
  }
  std::vector<runtime::ArenaBuffer> several = {{256, 64, 0, 1, 0, ~0u},
                                               {256, 64, 2, 3, 0, ~0u}};
  int64_t total = 0;
  ASSERT_TRUE(runtime::ArenaPacker().pack(several, 0, total));
  EXPECT_EQ(total, 512);
}

void expectRefused(const std::function<void(TestArtifact &)> &lie,
                   const std::string &expected) {
  TestArtifact t = chains(2, 64, 64);
  lie(t);
  Error error = {};
  Model model = loadModel(t.write("streams-lie.mmcc"), error);
  EXPECT_FALSE(bool(model)) << expected;
  EXPECT_NE(std::string(error.message).find(expected), std::string::npos)
      << error.message;
}

TEST(Streams, lies_are_refused) {
  auto command = [](TestArtifact &t, size_t index) -> CommandT & {
    return *t.entry().blocks[0]->commands[index];
  };
  expectRefused([](TestArtifact &t) { t.entry().stream_count = 0; },
                "number of streams");
  expectRefused([](TestArtifact &t) { t.entry().stream_count = 65; },
                "number of streams");
  expectRefused([](TestArtifact &t) { t.entry().event_count = 1 << 20; },
                "number of streams");
  expectRefused([](TestArtifact &t) { t.entry().stream_count = 1; },
                "its stream does not exist");
  expectRefused(
      [&](TestArtifact &t) { command(t, 4).body.AsEventRecord()->event = 1; },
      "does not exist or is recorded twice");
  expectRefused(
      [&](TestArtifact &t) { command(t, 5).body.AsEventWait()->event = 1; },
      "not recorded before it");
  // A wait for what comes later would never end.
  expectRefused(
      [](TestArtifact &t) {
        auto &commands = t.entry().blocks[0]->commands;
        std::swap(commands[4], commands[5]);
      },
      "not recorded before it");
  expectRefused(
      [](TestArtifact &t) {
        EventRecordT again;
        t.command().body.Set(again);
      },
      "recorded twice");
}

} // namespace
} // namespace mmcc::test
