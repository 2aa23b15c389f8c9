#include "runtime/device/cpu/ThreadTeam.h"
#include "runtime/device/cpu/Processors.h"

#include <chrono>
#include <gtest/gtest.h>
#include <xmmintrin.h>

namespace {

using mmcc::runtime::ThreadTeam;

/// Cells that members claim; each must be run once, and nobody may be at work
/// when run() has returned.
struct Cells {
  static constexpr int kCount = 64;
  std::atomic<int> next{0};
  std::atomic<int> inside{0};
  std::atomic<int> joined{0};
  std::atomic<int> runs[kCount] = {};
};

void runCells(void *context, unsigned) {
  Cells &cells = *static_cast<Cells *>(context);
  cells.inside.fetch_add(1);
  cells.joined.fetch_add(1);
  for (int cell; (cell = cells.next.fetch_add(1)) < Cells::kCount;)
    cells.runs[cell].fetch_add(1);
  cells.inside.fetch_sub(1);
}

void expectDone(const Cells &cells, unsigned size) {
  EXPECT_EQ(cells.inside.load(), 0);
  EXPECT_GE(cells.joined.load(), 1);
  EXPECT_LE(cells.joined.load(), int(size));
  for (const std::atomic<int> &runs : cells.runs)
    EXPECT_EQ(runs.load(), 1);
}

TEST(ThreadTeam, runs_every_cell_once) {
  for (unsigned size : {1u, 2u, 3u, 7u}) {
    ThreadTeam team;
    ASSERT_TRUE(team.start(size).ok());
    for (int repeat = 0; repeat < 500; ++repeat) {
      // On the stack: a member that came too late would write to it.
      Cells cells;
      team.run(runCells, &cells);
      expectDone(cells, size);
    }
  }
}

TEST(Processors, quota) {
  using mmcc::runtime::processorsOfQuota;
  EXPECT_EQ(processorsOfQuota("max 100000\n"), 0u);
  EXPECT_EQ(processorsOfQuota("200000 100000\n"), 2u);
  EXPECT_EQ(processorsOfQuota("150000 100000\n"), 2u);
  EXPECT_EQ(processorsOfQuota("10000 100000\n"), 1u);
  EXPECT_EQ(processorsOfQuota("-1\n 100000\n"), 0u);
  EXPECT_EQ(processorsOfQuota(""), 0u);
  EXPECT_EQ(processorsOfQuota("5 0"), 0u);
  EXPECT_GE(mmcc::runtime::availableProcessors(), 1u);
}

// Parked members wake up again: member 0 waits for both.
TEST(ThreadTeam, members_wake_up) {
  ThreadTeam team;
  ASSERT_TRUE(team.start(3).ok());
  for (int repeat = 0; repeat < 3; ++repeat) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::atomic<int> joined{0};
    team.run(
        [](void *context, unsigned) {
          auto &joined = *static_cast<std::atomic<int> *>(context);
          joined.fetch_add(1);
          for (unsigned count = 0; joined.load() < 3; ++count)
            ThreadTeam::pause(count);
        },
        &joined);
    EXPECT_EQ(joined.load(), 3);
  }
}

TEST(ThreadTeam, sets_and_restores_the_float_mode) {
  ThreadTeam team;
  ASSERT_TRUE(team.start(2).ok());
  unsigned mine = _mm_getcsr() | 0x8040; // flush subnormals
  _mm_setcsr(mine);
  std::atomic<unsigned> modes[2] = {};
  team.run(
      [](void *context, unsigned member) {
        auto *modes = static_cast<std::atomic<unsigned> *>(context);
        modes[member] = _mm_getcsr();
        for (unsigned count = 0; !modes[0] || !modes[1]; ++count)
          ThreadTeam::pause(count);
      },
      modes);
  EXPECT_EQ(_mm_getcsr() & 0x8040, 0x8040u);
  _mm_setcsr(0x1f80);
  EXPECT_EQ(modes[0] & 0xffc0, 0x1f80u);
  EXPECT_EQ(modes[1] & 0xffc0, 0x1f80u);
}

} // namespace
