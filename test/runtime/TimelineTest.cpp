// The timeline: who ran what when, in runs that are otherwise as always.

#include "runtime/executor/Timeline.h"
#include "test/runtime/TestArtifact.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>

namespace mmcc::test {
namespace {

using namespace schema;

/// out = a + 2 b in two launches of n / block cells, in streams 0 and `second`,
/// the later one waiting for the first if they differ.
TestArtifact twoLaunches(int64_t size, int64_t block_size, uint32_t second) {
  TestArtifact t;
  uint32_t n = t.e.constant(size), bytes = t.e.constant(size * 4);
  uint32_t block = t.e.constant(block_size);
  uint32_t a =
      t.buffer(BufferKind::input, t.input("a", DType::f32, {n}), bytes);
  uint32_t b =
      t.buffer(BufferKind::input, t.input("b", DType::f32, {n}), bytes);
  t.output("out", DType::f32, {n});
  uint32_t out = t.buffer(BufferKind::output, 0, bytes);
  uint32_t middle = t.arena(bytes, 0, second ? 3 : 1);
  auto add = [&](uint32_t x, uint32_t sum, uint32_t stream) {
    t.dispatch(add_f32, {t.e.ceilDiv(n, block)},
               {operand(x, kRead), operand(b, kRead), operand(sum, kWrite)},
               {n, block});
    CommandT &command = *t.entry().blocks[0]->commands.back();
    command.stream = stream;
    command.body.AsDispatch()->flops = int32_t(n);
  };
  add(a, middle, 0);
  if (second) {
    EventRecordT record;
    t.command().body.Set(record);
    EventWaitT wait;
    t.command().body.Set(wait);
    t.entry().blocks[0]->commands.back()->stream = second;
    t.entry().stream_count = second + 1;
    t.entry().event_count = 1;
    t.program.features = {"streams"};
  }
  add(middle, out, second);
  t.entry().node_names = {"first"};
  t.entry().blocks[0]->commands[0]->node = 0;
  return t;
}

std::vector<mmcc_timeline_slice> slicesOf(const Session &session) {
  std::vector<mmcc_timeline_slice> slices(
      mmcc_session_timeline_size(session.get()));
  for (size_t i = 0; i < slices.size(); ++i)
    EXPECT_EQ(mmcc_session_timeline(session.get(), i, &slices[i]), MMCC_OK);
  return slices;
}

/// Every cell is in one slice; a member does one thing at a time; the second
/// command begins when the first one has ended.
void check(int64_t size, int64_t block, uint32_t second, unsigned threads) {
  Loaded loaded(twoLaunches(size, block, second).write("timeline.mmcc"),
                threads);
  ASSERT_TRUE(bool(loaded.session));
  mmcc_session_set_timeline(loaded.session.get(), 1);
  std::vector<float> x(static_cast<size_t>(size), 1);
  std::vector<Tensor> inputs(2, tensorOf(MMCC_F32, {size}, x)), outputs;
  Error error = {};
  for (int run = 0; run < 20; ++run) {
    ASSERT_TRUE(loaded.session.run(inputs, outputs, error)) << error.message;
    EXPECT_EQ(static_cast<float *>(outputs[0].data)[size - 1], 3);
    std::vector<mmcc_timeline_slice> slices = slicesOf(loaded.session);
    uint32_t commands[] = {0, second ? 3u : 1u};
    uint64_t cells[2] = {}, begin[2] = {~0ull, ~0ull}, end[2] = {};
    double flops[2] = {};
    std::map<uint32_t, uint64_t> busy; // a member's last end
    for (const mmcc_timeline_slice &slice : slices) {
      size_t which = slice.command == commands[1];
      ASSERT_EQ(slice.command, commands[which]);
      EXPECT_EQ(slice.block, 0u);
      EXPECT_EQ(slice.stream, which ? second : 0u);
      EXPECT_STREQ(slice.node, which ? "" : "first");
      EXPECT_STREQ(slice.kernel, "kernel0");
      EXPECT_LT(slice.thread, threads);
      EXPECT_EQ(slice.all_cells, uint64_t((size + block - 1) / block));
      EXPECT_LE(slice.begin_ns, slice.end_ns);
      EXPECT_GE(slice.begin_ns, busy[slice.thread]);
      busy[slice.thread] = slice.end_ns;
      cells[which] += slice.cells;
      flops[which] += slice.flops;
      begin[which] = std::min(begin[which], slice.begin_ns);
      end[which] = std::max(end[which], slice.end_ns);
    }
    for (int which : {0, 1}) {
      EXPECT_EQ(cells[which], uint64_t((size + block - 1) / block));
      EXPECT_NEAR(flops[which], double(size), 1e-6 * double(size));
    }
    EXPECT_GE(end[1], end[0]);
    if (threads == 1)
      EXPECT_EQ(slices.size(), 2u);
  }
}

TEST(Timeline, holds_every_cell_once) {
  for (unsigned threads : {1, 2, 3})
    for (uint32_t second : {0, 1})
      check(/*size=*/40000, /*block=*/1000, second, threads);
}

TEST(Timeline, of_launches_that_are_not_shared) {
  for (uint32_t second : {0, 1})
    check(/*size=*/256, /*block=*/64, second, /*threads=*/2);
}

TEST(Timeline, is_empty_unless_asked_for) {
  Loaded loaded(twoLaunches(256, 64, 0).write("timeline.mmcc"), 1);
  std::vector<float> x(256, 1);
  std::vector<Tensor> inputs(2, tensorOf(MMCC_F32, {256}, x)), outputs;
  Error error = {};
  ASSERT_TRUE(loaded.session.run(inputs, outputs, error));
  EXPECT_EQ(slicesOf(loaded.session).size(), 0u);
  mmcc_session_set_timeline(loaded.session.get(), 1);
  ASSERT_TRUE(loaded.session.run(inputs, outputs, error));
  EXPECT_EQ(slicesOf(loaded.session).size(), 2u);
  mmcc_timeline_slice slice;
  EXPECT_EQ(mmcc_session_timeline(loaded.session.get(), 2, &slice),
            MMCC_NOT_FOUND);
  mmcc_session_set_timeline(loaded.session.get(), 0);
  ASSERT_TRUE(loaded.session.run(inputs, outputs, error));
  EXPECT_EQ(slicesOf(loaded.session).size(), 0u);
}

// Cells of one launch that follow each other are one slice, and a list has room
// for three slices of each launch and one more.
TEST(Timeline, makes_room_before) {
  runtime::Timeline timeline;
  timeline.clear(/*members=*/2, /*launches=*/2);
  timeline.add(1, 0, 2, runtime::nowNanoseconds());
  timeline.add(1, 0, 1, runtime::nowNanoseconds());
  for (uint32_t i = 0; i < 20; ++i)
    timeline.add(0, i % 2, 1, runtime::nowNanoseconds());
  std::vector<int64_t> cells;
  size_t of_first = 0;
  timeline.forEach([&](uint32_t member, const runtime::Timeline::Slice &slice) {
    of_first += member == 0;
    if (member == 1)
      cells.push_back(slice.cells);
  });
  EXPECT_EQ(of_first, 7u);
  EXPECT_EQ(cells, (std::vector<int64_t>{3}));
}

} // namespace
} // namespace mmcc::test
