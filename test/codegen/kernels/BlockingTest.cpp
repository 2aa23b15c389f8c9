//===- BlockingTest.cpp - Grid cuts, and the embedded modules -------------===//

#include "codegen/cpu/kernels/Blocking.h"
#include "codegen/cpu/kernels/Bitcode.h"
#include "test/codegen/kernels/KernelHarness.h"

#include <array>
#include <gtest/gtest.h>

using namespace mmcc::cpu;
using mmcc::test::ceilDivide;

namespace {

TEST(Blocking, CellsCoverTheProductAndDivide) {
  for (auto [M, N, K] : {std::array<int64_t, 3>{197, 768, 768},
                         {197, 3072, 768},
                         {197, 768, 3072},
                         {50, 768, 768},
                         {1500, 384, 384},
                         {1, 151936, 896},
                         {3136, 64, 64},
                         {12544, 64, 147}})
    for (bool avx512 : {false, true}) {
      SCOPED_TRACE(testing::Message() << M << "x" << N << "x" << K);
      Blocks b = gemmBlocks(M, N, K, 1, avx512);
      EXPECT_EQ(b.n_block % 32, 0);
      int64_t columns = ceilDivide(N, b.n_block);
      int64_t cells = columns * ceilDivide(M, b.m_block);
      EXPECT_GE(cells, 4);
      EXPECT_LE(cells, 80);
      for (int64_t threads = 2; threads <= 4; ++threads) {
        double busiest = double(ceilDivide(cells, threads) * threads) / cells;
        EXPECT_LE(busiest, 1.35) << threads << " threads, " << cells;
      }
    }
}

TEST(Blocking, TinyProductsAreOneCell) {
  Blocks b = gemmBlocks(10, 100, 64, 1, true);
  EXPECT_EQ(b.m_block, 10);
  EXPECT_EQ(b.n_block, 128);
}

TEST(Blocking, EncodersTakeAHeadACell) {
  EXPECT_EQ(attentionBlock(197, 12), 197);
  EXPECT_EQ(attentionBlock(1, 12), 1);
  // Six heads do not divide by four; two cells each do.
  EXPECT_EQ(attentionBlock(1500, 6), 750);
}

TEST(Bitcode, BothLevelsAreEmbedded) {
  for (const char *level : {"x86-64-v3", "x86-64-v4"}) {
    const BitcodeModule *module = findBitcode(level);
    ASSERT_NE(module, nullptr);
    ASSERT_GT(module->size, 1000u);
    // LLVM's magic number.
    EXPECT_EQ(module->data[0], 'B');
    EXPECT_EQ(module->data[1], 'C');
    EXPECT_EQ(module->data[2], 0xC0);
    EXPECT_EQ(module->data[3], 0xDE);
  }
  EXPECT_EQ(findBitcode("x86-64-v2"), nullptr);
}

} // namespace
