//===- SelectionRowTest.cpp - topk, retrieve, similarity in a plan --------===//

#include "test/codegen/Judges.h"
#include "test/codegen/RowHarness.h"

#include <cmath>
#include <cstring>

namespace mmcc::test {
namespace {

using SelectionRow = EachLevel;

/// The judge is a sort, with NaN above numbers and equals by the lower place.
void expectBest(const Row::Results &found, int64_t r,
                const std::vector<float> &row, int64_t k, bool largest) {
  std::vector<int64_t> places = best(row, k, largest);
  for (int64_t i = 0; i < k; ++i) {
    ASSERT_EQ(found.at(1, r, i), float(places[i])) << "row " << r << " " << i;
    const float want = row[places[i]], got = found.at(0, r, i);
    ASSERT_TRUE(std::isnan(want) ? std::isnan(got) : got == want)
        << "row " << r << " " << i << ": " << got << ", not " << want;
  }
}

class TopK {
public:
  explicit TopK(const std::string &level)
      : row(level, {"topk_f32", {"f32", "f32"}, 9}) {}

  /// x [R, N] in chunks, joined if there are several.
  void check(int64_t R, int64_t N, int64_t k, bool largest, int64_t chunk,
             const std::function<void(std::vector<float> &)> &change = {}) {
    SCOPED_TRACE(testing::Message()
                 << "R" << R << " N" << N << " k" << k << " largest " << largest
                 << " chunk " << chunk);
    const int64_t stride = N + 3, chunks = ceilDivide(N, chunk);
    std::vector<float> x = stridedRows(R, N, stride, 11);
    if (change)
      change(x);
    Row::Results found =
        select(x.data(), x.data(), R, N, k, largest, chunk, stride, false);
    if (chunks > 1) {
      const int64_t n = chunks * k;
      found = select(found.values.data(), found.values.data() + R * n, R, n, k,
                     largest, n, n, true);
    }
    for (int64_t r = 0; r < R; ++r)
      expectBest(found, r, {x.begin() + r * stride, x.begin() + r * stride + N},
                 k, largest);
  }

