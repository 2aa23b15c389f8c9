//===- TokenTest.cpp - Matching and merging of tokens against f64 ---------===//

#include "codegen/cpu/kernels/Blocking.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "test/codegen/Judges.h"
#include "test/codegen/kernels/KernelHarness.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace mmcc::test;
namespace cpu = mmcc::cpu;

namespace {

class TokenTest : public testing::TestWithParam<Level> {};

void checkMatch(const Level &level, const Matching &s,
                const std::function<void(GuardedFloats &)> &change = nullptr) {
  SCOPED_TRACE(testing::Message()
               << level.name << " N" << s.N << " D" << s.D << " protect "
               << s.protect << " merged " << s.merged);
  const int64_t row = s.D + 3, batch = s.N * row;
  GuardedFloats metric(s.B * batch - 3);
  metric.randomise(7);
  if (change)
    change(metric);
  Results results({s.B}, 1, s.N);
  runKernel(level, "token_match_f32",
            {s.B, s.N, s.D, s.protect, s.merged, s.neighbours, batch, row},
            {metric.data()}, {1, 1, s.B}, cpu::tokenMatchScratchBytes(s.N, s.D),
            results);
  std::vector<double> expected;
  for (int64_t b = 0; b < s.B; ++b)
    for (double x : successors(s, [&](int64_t token, int64_t d) {
           return double(metric[b * batch + token * row + d]);
         }))
      expected.push_back(x);
  expectResults(results, expected, std::vector<double>(expected.size()),
                "successors");
}

TEST_P(TokenTest, Matching) {
  checkMatch(GetParam(), {1, 17, 16, 1, 4});
  checkMatch(GetParam(), {2, 197, 64, 1, 13});
  checkMatch(GetParam(), {1, 64, 24, 0, 32});
  checkMatch(GetParam(), {1, 50, 80, 1, 24});
  checkMatch(GetParam(), {3, 198, 32, 2, 16});
  checkMatch(GetParam(), {1, 201, 64, 5, 1});
  checkMatch(GetParam(), {1, 577, 64, 1, 23});
  checkMatch(GetParam(), {1, 3, 5, 1, 1});
}

TEST_P(TokenTest, MatchingOfNeighbours) {
  checkMatch(GetParam(), {1, 100, 64, 0, 50, true});
  checkMatch(GetParam(), {2, 75, 20, 0, 10, true});
  checkMatch(GetParam(), {1, 41, 16, 1, 20, true});
}

TEST_P(TokenTest, EqualScoresGoToTheLowestIndex) {
  // All tokens are alike: each row of A has equal scores, as has each pair.
  Matching s{1, 40, 8, 1, 9};
  checkMatch(GetParam(), s, [&](GuardedFloats &metric) { metric.fill(0.5f); });
}

TEST_P(TokenTest, TokensWithoutDirection) {
  // Zeros and NaN have no cosine: whatever is chosen, numbers stay in range.
  Matching s{1, 33, 16, 1, 8};
  for (float value : {0.0f, std::nanf("")}) {
    GuardedFloats metric(s.N * s.D);
    metric.fill(value);
    Results results({1}, 1, s.N);
    runKernel(GetParam(), "token_match_f32",
              {1, s.N, s.D, s.protect, s.merged, 0, s.N * s.D, s.D},
              {metric.data()}, {1, 1, 1}, cpu::tokenMatchScratchBytes(s.N, s.D),
              results);
    for (float x : results.values)
      EXPECT_TRUE(x >= 0 && x < s.N - s.merged && x == std::floor(x)) << x;
  }
}

void checkMerge(const Level &level, int64_t B, int64_t N, int64_t M, int64_t C,
                bool average) {
  SCOPED_TRACE(testing::Message() << level.name << " N" << N << " M" << M
                                  << " C" << C << " average " << average);
  const int64_t row = C + (C > 1 ? 5 : 0), batch = N * row;
  GuardedFloats x(B * batch - (row - C)), weight(average ? N : 0);
  x.randomise(3);
  weight.randomise(4);
  for (size_t i = 0; i < weight.size(); ++i)
    weight[i] = 1.0f + std::round(std::abs(weight[i]) * 6);
  GuardedFloats words(2 * B * N);
  auto *successor = reinterpret_cast<int64_t *>(words.data());
  for (int64_t i = 0; i < B * N; ++i)
    successor[i] = i % N < M ? i % N : (i * 7 + 3) % M;
  const int64_t block = cpu::tokenMergeBlock(C);
  Results results({B}, M, C);
  runKernel(
      level, "token_merge_f32", {B, N, M, C, batch, row, N, 0, average, block},
      {x.data(), words.data(), weight.data()}, {ceilDivide(C, block), 1, B},
      cpu::tokenMergeScratchBytes(M, block), results);
  std::vector<double> expected(B * M * C), tolerance(B * M * C, 1e-5);
  for (int64_t b = 0; b < B; ++b) {
    std::vector<double> total(M);
    for (int64_t i = 0; i < N; ++i) {
      int64_t t = successor[b * N + i];
      double w = average ? weight[i] : 1.0;
      total[t] += w;
      for (int64_t c = 0; c < C; ++c)
        expected[(b * M + t) * C + c] += w * x[b * batch + i * row + c];
    }
    for (int64_t t = 0; average && t < M; ++t)
      for (int64_t c = 0; c < C; ++c)
        expected[(b * M + t) * C + c] /= total[t];
  }
  expectResults(results, expected, tolerance, "merged");
}

TEST_P(TokenTest, Merging) {
  checkMerge(GetParam(), 1, 17, 13, 48, true);
  checkMerge(GetParam(), 2, 197, 184, 768, true);
  checkMerge(GetParam(), 1, 50, 26, 130, true);
  checkMerge(GetParam(), 3, 20, 10, 7, true);
}

TEST_P(TokenTest, SizesAddUp) {
  checkMerge(GetParam(), 2, 197, 184, 1, false);
  checkMerge(GetParam(), 1, 9, 5, 1, false);
}

TEST_P(TokenTest, SuccessorsOutsideAreTakenForTheNearest) {
  GuardedFloats x(4), words(8);
  x.fill(1.0f);
  auto *successor = reinterpret_cast<int64_t *>(words.data());
  const int64_t wild[4] = {-5, INT64_MAX, 1, INT64_MIN};
  std::memcpy(successor, wild, sizeof wild);
  Results results({1}, 3, 1);
  runKernel(GetParam(), "token_merge_f32", {1, 4, 3, 1, 4, 1, 4, 0, 0, 1},
            {x.data(), words.data(), x.data()}, {1, 1, 1},
            cpu::tokenMergeScratchBytes(3, 1), results);
  expectResults(results, {2, 1, 1}, {0, 0, 0}, "clamped");
}

void checkSelect(const Level &level, int64_t B, int64_t N, int64_t keep,
                 const std::function<void(GuardedFloats &)> &change = nullptr) {
  SCOPED_TRACE(testing::Message()
               << level.name << " B" << B << " N" << N << " keep " << keep);
  const int64_t row = N + 3, batch = N * row;
  GuardedFloats similarity(B * batch - 3);
  similarity.randomise(5);
  if (change)
    change(similarity);
  auto at = [&](int64_t b, int64_t i, int64_t j) -> float & {
    return similarity[b * batch + i * row + j];
  };
  for (int64_t b = 0; b < B; ++b)
    for (int64_t i = 0; i < N; ++i)
      for (int64_t j = 0; j < i; ++j)
        at(b, i, j) = at(b, j, i);
  Results results({B}, 1, keep);
  runKernel(level, "token_select_f32", {B, N, keep, batch, row},
            {similarity.data()}, {1, 1, B},
            cpu::tokenSelectScratchBytes(N, keep), results);
  std::vector<double> expected;
  for (int64_t b = 0; b < B; ++b)
    for (double x : leastAlike(N, keep, [&](int64_t i, int64_t j) {
           return double(at(b, i, j));
         }))
      expected.push_back(x);
  expectResults(results, expected, std::vector<double>(expected.size()),
                "places");
}

TEST_P(TokenTest, SelectionOfTheLeastAlike) {
  checkSelect(GetParam(), 1, 16, 4);
  checkSelect(GetParam(), 2, 17, 11);
  checkSelect(GetParam(), 3, 50, 1);
  checkSelect(GetParam(), 1, 9, 9);
  checkSelect(GetParam(), 1, 2, 1);
  checkSelect(GetParam(), 1, 1, 1);
  checkSelect(GetParam(), 1, 147, 130);
}

TEST_P(TokenTest, EquallyAlikeTokensGoByTheirIndex) {
  checkSelect(GetParam(), 1, 21, 7,
              [](GuardedFloats &similarity) { similarity.fill(0.25f); });
}

TEST_P(TokenTest, SelectionWithoutAnOrder) {
  // NaN and infinities: whatever is chosen ascends and stays in range.
  for (float value : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    const int64_t N = 19, keep = 8;
    GuardedFloats similarity(N * N);
    similarity.randomise(6);
    for (int64_t i = 0; i < N * N; i += 3)
      similarity[i] = value;
    Results results({1}, 1, keep);
    runKernel(GetParam(), "token_select_f32", {1, N, keep, N * N, N},
              {similarity.data()}, {1, 1, 1},
              cpu::tokenSelectScratchBytes(N, keep), results);
    float before = -1;
    for (float x : results.values) {
      EXPECT_TRUE(x > before && x < N && x == std::floor(x)) << x;
      before = x;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, TokenTest, testing::ValuesIn(baseLevels()),
                         [](const auto &info) {
                           return levelName(info.param);
                         });

} // namespace
