#include "runtime/executor/ArenaPacker.h"

#include <gtest/gtest.h>

namespace {

using mmcc::runtime::ArenaBuffer;
using mmcc::runtime::ArenaPacker;

int64_t packed(std::vector<ArenaBuffer> &buffers, int64_t base = 0) {
  ArenaPacker packer;
  int64_t total = -1;
  EXPECT_TRUE(packer.pack(buffers, base, total));
  return total;
}

// a 256 [0, 1] at 0; b 192 [1, 2] meets a: 256; c 128 [2, 3] meets b only: 0.
// Total 256 + 192 = 448.
TEST(ArenaPacker, reuses_memory_of_the_dead) {
  std::vector<ArenaBuffer> buffers = {
      {256, 64, 0, 1, -1}, {192, 64, 1, 2, -1}, {128, 64, 2, 3, -1}};
  EXPECT_EQ(packed(buffers), 448);
  EXPECT_EQ(buffers[0].offset, 0);
  EXPECT_EQ(buffers[1].offset, 256);
  EXPECT_EQ(buffers[2].offset, 0);
}

// Alive together: 100 at 0, 65 at align(100) = 128, 1 at align(193) = 256.
TEST(ArenaPacker, aligns) {
  std::vector<ArenaBuffer> buffers = {
      {65, 64, 0, 0, -1}, {100, 64, 0, 0, -1}, {1, 64, 0, 0, -1}};
  EXPECT_EQ(packed(buffers), 257);
  EXPECT_EQ(buffers[1].offset, 0);
  EXPECT_EQ(buffers[0].offset, 128);
  EXPECT_EQ(buffers[2].offset, 256);
}

TEST(ArenaPacker, begins_at_the_base) {
  std::vector<ArenaBuffer> buffers = {{10, 64, 0, 0, -1}};
  EXPECT_EQ(packed(buffers, 4096), 4106);
  EXPECT_EQ(buffers[0].offset, 4096);
}

TEST(ArenaPacker, notices_overflow) {
  std::vector<ArenaBuffer> buffers = {{INT64_MAX - 10, 64, 0, 0, -1},
                                      {1000, 64, 0, 0, -1}};
  ArenaPacker packer;
  int64_t total = 0;
  EXPECT_FALSE(packer.pack(buffers, 0, total));
}

// Whatever the lifetimes, buffers that meet do not overlap.
TEST(ArenaPacker, never_overlaps_the_living) {
  uint64_t state = 12345;
  auto random = [&](uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
  };
  std::vector<ArenaBuffer> buffers;
  for (int i = 0; i < 300; ++i) {
    uint32_t first = uint32_t(random(100));
    buffers.push_back({int64_t(random(5000)), int64_t(1) << random(8), first,
                       first + uint32_t(random(20)), -1});
  }
  int64_t total = packed(buffers), sum = 0;
  for (const ArenaBuffer &a : buffers) {
    sum += a.bytes;
    EXPECT_EQ(a.offset % a.align, 0);
    EXPECT_LE(a.offset + a.bytes, total);
    for (const ArenaBuffer &b : buffers) {
      bool meet = a.first <= b.last && b.first <= a.last;
      bool overlap =
          a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
      EXPECT_FALSE(&a != &b && meet && overlap);
    }
  }
  EXPECT_LT(total, sum / 2);
}

} // namespace
