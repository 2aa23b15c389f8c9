// How many pairs a pattern keeps, against asking for each of them what
// mm.attention says.

#include "compiler/report/AttentionFacts.h"

#include <gtest/gtest.h>

namespace mmcc {
namespace {

/// The definition in MMModelOps.td.
bool keeps(const PairPattern &p, int64_t i, int64_t j, int64_t offset) {
  bool band = true;
  if (p.causal)
    band &= j <= i + offset;
  if (p.ahead >= 0)
    band &= j <= i + offset + p.ahead;
  if (p.window > 0)
    band &= j > i + offset - p.window;
  bool strided = p.stride > 0 && j % p.stride == 0;
  return band || (strided && (!p.causal || j <= i + offset));
}

TEST(Pairs, are_those_of_the_definition) {
  int compared = 0;
  for (int64_t queries : {1, 2, 7, 12})
    for (int64_t keys : {1, 5, 12, 17})
      for (bool causal : {false, true})
        for (int64_t window : {0, 1, 3, 20})
          for (int64_t ahead : {-1, 0, 2})
            for (int64_t stride : {0, 2, 5}) {
              // C4 of mm.attention.
              if ((causal && ahead >= 0) || (stride > 0 && window == 0))
                continue;
              PairPattern pattern{causal, window, ahead, stride};
              int64_t expected = 0;
              for (int64_t i = 0; i < queries; ++i)
                for (int64_t j = 0; j < keys; ++j)
                  expected += keeps(pattern, i, j, keys - queries);
              EXPECT_EQ(countPairs(pattern, queries, keys), expected)
                  << queries << " x " << keys << ", causal " << causal
                  << ", window " << window << ", ahead " << ahead << ", stride "
                  << stride;
              ++compared;
            }
  EXPECT_GT(compared, 300);
}

TEST(Pairs, of_patterns_that_everybody_knows) {
  EXPECT_EQ(countPairs({}, 197, 197), 197 * 197);
  // 1 + 2 + ... + 12, and with a cache of 5: 12 * 5 more.
  EXPECT_EQ(countPairs({true}, 12, 12), 78);
  EXPECT_EQ(countPairs({true}, 12, 17), 78 + 60);
  // The pictures in the documentation of mm.attention, of which they show the
  // first four queries: 2, 3, 3, 3, 3, 2 and 2, 3, 3, 2, 3, 3.
  EXPECT_EQ(countPairs({false, 2, 1, 0}, 6, 6), 16);
  EXPECT_EQ(countPairs({false, 1, 0, 3}, 6, 6), 16);
}

} // namespace
} // namespace mmcc
