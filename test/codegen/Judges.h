//===- Judges.h - What rows of kernels.inc choose ---------------*- C++ -*-===//
//
// Sorts, sets and double precision instead of keys, bars and sums: for tests of
// the rows at every level and on a GPU.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_JUDGES_H
#define MMCC_TEST_CODEGEN_JUDGES_H

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

namespace mmcc::test {

/// Places of the k best by a sort: equals by the lower place, NaN above
/// numbers.
inline std::vector<int64_t> best(const std::vector<float> &row, int64_t k,
                                 bool largest) {
  std::vector<int64_t> places(row.size());
  std::iota(places.begin(), places.end(), 0);
  auto isBefore = [&](int64_t a, int64_t b) {
    bool aIsNaN = std::isnan(row[a]), bIsNaN = std::isnan(row[b]);
    if (aIsNaN != bIsNaN)
      return largest == aIsNaN;
    if (aIsNaN || row[a] == row[b])
      return a < b;
    return largest ? row[a] > row[b] : row[a] < row[b];
  };
  std::sort(places.begin(), places.end(), isBefore);
  places.resize(k);
  return places;
}

/// What is matched: B samples of N tokens, whose metric has D numbers.
struct Matching {
  int64_t B, N, D, protect, merged;
  bool neighbours = false;
};

using Metric = std::function<double(int64_t token, int64_t d)>;

/// The paper's rule in its own terms: scores, partners, a sort, new numbers.
inline std::vector<double> successors(const Matching &s, const Metric &metric) {
  auto cosine = [&](int64_t a, int64_t b) {
    double dot = 0, aa = 0, bb = 0;
    for (int64_t d = 0; d < s.D; ++d) {
      dot += metric(a, d) * metric(b, d);
      aa += metric(a, d) * metric(a, d);
      bb += metric(b, d) * metric(b, d);
    }
    return dot / std::sqrt(aa * bb);
  };
  std::vector<int64_t> candidates, partner(s.N, -1);
  std::vector<double> nearest(s.N, -2);
  for (int64_t a = 0; a < s.N; a += 2) {
    if (a < s.protect)
      continue;
    candidates.push_back(a);
    for (int64_t b = 1; b < s.N; b += 2) {
      if (b < s.protect || (s.neighbours && std::abs(a - b) != 1))
        continue;
      if (double c = cosine(a, b); c > nearest[a]) {
        nearest[a] = c;
        partner[a] = b;
      }
    }
  }
  std::sort(candidates.begin(), candidates.end(), [&](int64_t x, int64_t y) {
    return std::pair(-nearest[x], x) < std::pair(-nearest[y], y);
  });
  std::vector<bool> gone(s.N);
  for (int64_t i = 0; i < s.merged; ++i)
    gone[candidates[i]] = true;
  std::vector<int64_t> order;
  for (int64_t p = 0; p < s.protect; ++p)
    order.push_back(p);
  for (int64_t p = s.protect; p < s.N; ++p)
    if (!gone[p] && (s.neighbours || p % 2 == 0))
      order.push_back(p);
  for (int64_t p = s.protect; p < s.N && !s.neighbours; ++p)
    if (p % 2 == 1)
      order.push_back(p);
  EXPECT_EQ(int64_t(order.size()), s.N - s.merged);
  std::vector<double> result(s.N);
  for (size_t i = 0; i < order.size(); ++i)
    result[order[i]] = double(i);
  for (int64_t p = 0; p < s.N; ++p)
    if (gone[p])
      result[p] = result[partner[p]];
  return result;
}

/// Greedy max-min diversity in its own terms.
inline std::vector<double>
leastAlike(int64_t N, int64_t keep,
           const std::function<double(int64_t, int64_t)> &s) {
  std::vector<int64_t> chosen;
  while (int64_t(chosen.size()) < keep) {
    int64_t next = -1;
    double least = 0;
    for (int64_t i = 0; i < N; ++i) {
      if (std::find(chosen.begin(), chosen.end(), i) != chosen.end())
        continue;
      double nearest = -HUGE_VAL;
      for (int64_t j = 0; j < N; ++j)
        if (j != i && (chosen.empty() || std::find(chosen.begin(), chosen.end(),
                                                   j) != chosen.end()))
          nearest = std::max(nearest, s(i, j));
      if (next < 0 || nearest < least) {
        next = i;
        least = nearest;
      }
    }
    chosen.push_back(next);
  }
  std::sort(chosen.begin(), chosen.end());
  return std::vector<double>(chosen.begin(), chosen.end());
}

} // namespace mmcc::test

#endif // MMCC_TEST_CODEGEN_JUDGES_H
