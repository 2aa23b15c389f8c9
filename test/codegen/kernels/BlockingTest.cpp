//===- BlockingTest.cpp - Grid cuts ---------------------------------------===//

#include "codegen/cpu/kernels/Blocking.h"
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

TEST(Blocking, ManyRowsAreWholeInACell) {
  for (auto [M, N, K] : {std::array<int64_t, 3>{1500, 2048, 512},
                         {1500, 3072, 768},
                         {1024, 3072, 768},
                         {788, 4096, 1024},
                         {100, 320, 192}})
    for (bool avx512 : {false, true}) {
      SCOPED_TRACE(testing::Message() << M << "x" << N << "x" << K);
      Blocks apart = narrowBlocks(M, N, K, 1, avx512);
      Blocks b = pieceBlocks(M, N, K, 1, apart, N);
      EXPECT_EQ(b.n_block, N);
      EXPECT_LE(b.m_block, apart.m_block);
      EXPECT_LE(b.m_block * b.n_block * 4, 2 << 20);
      int64_t cells = ceilDivide(M, b.m_block);
      for (int64_t threads : {2, 4})
        EXPECT_LE(double(ceilDivide(cells, threads) * threads) / cells, 1.1);
    }
}

TEST(Blocking, FewRowsStayCutAlongTheirColumns) {
  for (auto [M, N, K] : {std::array<int64_t, 3>{1, 3072, 768},
                         {128, 3072, 768},
                         {197, 3072, 768},
                         {256, 11008, 4096}})
    for (bool avx512 : {false, true}) {
      SCOPED_TRACE(testing::Message() << M << "x" << N << "x" << K);
      Blocks apart = narrowBlocks(M, N, K, 1, avx512);
      Blocks b = pieceBlocks(M, N, K, 1, apart, N);
      EXPECT_EQ(b.m_block, apart.m_block);
      EXPECT_EQ(b.n_block, apart.n_block);
    }
}

TEST(Blocking, CellsHaveWholePieces) {
  for (int64_t M : {1, 8, 128, 197, 1500, 4096})
    for (bool avx512 : {false, true}) {
      SCOPED_TRACE(M);
      Blocks apart = narrowBlocks(M, 3072, 768, 1, avx512);
      Blocks b = pieceBlocks(M, 3072, 768, 1, apart, 128);
      EXPECT_EQ(b.n_block % 128, 0);
      EXPECT_LE(b.m_block * b.n_block * 4, 2 << 20);
      // 96 columns: 256 become 288.
      b = pieceBlocks(M, 3072, 768, 1, apart, 96);
      EXPECT_TRUE(b.n_block % 96 == 0 || b.n_block == apart.n_block);
      EXPECT_EQ(b.n_block % 32, 0);
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

} // namespace