  Row::Results select(const float *x, const float *at, int64_t R, int64_t N,
                      int64_t k, bool largest, int64_t chunk, int64_t stride,
                      bool indexed) {
    const int64_t chunks = ceilDivide(N, chunk), cells = ceilDivide(R, 4);
    const std::vector<int64_t> params = {
        R, N, k, largest, chunk, stride, indexed, stride, 4};
    Row::Results found =
        row.run(params, {x, at}, {chunks, cells, 1}, 2, R, chunks * k);
    // A GPU is given all cells along x.
    if (row.isCuda) {
      Row::Results line =
          row.run(params, {x, at}, {chunks * cells, 1, 1}, 2, R, chunks * k);
      EXPECT_EQ(std::memcmp(found.values.data(), line.values.data(),
                            found.values.size() * sizeof(float)),
                0);
    }
    return found;
  }

private:
  Row row;
};

TEST_P(SelectionRow, topK) {
  TopK topk(GetParam());
  for (bool largest : {true, false}) {
    topk.check(3, 8, 2, largest, 128);
    topk.check(9, 64, 6, largest, 128);
    topk.check(1, 256, 256, largest, 256);
    topk.check(2, 1000, 1, largest, 1024);
    topk.check(1, 5003, 100, largest, 5120);
    topk.check(1, 700, 700, largest, 768);
    topk.check(1, 1, 1, largest, 128);
    // More than a block of threads sorts at once.
    topk.check(1, 6000, 4500, largest, 6016);
  }
}

TEST_P(SelectionRow, topKInChunks) {
  TopK topk(GetParam());
  topk.check(2, 3000, 7, true, 512);
  topk.check(1, 3000, 60, false, 256);
  // The last chunk has fewer elements than are wanted: joined from a short row
  // and from a long one.
  topk.check(5, 1030, 40, true, 256);
  topk.check(2, 1030, 70, false, 256);
  topk.check(1, 130, 20, true, 128);
}

TEST_P(SelectionRow, equalElementsGoByTheirPlace) {
  TopK topk(GetParam());
  auto steps = [](std::vector<float> &x) {
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = float(i * 7 % 5);
  };
  auto equal = [](std::vector<float> &x) { x.assign(x.size(), 2.0f); };
  for (bool largest : {true, false}) {
    topk.check(2, 900, 33, largest, 1024, steps);
    topk.check(2, 900, 33, largest, 128, steps);
    topk.check(9, 60, 33, largest, 128, steps);
    topk.check(1, 500, 400, largest, 512, equal);
    topk.check(1, 5000, 3000, largest, 5120, equal);
  }
}

TEST_P(SelectionRow, numbersBesideNumbers) {
  // NaN is above all, infinities are numbers, both zeros are one.
  TopK topk(GetParam());
  for (bool largest : {true, false})
    for (int64_t every : {2, 3})
      for (int64_t N : {200, 300}) {
        topk.check(2, N, N - 50, largest, 384, [&](std::vector<float> &x) {
          for (size_t i = 0; i < x.size(); i += every)
            x[i] = std::array{kNaN, -kInf, kInf, 0.0f, -0.0f}[i % 5];
        });
        topk.check(1, N, 9, largest, 128, [&](std::vector<float> &x) {
          for (size_t i = 0; i < x.size(); ++i)
            x[i] = i % 37 ? kNaN : -kInf;
        });
      }
}

TEST_P(SelectionRow, retrieval) {
  struct Shape {
    int64_t M, N, D, k, chunk, block;
  };
  for (auto [M, N, D, k, chunk, block] : {Shape{1, 3000, 32, 10, 512, 32},
                                          {1, 129, 7, 3, 256, 32},
                                          {33, 500, 24, 5, 256, 32},
                                          {70, 260, 48, 40, 384, 32},
                                          {8, 1024, 17, 1, 128, 4},
                                          {2, 400, 3, 96, 512, 16}}) {
    SCOPED_TRACE(testing::Message()
                 << "M" << M << " N" << N << " D" << D << " k" << k);
    Row row(GetParam(), {"retrieve_f32", {"f32", "f32"}, 7, "", 3, k});
    const int64_t stride = D + 5, chunks = ceilDivide(N, chunk);
    std::vector<float> x = stridedRows(M, D, stride, 21);
    // Small whole numbers: sums are exact, and many scores are equal.
    for (float &number : x)
      number = std::round(number * 3);
    auto weight = [](int64_t d, int64_t n) {
      return float((d * 5 + n * 3) % 7 - 3);
    };
    std::vector<float> panels(ceilDivide(N, 16) * D * 16);
    for (int64_t d = 0; d < D; ++d)
      for (int64_t n = 0; n < N; ++n)
        panels[(n / 16 * D + d) * 16 + n % 16] = weight(d, n);
    Row::Results found =
        row.run({M, N, D, k, stride, chunk, block}, {x.data(), panels.data()},
                {chunks, ceilDivide(M, block), 1}, 2, M, chunks * k);
    if (chunks > 1) {
      const int64_t n = chunks * k;
      found = TopK(GetParam())
                  .select(found.values.data(), found.values.data() + M * n, M,
                          n, k, true, n, n, true);
    }
    for (int64_t m = 0; m < M; ++m) {
      std::vector<float> scores(N);
      for (int64_t n = 0; n < N; ++n) {
        double sum = 0;
        for (int64_t d = 0; d < D; ++d)
          sum += double(x[m * stride + d]) * weight(d, n);
        scores[n] = float(sum);
      }
      expectBest(found, m, scores, k, true);
    }
  }
}

// Each score is better than all before, and some are no numbers. 65 are one
// more than a row has room for.
TEST_P(SelectionRow, retrievalOfRisingScores) {
  const int64_t k = 30;
  Row row(GetParam(), {"retrieve_f32", {"f32", "f32"}, 7, "", 3, k});
  for (int64_t N : {65, 700}) {
    std::vector<float> x = {1, 0.5f}, panels(ceilDivide(N, 16) * 16);
    for (int64_t n = 0; n < N; ++n)
      panels[n] = n % 100 == 7 ? kNaN : float(n);
    Row::Results found = row.run({2, N, 1, k, 1, 768, 32},
                                 {x.data(), panels.data()}, {1, 1, 1}, 2, 2, k);
    for (int64_t m = 0; m < 2; ++m) {
      std::vector<float> scores(N);
      for (int64_t n = 0; n < N; ++n)
        scores[n] = panels[n] * x[m];
      expectBest(found, m, scores, k, true);
    }
  }
}

TEST_P(SelectionRow, similarity) {
  Row row(GetParam(), {"similarity_f32", {"f32", "f32"}, 9});
  struct Shape {
    int64_t M, N, D;
    double aEps, bEps;
    int64_t block;
  };
  for (auto [M, N, D, aEps, bEps, block] : {Shape{3, 5, 16, 0, 0, 64},
                                            {1, 10, 512, 1e-12, 0, 64},
                                            {65, 70, 33, 0, 1e-12, 64},
                                            {64, 64, 128, 0.5, 7.0, 64},
                                            {130, 140, 5, 0, 0, 128},
                                            {9, 150, 20, 0, 0, 0}}) {
    // A cell of several tiles, which a CPU's may not have.
    if (block == 0)
      block = row.isCuda ? 256 : 64;
    SCOPED_TRACE(testing::Message() << "M" << M << " N" << N << " D" << D);
    const int64_t aRow = D + 3, bRow = D + 1;
    std::vector<float> a = stridedRows(M, D, aRow, 31),
                       b = stridedRows(N, D, bRow, 32);
    auto bits = [](double number) {
      int64_t word;
      std::memcpy(&word, &number, 8);
      return word;
    };
    // Rows of zeros: kept by an epsilon, no numbers without.
    std::fill_n(a.begin() + (M - 1) * aRow, D, 0.0f);
    Row::Results cosines =
        row.run({M, N, D, aRow, bRow, bits(aEps), bits(bEps), block, block},
                {a.data(), b.data()},
                {ceilDivide(N, block), ceilDivide(M, block), 1}, 1, M, N);
    auto dot = [depth = D](const float *x, const float *y) {
      double sum = 0;
      for (int64_t d = 0; d < depth; ++d)
        sum += double(x[d]) * double(y[d]);
      return sum;
    };
    std::vector<double> want;
    for (int64_t m = 0; m < M; ++m)
      for (int64_t n = 0; n < N; ++n) {
        const float *x = a.data() + m * aRow, *y = b.data() + n * bRow;
        want.push_back(dot(x, y) / (std::max(std::sqrt(dot(x, x)), aEps) *
                                    std::max(std::sqrt(dot(y, y)), bEps)));
      }
    expectClose(cosines.values, want, 0, 2e-6);
  }
}

MMCC_AT_EACH_LEVEL(SelectionRow);

} // namespace
} // namespace mmcc::test
