//===- AttentionTest.cpp - attention_f32 against f64 ----------------------===//

#include "codegen/cpu/kernels/Blocking.h"
#include "codegen/cpu/kernels/Levels.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "test/codegen/kernels/KernelHarness.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <numeric>
#include <optional>

using namespace mmcc::test;
namespace cpu = mmcc::cpu;

namespace {

class AttentionTest : public testing::TestWithParam<Level> {};

constexpr float kMinusInf = -std::numeric_limits<float>::infinity();

struct Span {
  int32_t begin, end, whole;
};

struct Shape {
  int64_t B, H, group, Sq, Skv, D, Dv;
  bool causal = false;
  int64_t causalOffset = 0, window = 0, qBlock = 0;
  double scale = 0.125;
  float magnitude = 1.0f;
  int64_t stride = 0, strideOffset = 0;
  /// Spans of each block of queries, all of them equally many.
  std::vector<std::vector<Span>> spans = {};
};

using Score =
    std::function<float(const int64_t *, int64_t i, int64_t j, float)>;

/// Products of queries and keys as bytes: both by their largest magnitude, keys
/// less their mean, whose product with the query is added.
struct ByteProducts {
  ByteProducts(const Shape &s, const float *q, const float *k, int64_t qRow,
               int64_t kRow)
      : s(s), q(q), k(k), qRow(qRow), kRow(kRow), means(s.B) {
    for (int64_t b = 0; b < s.B; ++b)
      for (int64_t at = 0; at < s.H / s.group * s.D; ++at) {
        double sum = 0;
        for (int64_t j = 0; j < s.Skv; ++j)
          sum += k[(b * s.Skv + j) * kRow + at];
        means[b].push_back(sum / double(std::max<int64_t>(s.Skv, 1)));
      }
  }

  double product(int64_t b, int64_t h, int64_t i, int64_t j) const {
    const int64_t head = h / s.group * s.D;
    const float *query = q + (b * s.Sq + i) * qRow + h * s.D;
    const float *key = k + (b * s.Skv + j) * kRow + head;
    std::vector<double> x(query, query + s.D), y(s.D);
    double common = 0;
    for (int64_t d = 0; d < s.D; ++d) {
      const double mean = means[b][head + d];
      y[d] = key[d] - mean;
      common += x[d] * mean;
    }
    round(x), round(y);
    return std::inner_product(x.begin(), x.end(), y.begin(), common);
  }

private:
  static void round(std::vector<double> &x) {
    double largest = 0;
    for (double value : x)
      largest = std::max(largest, std::fabs(value));
    for (double &value : x)
      if (largest > 0)
        value = std::nearbyint(value * 127 / largest) * largest / 127;
  }

