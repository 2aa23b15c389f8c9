//===- GemmTest.cpp - gemm_f32 and batch_gemm_f32 against f64 -------------===//

#include "codegen/cpu/kernels/Blocking.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "test/codegen/kernels/KernelHarness.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace mmcc::test;
namespace cpu = mmcc::cpu;

namespace {

class GemmTest : public testing::TestWithParam<Level> {};

/// Rounding of a sum of K products of magnitude `total`.
double sumTolerance(int64_t K, double total) {
  return 6e-8 * (2.0 + std::sqrt(double(K))) * total + 1e-30;
}

struct Matrix {
  int64_t batch, row, col; // strides
};

void checkGemm(const Level &level, int64_t B, int64_t M, int64_t N, int64_t K,
               int64_t aRow, int64_t mBlock, int64_t nBlock) {
  SCOPED_TRACE(testing::Message()
               << level.name << " B" << B << " M" << M << " N" << N << " K" << K
               << " aRow" << aRow << " m" << mBlock << " n" << nBlock);
  int64_t aBatch = M * aRow + 3;
  GuardedFloats a((B - 1) * aBatch + (M - 1) * aRow + K);
  a.randomise(uint32_t(M * 31 + N * 7 + K));
  GuardedFloats w(N * K);
  w.randomise(uint32_t(N + K));
  auto panels = packPanels(
      1, K, N, [&](int64_t, int64_t k, int64_t n) { return w[k * N + n]; });
  GuardedFloats packed(panels.size());
  std::memcpy(packed.data(), panels.data(), panels.size() * 4);

  Results results({B}, M, N);
  runKernel(level, "gemm_f32", {B, M, N, K, aBatch, aRow, mBlock, nBlock},
            {a.data(), packed.data()},
            {ceilDivide(N, nBlock), ceilDivide(M, mBlock), B},
            cpu::gemmScratchBytes(), results);
  std::vector<double> expected, tolerance;
  for (int64_t b = 0; b < B; ++b)
    for (int64_t m = 0; m < M; ++m)
      for (int64_t n = 0; n < N; ++n) {
        double sum = 0, total = 0;
        for (int64_t k = 0; k < K; ++k) {
          double product =
              double(a[b * aBatch + m * aRow + k]) * double(w[k * N + n]);
          sum += product;
          total += std::fabs(product);
        }
        expected.push_back(sum);
        tolerance.push_back(sumTolerance(K, total));
      }
  expectResults(results, expected, tolerance, "gemm");
}

TEST_P(GemmTest, EveryRowCount) {
  for (int64_t M = 1; M <= 31; ++M)
    checkGemm(GetParam(), 1, M, 48, 37, 37, M, 64);
}

TEST_P(GemmTest, ColumnTails) {
  for (int64_t N : {1, 7, 15, 16, 17, 31, 32, 33, 63, 100, 129, 200, 257})
    for (int64_t M : {1, 3, 9})
      checkGemm(GetParam(), 1, M, N, 20, 23, M, 64);
}

TEST_P(GemmTest, Depths) {
  for (int64_t K : {0, 1, 2, 3, 4, 5, 6, 7, 8, 63, 64, 200, 768, 1100, 5000})
    for (int64_t M : {1, 2, 14})
      checkGemm(GetParam(), 1, M, 40, K, K, M, 32);
}

TEST_P(GemmTest, BlocksStridesAndBatches) {
  checkGemm(GetParam(), 3, 50, 96, 64, 64, 14, 32);
  checkGemm(GetParam(), 2, 50, 70, 33, 41, 17, 64);
  checkGemm(GetParam(), 1, 197, 192, 65, 65, 64, 96);
  // Rows a page apart.
  checkGemm(GetParam(), 1, 45, 64, 50, 1024, 45, 64);
}

TEST_P(GemmTest, RecommendedBlocks) {
  bool avx512 = std::string(GetParam().name).find("v4") != std::string::npos;
  for (auto [M, N, K] : {std::array<int64_t, 3>{50, 300, 64},
                         {600, 64, 96},
                         {1, 1000, 128},
                         {257, 257, 65}}) {
    cpu::Blocks blocks = cpu::gemmBlocks(M, N, K, 1, avx512);
    checkGemm(GetParam(), 1, M, N, K, K, blocks.m_block, blocks.n_block);
  }
}

void checkBatchGemm(const Level &level, int64_t B0, int64_t B1, int64_t M,
                    int64_t N, int64_t K, Matrix a, Matrix b, int64_t mBlock,
                    int64_t nBlock) {
  SCOPED_TRACE(testing::Message()
               << level.name << " M" << M << " N" << N << " K" << K << " a"
               << a.row << "," << a.col << " b" << b.row << "," << b.col);
  int64_t aOuter = 2 * a.batch * B1, bOuter = b.batch * B1;
  auto extent = [&](int64_t outer, Matrix s, int64_t rows, int64_t cols) {
    return (B0 - 1) * outer + (B1 - 1) * s.batch + (rows - 1) * s.row +
           (cols - 1) * s.col + 1;
  };
  GuardedFloats av(extent(aOuter, a, M, K)), bv(extent(bOuter, b, K, N));
  av.randomise(5);
  bv.randomise(6);
  Results results({B0, B1}, M, N);
  runKernel(level, "batch_gemm_f32",
            {B0, B1, M, N, K, aOuter, a.batch, a.row, a.col, bOuter, b.batch,
             b.row, b.col, mBlock, nBlock},
            {av.data(), bv.data()},
            {ceilDivide(N, nBlock), ceilDivide(M, mBlock), B0 * B1},
            cpu::batchGemmScratchBytes(K, mBlock, a.col == 1), results);
  std::vector<double> expected, tolerance;
  for (int64_t b0 = 0; b0 < B0; ++b0)
    for (int64_t b1 = 0; b1 < B1; ++b1)
      for (int64_t m = 0; m < M; ++m)
        for (int64_t n = 0; n < N; ++n) {
          double sum = 0, total = 0;
          for (int64_t k = 0; k < K; ++k) {
            double product =
                double(av[b0 * aOuter + b1 * a.batch + m * a.row + k * a.col]) *
                double(bv[b0 * bOuter + b1 * b.batch + k * b.row + n * b.col]);
            sum += product;
            total += std::fabs(product);
          }
          expected.push_back(sum);
          tolerance.push_back(sumTolerance(K, total));
        }
  expectResults(results, expected, tolerance, "batch gemm");
}

TEST_P(GemmTest, BatchLayouts) {
  for (auto [M, N, K] : {std::array<int64_t, 3>{5, 17, 9},
                         {50, 50, 64},
                         {33, 70, 40},
                         {1, 33, 31}}) {
    Matrix aRowMajor{M * K, K, 1}, aColMajor{M * K, 1, M};
    Matrix aStrided{3 * M * K, 3 * K, 2};
    Matrix bRowMajor{N * K, N, 1}, bColMajor{N * K, 1, K};
    Matrix bStrided{2 * N * K, 2 * N, 2};
    for (Matrix a : {aRowMajor, aColMajor, aStrided})
      for (Matrix b : {bRowMajor, bColMajor, bStrided})
        checkBatchGemm(GetParam(), 2, 3, M, N, K, a, b, M, 64);
    checkBatchGemm(GetParam(), 1, 2, M, N, K, aRowMajor, bColMajor, 13, 32);
    // One b for all of B1, as in grouped products.
    checkBatchGemm(GetParam(), 1, 2, M, N, K, aRowMajor, {0, N, 1}, M, 64);
  }
}

// relu(a w + bias) . v, one number a row.
void checkDot(const Level &level, int64_t B, int64_t M, int64_t N, int64_t K,
              int64_t mBlock) {
  SCOPED_TRACE(testing::Message() << level.name << " B" << B << " M" << M
                                  << " N" << N << " K" << K << " m" << mBlock);
  const int64_t aRow = K + 5, aBatch = M * aRow;
  GuardedFloats a(B * aBatch - 5), v(N);
  a.randomise(41);
  v.randomise(42);
  auto weight = [](int64_t, int64_t k, int64_t n) {
    return double(float((k * 13 + n * 7) % 19 - 9) / 16);
  };
  std::vector<float> panels = packPanels(1, K, N, weight);
  auto activate = [](const int64_t *, int64_t, int64_t n, float x) {
    return std::max(x + 0.01f * float(n % 5), 0.0f);
  };
  Results results({B}, M, 1);
  results.score = activate;
  runKernel(level, "gemm_dot_f32", {B, M, N, K, aBatch, aRow, mBlock},
            {a.data(), panels.data(), v.data()}, {1, ceilDivide(M, mBlock), B},
            cpu::gemmDotScratchBytes(mBlock), results);
  std::vector<double> expected, tolerance;
  for (int64_t b = 0; b < B; ++b)
    for (int64_t m = 0; m < M; ++m) {
      double out = 0, total = 0;
      for (int64_t n = 0; n < N; ++n) {
        double sum = 0;
        for (int64_t k = 0; k < K; ++k)
          sum += double(a[b * aBatch + m * aRow + k]) * weight(0, k, n);
        out += activate(nullptr, m, n, float(sum)) * double(v[n]);
        total += std::abs(sum) * std::abs(double(v[n])) + 1;
      }
      expected.push_back(out);
      tolerance.push_back(1e-6 * std::sqrt(double(K)) * total);
    }
  expectResults(results, expected, tolerance, "dots");
}

TEST_P(GemmTest, RowsBecomeOneNumberEach) {
  checkDot(GetParam(), 1, 5, 7, 9, 32);
  checkDot(GetParam(), 2, 50, 192, 96, 32);
  checkDot(GetParam(), 1, 33, 130, 64, 16);
  checkDot(GetParam(), 3, 1, 16, 1, 32);
  checkDot(GetParam(), 1, 20, 300, 768, 20);
}

INSTANTIATE_TEST_SUITE_P(Levels, GemmTest, testing::ValuesIn(baseLevels()),
                         [](const auto &info) {
                           return levelName(info.param);
                         });

} // namespace
