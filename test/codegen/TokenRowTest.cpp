//===- TokenRowTest.cpp - Matching, merging, choosing of tokens in a plan -===//

#include "test/codegen/Judges.h"
#include "test/codegen/RowHarness.h"

#include <cmath>

namespace mmcc::test {
namespace {

using TokenRow = EachLevel;
using Change = std::function<void(std::vector<float> &)>;

class Match {
public:
  explicit Match(const std::string &level)
      : row(level, {"token_match_f32", {"f32"}, 8, "i64"}) {}

  Row::Results run(const Matching &s, const std::vector<float> &metric) {
    const int64_t stride = s.D + 3;
    return row.run({s.B, s.N, s.D, s.protect, s.merged, s.neighbours,
                    s.N * stride, stride},
                   {metric.data()}, {1, 1, s.B}, s.B, 1, s.N,
                   s.B * ceilDivide(s.N, 2));
  }

  void check(const Matching &s, const Change &change = {}) {
    SCOPED_TRACE(testing::Message() << "N" << s.N << " D" << s.D << " protect "
                                    << s.protect << " merged " << s.merged);
    const int64_t stride = s.D + 3;
    std::vector<float> metric = stridedRows(s.B * s.N, s.D, stride, 7);
    if (change)
      change(metric);
    Row::Results found = run(s, metric);
    for (int64_t b = 0; b < s.B; ++b) {
      std::vector<double> want = successors(s, [&](int64_t t, int64_t d) {
        return double(metric[(b * s.N + t) * stride + d]);
      });
      for (int64_t t = 0; t < s.N; ++t)
        ASSERT_EQ(found.at(b, 0, t), want[t])
            << "sample " << b << " token " << t;
    }
  }

private:
  Row row;
};

TEST_P(TokenRow, matching) {
  Match match(GetParam());
  match.check({1, 17, 16, 1, 4});
  match.check({2, 197, 64, 1, 13});
  match.check({1, 64, 24, 0, 32});
  match.check({1, 50, 80, 1, 24});
  match.check({3, 198, 32, 2, 16});
  match.check({1, 201, 64, 5, 1});
  // Several tiles of both sets, and of numbers.
  match.check({1, 577, 20, 1, 23});
  match.check({1, 3, 5, 1, 1});
}

TEST_P(TokenRow, matchingOfNeighbours) {
  Match match(GetParam());
  match.check({1, 100, 64, 0, 50, true});
  match.check({2, 75, 20, 0, 10, true});
  match.check({1, 41, 16, 1, 20, true});
  match.check({1, 603, 7, 2, 200, true});
}

// All tokens are alike: each row of A has equal cosines, as has each pair.
TEST_P(TokenRow, equalCosinesGoToTheFirst) {
  Match match(GetParam());
  auto alike = [](std::vector<float> &metric) {
    metric.assign(metric.size(), 0.5f);
  };
  match.check({1, 40, 8, 1, 9}, alike);
  match.check({1, 400, 8, 1, 150}, alike);
  match.check({1, 90, 8, 0, 20, true}, alike);
  // Two kinds of tokens, by turns of five.
  match.check({1, 300, 4, 1, 100}, [](std::vector<float> &metric) {
    for (size_t i = 0; i < metric.size(); ++i)
      metric[i] = i / 7 % 5 < 3 ? 1.0f : float(i % 7 == 0);
  });
}

// Zeros and NaN have no cosine: whatever is chosen, numbers stay in range.
TEST_P(TokenRow, tokensWithoutDirection) {
  Match match(GetParam());
  for (bool neighbours : {false, true})
    for (float value : {0.0f, kNaN}) {
      Matching s{1, 33, 16, 1, 8, neighbours};
      std::vector<float> metric(s.N * (s.D + 3), value);
      for (float x : match.run(s, metric).values)
        EXPECT_TRUE(x >= 0 && x < s.N - s.merged && x == std::floor(x)) << x;
    }
}

// What has no cosine with anything is nobody's partner.
TEST_P(TokenRow, partnersAreNumbers) {
  Match(GetParam()).check({1, 80, 12, 1, 30}, [](std::vector<float> &metric) {
    for (int64_t token : {1, 7, 31, 79})
      std::fill_n(metric.begin() + token * 15, 12, kNaN);
  });
}

class Merge {
public:
  explicit Merge(const std::string &level)
      : row(level, {"token_merge_f32", {"f32", "i64", "f32"}, 10}) {}

