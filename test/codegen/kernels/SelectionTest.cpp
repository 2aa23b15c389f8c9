//===- SelectionTest.cpp - topk, retrieve, similarity against f64 ---------===//

#include "codegen/cpu/kernels/Scratch.h"
#include "test/codegen/Judges.h"
#include "test/codegen/kernels/KernelHarness.h"

#include <array>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>

using namespace mmcc::test;
namespace cpu = mmcc::cpu;

namespace {

class SelectionTest : public testing::TestWithParam<Level> {};

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

void expectRow(const Results &results, int64_t rows, int64_t r,
               const std::vector<float> &row, int64_t k, bool largest) {
  std::vector<int64_t> places = best(row, k, largest);
  for (int64_t i = 0; i < k; ++i) {
    float value = results.values[r * k + i];
    float place = results.values[(rows + r) * k + i];
    ASSERT_EQ(place, float(places[i])) << "row " << r << " place " << i;
    if (std::isnan(row[places[i]]))
      ASSERT_TRUE(std::isnan(value));
    else
      ASSERT_EQ(value, row[places[i]]) << "row " << r << " place " << i;
  }
}

void checkTopK(const Level &level, int64_t R, int64_t N, int64_t k,
               bool largest, int64_t chunk,
               const std::function<void(GuardedFloats &)> &change = nullptr) {
  SCOPED_TRACE(testing::Message()
               << level.name << " R" << R << " N" << N << " k" << k
               << " largest " << largest << " chunk " << chunk);
  const int64_t row = N + 3;
  GuardedFloats x(R * row - 3);
  x.randomise(11);
  if (change)
    change(x);
  int64_t chunks = ceilDivide(N, chunk), grid = ceilDivide(R, 4);
  Results found({2}, R, chunks * k);
  runKernel(level, "topk_f32", {R, N, k, largest, chunk, row, 0, row, 4},
            {x.data(), x.data()}, {chunks, grid, 1}, cpu::topKScratchBytes(k),
            found);
  for (int writes : found.writes)
    ASSERT_EQ(writes, 1);
  Results joined({2}, R, k);
  if (chunks > 1) {
    int64_t n = chunks * k;
    runKernel(level, "topk_f32", {R, n, k, largest, n, n, 1, n, 4},
              {found.values.data(), found.values.data() + R * n}, {1, grid, 1},
              cpu::topKScratchBytes(k), joined);
  }
  for (int64_t r = 0; r < R; ++r)
    expectRow(chunks > 1 ? joined : found, R, r,
              std::vector<float>(x.data() + r * row, x.data() + r * row + N), k,
              largest);
}

TEST_P(SelectionTest, TopK) {
  for (bool largest : {true, false}) {
    checkTopK(GetParam(), 3, 8, 2, largest, 128);
    checkTopK(GetParam(), 9, 64, 6, largest, 128);
    checkTopK(GetParam(), 2, 1000, 1, largest, 1024);
    checkTopK(GetParam(), 2, 1000, 10, largest, 1024);
    checkTopK(GetParam(), 1, 5003, 100, largest, 5120);
    checkTopK(GetParam(), 1, 40, 40, largest, 128);
    checkTopK(GetParam(), 1, 700, 700, largest, 768);
    checkTopK(GetParam(), 1, 1, 1, largest, 128);
  }
}

TEST_P(SelectionTest, TopKInChunks) {
  checkTopK(GetParam(), 2, 3000, 7, true, 512);
  checkTopK(GetParam(), 1, 3000, 60, false, 256);
  // The last chunk has fewer elements than are wanted.
  checkTopK(GetParam(), 5, 1030, 50, true, 256);
}

TEST_P(SelectionTest, EqualElementsGoByTheirPlace) {
  auto steps = [](GuardedFloats &x) {
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = float(i * 7 % 5);
  };
  for (bool largest : {true, false}) {
    checkTopK(GetParam(), 2, 900, 33, largest, 1024, steps);
    checkTopK(GetParam(), 2, 900, 33, largest, 128, steps);
    checkTopK(GetParam(), 1, 500, 500, largest, 512,
              [](GuardedFloats &x) { x.fill(2.0f); });
  }
}

TEST_P(SelectionTest, AscendingElementsRaiseTheBarAllTheTime) {
  checkTopK(GetParam(), 1, 6000, 20, true, 6016, [](GuardedFloats &x) {
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = float(i);
  });
}

TEST_P(SelectionTest, NumbersBesideNumbers) {
  // NaN is above all, infinities are numbers, both zeros are one.
  for (bool largest : {true, false})
    for (int64_t every : {2, 3}) {
      checkTopK(GetParam(), 2, 300, 250, largest, 384, [&](GuardedFloats &x) {
        for (size_t i = 0; i < x.size(); i += every)
          x[i] = std::array{kNaN, -kInf, kInf, 0.0f, -0.0f}[i % 5];
      });
      checkTopK(GetParam(), 1, 300, 9, largest, 128, [&](GuardedFloats &x) {
        for (size_t i = 0; i < x.size(); ++i)
          x[i] = i % 37 ? kNaN : -kInf;
      });
    }
}

TEST_P(SelectionTest, Retrieval) {
  struct Shape {
    int64_t M, N, D, k, chunk, block;
  };
  for (auto [M, N, D, k, chunk, block] : {Shape{1, 3000, 32, 10, 512, 32},
                                          {1, 129, 7, 3, 256, 32},
                                          {33, 500, 24, 5, 256, 32},
                                          {70, 260, 48, 40, 384, 32},
                                          {8, 1024, 16, 1, 128, 4}}) {
    SCOPED_TRACE(testing::Message() << GetParam().name << " M" << M << " N" << N
                                    << " D" << D << " k" << k);
    const int64_t row = D + 5;
    GuardedFloats x(M * row - 5);
    x.randomise(21);
    // Small whole numbers: sums are exact, and many scores are equal.
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = std::round(x[i] * 3);
    auto weight = [](int64_t, int64_t d, int64_t n) {
      return double((d * 5 + n * 3) % 7 - 3);
    };
    std::vector<float> panels = packPanels(1, D, N, weight);
    int64_t chunks = ceilDivide(N, chunk), n = chunks * k;
    Results found({2}, M, n), joined({2}, M, k);
    runKernel(GetParam(), "retrieve_f32", {M, N, D, k, row, chunk, block},
              {x.data(), panels.data()}, {chunks, ceilDivide(M, block), 1},
              cpu::retrieveScratchBytes(k, block), found);
    if (chunks > 1)
      runKernel(GetParam(), "topk_f32", {M, n, k, 1, n, n, 1, n, 32},
                {found.values.data(), found.values.data() + M * n},
                {1, ceilDivide(M, 32), 1}, cpu::topKScratchBytes(k), joined);
    for (int64_t m = 0; m < M; ++m) {
      std::vector<float> scores(N);
      for (int64_t j = 0; j < N; ++j) {
        double sum = 0;
        for (int64_t d = 0; d < D; ++d)
          sum += double(x[m * row + d]) * weight(0, d, j);
        scores[j] = float(sum);
      }
      expectRow(chunks > 1 ? joined : found, M, m, scores, k, true);
    }
  }
}

TEST_P(SelectionTest, Similarity) {
  struct Shape {
    int64_t M, N, D;
    double aEps, bEps;
  };
  for (auto [M, N, D, aEps, bEps] : {Shape{3, 5, 16, 0, 0},
                                     {1, 10, 512, 1e-12, 0},
                                     {65, 70, 33, 0, 1e-12},
                                     {64, 64, 128, 0.5, 7.0}}) {
    SCOPED_TRACE(testing::Message()
                 << GetParam().name << " M" << M << " N" << N << " D" << D);
    const int64_t aRow = D + 3, bRow = D + 1;
    GuardedFloats a(M * aRow - 3), b(N * bRow - 1);
    a.randomise(31);
    b.randomise(32);
    auto bits = [](double number) {
      int64_t word;
      std::memcpy(&word, &number, 8);
      return word;
    };
    Results results({1}, M, N);
    runKernel(GetParam(), "similarity_f32",
              {M, N, D, aRow, bRow, bits(aEps), bits(bEps), 64, 64},
              {a.data(), b.data()}, {ceilDivide(N, 64), ceilDivide(M, 64), 1},
              cpu::similarityScratchBytes(D, 64, 64), results);
    auto dot = [depth = D](const float *x, const float *y) {
      double sum = 0;
      for (int64_t d = 0; d < depth; ++d)
        sum += double(x[d]) * double(y[d]);
      return sum;
    };
    std::vector<double> expected;
    for (int64_t m = 0; m < M; ++m)
      for (int64_t n = 0; n < N; ++n) {
        const float *x = a.data() + m * aRow, *y = b.data() + n * bRow;
        expected.push_back(dot(x, y) / (std::max(std::sqrt(dot(x, x)), aEps) *
                                        std::max(std::sqrt(dot(y, y)), bEps)));
      }
    expectResults(results, expected, std::vector<double>(expected.size(), 2e-6),
                  "cosines");
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, SelectionTest, testing::ValuesIn(baseLevels()),
                         [](const auto &info) {
                           return levelName(info.param);
                         });

} // namespace
