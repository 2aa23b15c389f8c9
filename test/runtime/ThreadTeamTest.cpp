#include "runtime/device/cpu/ThreadTeam.h"
#include "runtime/device/cpu/Processors.h"

#include <chrono>
#include <gtest/gtest.h>
#include <xmmintrin.h>

namespace {

using mmcc::runtime::ThreadTeam;

struct Counter {
  explicit Counter(ThreadTeam &team) : team(team) {}
  ThreadTeam &team;
  std::atomic<int> arrived{0};
  std::atomic<int> wrong{0};
  int rounds = 0;
};

void countRounds(void *context, unsigned) {
  Counter &counter = *static_cast<Counter *>(context);
  int size = int(counter.team.size());
  for (int round = 1; round <= counter.rounds; ++round) {
    counter.arrived.fetch_add(1);
    counter.team.barrier();
    if (counter.arrived.load() < round * size)
      counter.wrong.fetch_add(1);
    counter.team.barrier();
  }
}

TEST(ThreadTeam, nobody_passes_a_barrier_early) {
  for (unsigned size : {1u, 2u, 3u, 7u}) {
    ThreadTeam team;
    ASSERT_TRUE(team.start(size).ok());
    for (int repeat = 0; repeat < 20; ++repeat) {
      Counter counter(team);
      counter.rounds = 25;
      team.run(countRounds, &counter);
      EXPECT_EQ(counter.wrong.load(), 0);
      EXPECT_EQ(counter.arrived.load(), int(size) * 25);
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

// Parked members wake up again.
TEST(ThreadTeam, survives_a_pause) {
  ThreadTeam team;
  ASSERT_TRUE(team.start(3).ok());
  for (int repeat = 0; repeat < 3; ++repeat) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    Counter counter(team);
    counter.rounds = 2;
    team.run(countRounds, &counter);
    EXPECT_EQ(counter.arrived.load(), 6);
  }
}

TEST(ThreadTeam, sets_and_restores_the_float_mode) {
  ThreadTeam team;
  ASSERT_TRUE(team.start(2).ok());
  unsigned mine = _mm_getcsr() | 0x8040; // flush subnormals
  _mm_setcsr(mine);
  std::atomic<unsigned> modes[2];
  team.run(
      [](void *context, unsigned member) {
        static_cast<std::atomic<unsigned> *>(context)[member] = _mm_getcsr();
      },
      modes);
  EXPECT_EQ(_mm_getcsr() & 0x8040, 0x8040u);
  _mm_setcsr(0x1f80);
  EXPECT_EQ(modes[0] & 0xffc0, 0x1f80u);
  EXPECT_EQ(modes[1] & 0xffc0, 0x1f80u);
}

} // namespace