  void check(int64_t B, int64_t N, int64_t M, int64_t C, bool average,
             int64_t block) {
    // A GPU's cells may share what is left.
    for (int64_t shares : {1, 3})
      if (shares == 1 || row.isCuda)
        check(B, N, M, C, average, block, shares);
  }

private:
  void check(int64_t B, int64_t N, int64_t M, int64_t C, bool average,
             int64_t block, int64_t shares) {
    SCOPED_TRACE(testing::Message() << "N" << N << " M" << M << " C" << C
                                    << " average " << average);
    const int64_t stride = C + (C > 1 ? 5 : 0);
    std::vector<float> x = stridedRows(B * N, C, stride, 3), weight(N, kNaN);
    for (int64_t i = 0; average && i < N; ++i)
      weight[i] = float(1 + i * 5 % 7);
    // Some are out of range, which is the nearest that is not.
    std::vector<int64_t> successor(B * N), named(B * N);
    for (int64_t i = 0; i < B * N; ++i) {
      successor[i] = named[i] = i % N < M ? i % N : (i * 7 + 3) % M;
      if (i % N > M && i % 11 == 0) {
        successor[i] = i % 2 ? 0 : M - 1;
        named[i] = i % 2 ? INT64_MIN : INT64_MAX;
      }
    }
    Row::Results merged =
        row.run({B, N, M, C, N * stride, stride, N, 0, average, block},
                {x.data(), named.data(), weight.data()},
                {ceilDivide(C, block), shares, B}, B, M, C);
    std::vector<double> want(B * M * C);
    for (int64_t b = 0; b < B; ++b) {
      std::vector<double> total(M);
      for (int64_t i = 0; i < N; ++i) {
        const int64_t t = successor[b * N + i];
        const double w = average ? weight[i] : 1;
        total[t] += w;
        for (int64_t c = 0; c < C; ++c)
          want[(b * M + t) * C + c] += w * x[(b * N + i) * stride + c];
      }
      for (int64_t i = 0; average && i < M * C; ++i)
        want[b * M * C + i] /= total[i / C];
    }
    expectClose(merged.values, want, 0, 1e-5);
  }

  Row row;
};

TEST_P(TokenRow, merging) {
  Merge merge(GetParam());
  merge.check(1, 17, 13, 48, true, 48);
  merge.check(2, 197, 184, 768, true, 256);
  merge.check(1, 50, 26, 130, true, 100);
  merge.check(1, 40, 20, 600, true, 600);
  merge.check(3, 20, 10, 7, true, 7);
  // Sizes add up.
  merge.check(2, 197, 184, 1, false, 1);
  merge.check(1, 9, 5, 1, false, 1);
}

class Select {
public:
  explicit Select(const std::string &level)
      : row(level, {"token_select_f32", {"f32"}, 5, "f32"}) {}

  Row::Results run(int64_t B, int64_t N, int64_t keep,
                   const std::vector<float> &similarity) {
    const int64_t stride = N + 3;
    return row.run({B, N, keep, N * stride, stride}, {similarity.data()},
                   {1, 1, B}, B, 1, keep, B * N);
  }

  void check(int64_t B, int64_t N, int64_t keep, const Change &change = {}) {
    SCOPED_TRACE(testing::Message()
                 << "B" << B << " N" << N << " keep " << keep);
    const int64_t stride = N + 3;
    std::vector<float> similarity = stridedRows(B * N, N, stride, 5);
    if (change)
      change(similarity);
    auto at = [&](int64_t b, int64_t i, int64_t j) -> float & {
      return similarity[(b * N + i) * stride + j];
    };
    for (int64_t b = 0; b < B; ++b)
      for (int64_t i = 0; i < N; ++i)
        for (int64_t j = 0; j < i; ++j)
          at(b, i, j) = at(b, j, i);
    Row::Results places = run(B, N, keep, similarity);
    for (int64_t b = 0; b < B; ++b) {
      std::vector<double> want = leastAlike(
          N, keep, [&](int64_t i, int64_t j) { return double(at(b, i, j)); });
      for (int64_t i = 0; i < keep; ++i)
        ASSERT_EQ(places.at(b, 0, i), want[i]) << "sample " << b << " " << i;
    }
  }

private:
  Row row;
};

TEST_P(TokenRow, selectionOfTheLeastAlike) {
  Select select(GetParam());
  select.check(1, 16, 4);
  select.check(2, 17, 11);
  select.check(3, 50, 1);
  select.check(1, 9, 9);
  select.check(1, 1, 1);
  select.check(1, 147, 130);
  // A thread has several tokens.
  select.check(2, 530, 20);
}

// Cosines: each token is most like itself, of which no choice is to know.
TEST_P(TokenRow, tokensAreLikeThemselves) {
  Select(GetParam()).check(1, 60, 9, [](std::vector<float> &similarity) {
    for (int64_t i = 0; i < 60; ++i)
      similarity[i * 63 + i] = 1;
  });
}

TEST_P(TokenRow, equallyAlikeTokensGoByTheirIndex) {
  Select select(GetParam());
  auto fill = [](std::vector<float> &similarity) {
    similarity.assign(similarity.size(), 0.25f);
  };
  select.check(1, 21, 7, fill);
  select.check(1, 300, 40, fill);
  // Few different numbers.
  select.check(1, 300, 40, [](std::vector<float> &similarity) {
    for (float &x : similarity)
      x = std::round(x * 2);
  });
}

// NaN and infinities: whatever is chosen ascends and stays in range.
TEST_P(TokenRow, selectionWithoutAnOrder) {
  Select select(GetParam());
  const int64_t N = 19, keep = 8;
  for (float value : {kNaN, kInf, -kInf}) {
    std::vector<float> similarity = stridedRows(N, N, N + 3, 6);
    for (size_t i = 0; i < similarity.size(); i += 3)
      similarity[i] = value;
    float before = -1;
    for (float x : select.run(1, N, keep, similarity).values) {
      EXPECT_TRUE(x > before && x < N && x == std::floor(x)) << x;
      before = x;
    }
  }
}

MMCC_AT_EACH_LEVEL(TokenRow);

} // namespace
} // namespace mmcc::test