  const Shape &s;
  const float *q, *k;
  int64_t qRow, kRow;
  std::vector<std::vector<double>> means;
};

/// The row `row` on `s`. What may be rounded is, in the expectation, where the
/// level does it, but for the weights, whose error the tolerance has.
void checkRow(const char *row, const Level &level, const Shape &s,
              const Score &score) {
  const bool mayRound = std::strcmp(row, "attention_f32") != 0 && s.Sq > 4;
  SCOPED_TRACE(testing::Message()
               << row << " at " << level.name << " H" << s.H << " group "
               << s.group << " Sq" << s.Sq << " Skv" << s.Skv << " D" << s.D
               << " Dv" << s.Dv << " causal " << s.causal << "+"
               << s.causalOffset << " window " << s.window << " q_block "
               << s.qBlock);
  int64_t heads = s.H / s.group;
  // Tokens interleave heads, and lie a little further apart than they must.
  int64_t qRow = s.H * s.D + 3, kRow = heads * s.D + 1, vRow = heads * s.Dv;
  int64_t qBatch = s.Sq * qRow, kBatch = s.Skv * kRow, vBatch = s.Skv * vRow;
  GuardedFloats q(s.B * qBatch - 3), k(s.Skv ? s.B * kBatch - 1 : 0),
      v(s.B * vBatch);
  q.randomise(1);
  k.randomise(2);
  v.randomise(3);
  for (size_t i = 0; i < q.size(); ++i)
    q[i] *= s.magnitude;
  int64_t qBlock = s.qBlock ? s.qBlock : s.Sq;
  int64_t scaleBits;
  std::memcpy(&scaleBits, &s.scale, 8);
  Results results({s.B, s.H}, s.Sq, s.Dv);
  results.score = score;
  std::vector<Span> table(1);
  for (const std::vector<Span> &block : s.spans)
    table.insert(table.end(), block.begin(), block.end());
  int64_t spanCount = s.spans.empty() ? 0 : s.spans.front().size();
  runKernel(level, row,
            {s.B,
             s.H,
             s.group,
             s.Sq,
             s.Skv,
             s.D,
             s.Dv,
             scaleBits,
             s.causal,
             s.causalOffset,
             s.window,
             qBatch,
             s.D,
             qRow,
             kBatch,
             s.D,
             kRow,
             vBatch,
             s.Dv,
             vRow,
             qBlock,
             s.stride,
             s.strideOffset,
             spanCount},
            {q.data(), k.data(), v.data(),
             reinterpret_cast<const float *>(table.data() + 1)},
            {ceilDivide(s.Sq, qBlock), s.H, s.B},
            cpu::attentionScratchBytes(s.D, s.Dv, qBlock), results);

  const bool rounds = mayRound && cpu::findLevel(level.name)->hasFormOf(row);
  auto multiplied = [&](float x) { return rounds ? nearestBF16(x) : x; };
  std::optional<ByteProducts> score8;
  // Tiles multiply bf16, whatever the row.
  const bool tiles = std::strcmp(level.name, "x86-64-v4-amx") == 0;
  if (rounds && !tiles && std::strcmp(row, "attention_i8") == 0)
    score8.emplace(s, q.data(), k.data(), qRow, kRow);
  std::vector<double> expected, tolerance;
  for (int64_t b = 0; b < s.B; ++b)
    for (int64_t h = 0; h < s.H; ++h)
      for (int64_t i = 0; i < s.Sq; ++i) {
        std::vector<double> p(s.Skv);
        double max = kMinusInf, sum = 0;
        for (int64_t j = 0; j < s.Skv; ++j) {
          double dot = score8 ? score8->product(b, h, i, j) : 0;
          for (int64_t d = 0; d < s.D && !score8; ++d)
            dot += double(multiplied(q[b * qBatch + i * qRow + h * s.D + d])) *
                   double(multiplied(
                       k[b * kBatch + j * kRow + h / s.group * s.D + d]));
          dot *= s.scale;
          int64_t outer[2] = {b, h};
          bool seen = s.spans.empty(), whole = false;
          for (const Span &span :
               seen ? std::vector<Span>() : s.spans[i / qBlock])
            if (span.begin <= j && j < span.end) {
              seen = true;
              whole = span.whole;
            }
          if (score && !whole)
            dot = score(outer, i, j, float(dot));
          if (!seen)
            dot = kMinusInf;
          bool local = (!s.causal || j <= i + s.causalOffset) &&
                       (s.window == 0 || j > i + s.causalOffset - s.window);
          bool strided =
              s.stride > 0 && j % s.stride == 0 && j <= i + s.strideOffset;
          if (!local && !strided)
            dot = kMinusInf;
          p[j] = dot;
          max = std::max(max, dot);
        }
        for (double &value : p) {
          value = max == kMinusInf ? 0.0 : std::exp(value - max);
          sum += value;
        }
        for (int64_t e = 0; e < s.Dv; ++e) {
          double out = 0;
          for (int64_t j = 0; j < s.Skv; ++j)
            out +=
                p[j] * double(multiplied(
                           v[b * vBatch + j * vRow + h / s.group * s.Dv + e]));
          expected.push_back(sum == 0 ? 0.0 : out / sum);
          tolerance.push_back(
              2e-6 * std::max(1.0f, s.magnitude) +
              (rounds ? 0x1p-8 * std::max(1.0f, s.magnitude / 4) : 0));
        }
      }
  expectResults(results, expected, tolerance, "attention");
}

void check(const Level &level, const Shape &s, const Score &score = nullptr) {
  const cpu::Level &known = *cpu::findLevel(level.name);
  for (const char *row : {"attention_f32", "attention_bf16", "attention_i8"})
    if (known.isBase() || known.hasFormOf(row)) // else its base's
      checkRow(row, level, s, score);
}

TEST_P(AttentionTest, Encoders) {
  check(GetParam(), {2, 3, 1, 50, 50, 64, 64});
  check(GetParam(), {1, 2, 1, 197, 197, 64, 64});
  check(GetParam(), {1, 1, 1, 33, 77, 32, 48});
  check(GetParam(), {1, 2, 1, 20, 49, 80, 80});
  check(GetParam(), {1, 2, 1, 15, 16, 7, 5});
  check(GetParam(), {1, 1, 1, 40, 40, 128, 128, false, 0, 0, 17});
}

TEST_P(AttentionTest, SeveralKeyBlocks) {
  check(GetParam(), {1, 1, 1, 30, 1500, 64, 64, false, 0, 0, 16});
  check(GetParam(), {1, 1, 1, 9, 2049, 16, 16});
  check(GetParam(), {1, 1, 1, 20, 769, 16, 24, false, 0, 0, 0, 0.125, 30.0f});
}

TEST_P(AttentionTest, GroupedHeads) {
  check(GetParam(), {2, 6, 3, 21, 37, 64, 64});
  check(GetParam(), {1, 4, 4, 1, 100, 64, 64});
}

TEST_P(AttentionTest, Causal) {
  check(GetParam(), {1, 2, 1, 60, 60, 64, 64, true});
  check(GetParam(), {1, 2, 1, 60, 100, 32, 32, true, 40});
  check(GetParam(), {1, 1, 1, 130, 130, 64, 64, true, 0, 0, 32});
  check(GetParam(), {1, 1, 1, 900, 900, 16, 16, true, 0, 0, 300});
  // The first rows see no key at all.
  check(GetParam(), {1, 1, 1, 40, 30, 16, 16, true, -10});
  check(GetParam(), {1, 1, 1, 4, 30, 16, 16, true, -2});
}

TEST_P(AttentionTest, Window) {
  check(GetParam(), {1, 1, 1, 100, 100, 32, 32, true, 0, 20});
  check(GetParam(), {1, 1, 1, 100, 100, 32, 32, false, 0, 7, 48});
  check(GetParam(), {1, 1, 1, 900, 900, 16, 16, true, 0, 100, 128});
  check(GetParam(), {1, 1, 1, 2, 900, 16, 16, true, 898, 100});
  check(GetParam(), {1, 1, 1, 1, 900, 16, 16, true, 899, 64});
  // Windows that have left the keys behind.
  check(GetParam(), {1, 1, 1, 60, 20, 16, 16, true, 0, 10});
}

TEST_P(AttentionTest, FewQueries) {
  for (int64_t Sq : {1, 2, 3, 4})
    for (auto [D, Dv] :
         {std::array<int64_t, 2>{64, 64}, {128, 128}, {20, 33}, {96, 72}})
      for (int64_t Skv : {1, 5, 77, 600, 1300}) {
        check(GetParam(), {1, 2, 2, Sq, Skv, D, Dv});
        check(GetParam(), {1, 1, 1, Sq, Skv, D, Dv, true, Skv - Sq});
      }
}

TEST_P(AttentionTest, ScoreBlock) {
  // An additive bias that depends on every index.
  Score bias = [](const int64_t *o, int64_t i, int64_t j, float s) {
    return s + 0.01f * float(o[1]) - 0.02f * float((i * 7 + j * 3) % 11);
  };
  // A padding mask, with rows that it leaves empty.
  Score mask = [](const int64_t *, int64_t i, int64_t j, float s) {
    return i % 5 == 0 || j >= 40 || j < 3 ? kMinusInf : s;
  };
  Score soft = [](const int64_t *, int64_t, int64_t j, float s) {
    return j % 3 == 0 ? s - 1e9f : s;
  };
  // The lowest float on every pair of some rows: their scores stay the same.
  Score lowest = [](const int64_t *, int64_t i, int64_t, float s) {
    return i % 2 ? std::numeric_limits<float>::lowest() : s;
  };
  for (const Score &score : {bias, mask, soft, lowest}) {
    check(GetParam(), {1, 2, 1, 50, 50, 64, 64}, score);
    check(GetParam(), {1, 2, 1, 3, 70, 64, 64}, score);
    check(GetParam(), {1, 1, 1, 50, 50, 64, 64, true}, score);
    check(GetParam(), {1, 1, 1, 20, 1600, 16, 16}, score);
  }
}

TEST_P(AttentionTest, WithoutKeys) {
  check(GetParam(), {1, 2, 1, 20, 0, 16, 16});
  check(GetParam(), {1, 2, 1, 2, 0, 16, 16});
}

TEST_P(AttentionTest, ScalesOfEverySign) {
  for (double scale : {0.0, -0.3, 1.0})
    for (int64_t Sq : {2, 30}) {
      Shape s{1, 1, 1, Sq, 45, 16, 16};
      s.scale = scale;
      check(GetParam(), s);
    }
}

TEST_P(AttentionTest, RecommendedBlocks) {
  for (int64_t Sq : {1, 5, 130, 600}) {
    Shape s{1, 2, 1, Sq, Sq, 16, 16};
    s.qBlock = cpu::attentionBlock(Sq, 2);
    check(GetParam(), s);
  }
}

Shape sparse(int64_t Sq, int64_t Skv, int64_t offset, int64_t window,
             int64_t stride, int64_t strideOffset) {
  Shape s{2, 2, 1, Sq, Skv, 32, 48, true, offset, window};
  s.stride = stride;
  s.strideOffset = strideOffset;
  return s;
}

// A window of 8 on both sides: j <= i + 8 and j > i + 8 - 17.
TEST_P(AttentionTest, WindowOnBothSides) {
  check(GetParam(), {1, 2, 1, 100, 100, 32, 32, true, 8, 17});
  check(GetParam(), {1, 1, 1, 1000, 1000, 16, 16, true, 40, 81, 300});
}

TEST_P(AttentionTest, StridedKeys) {
  check(GetParam(), sparse(100, 100, 5, 11, 16, 100));
  check(GetParam(), sparse(900, 900, 20, 41, 7, 900)); // 129 strided keys
  check(GetParam(), sparse(90, 90, 0, 9, 10, 0));      // causal
  check(GetParam(), sparse(60, 2000, 1940, 33, 2, 1940));
  check(GetParam(), sparse(3, 500, 497, 20, 25, 497)); // a few rows
  check(GetParam(), sparse(1, 700, 699, 64, 32, 699));
  check(GetParam(), sparse(70, 70, -80, 5, 100, 70)); // key 0 alone
}

TEST_P(AttentionTest, StridedKeysUnderAScoreBlock) {
  auto score = [](const int64_t *outer, int64_t i, int64_t j, float s) {
    return (i + j + outer[1]) % 3 == 0 ? kMinusInf : s + 0.01f * float(j);
  };
  check(GetParam(), sparse(100, 100, 5, 11, 16, 100), score);
  check(GetParam(), sparse(2, 300, 298, 20, 25, 298), score);
}

// Blocks of 64 queries; the last one is short, one sees nothing, and what is
// behind the last key is not there.
Shape spanned() {
  Shape s{2, 2, 1, 200, 300, 32, 48};
  s.qBlock = 64;
  s.spans = {{{0, 32, 0}, {64, 160, 1}, {0, 0, 0}},
             {{32, 64, 1}, {96, 128, 0}, {256, 320, 0}},
             {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}},
             {{0, 320, 1}, {0, 0, 0}, {0, 0, 0}}};
  return s;
}

TEST_P(AttentionTest, Spans) {
  check(GetParam(), spanned());
  Shape causal = spanned();
  causal.causal = true;
  causal.causalOffset = 100;
  check(GetParam(), causal);
  Shape longer{1, 1, 1, 70, 3000, 16, 16};
  longer.qBlock = 64;
  longer.spans = {{{32, 2400, 1}, {2432, 3008, 0}}, {{0, 64, 0}, {0, 0, 0}}};
  check(GetParam(), longer);
}

TEST_P(AttentionTest, WholeSpansDoNotAskTheScoreBlock) {
  auto score = [](const int64_t *outer, int64_t i, int64_t j, float s) {
    return (i + j + outer[1]) % 3 == 0 ? kMinusInf : s + 0.01f * float(j);
  };
  check(GetParam(), spanned(), score);
}

INSTANTIATE_TEST_SUITE_P(Levels, AttentionTest, testing::ValuesIn(allLevels()),
                         [](const auto &info) {
                           return levelName(info.param);
                         });

} // namespace
