//===- StateTest.cpp - state_append_* and attention_state_* ---------------===//

#include "codegen/cpu/kernels/Scratch.h"
#include "test/codegen/kernels/KernelHarness.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <memory>

using namespace mmcc::test;
namespace cpu = mmcc::cpu;

namespace {

class StateTest : public testing::TestWithParam<Level> {};

constexpr int64_t kTokens = cpu::kStateTokens;
constexpr float kMinusInf = -std::numeric_limits<float>::infinity();

struct Kind {
  const char *name;
  int64_t bytes;
  bool scaled;
};
constexpr Kind kKinds[] = {
    {"f32", 4, false}, {"f16", 2, false}, {"i8", 1, true}, {"f8", 1, true}};

double halfValue(uint16_t bits) {
  int exponent = bits >> 10 & 0x1f, mantissa = bits & 0x3ff;
  if (exponent == 0x1f && mantissa)
    return std::numeric_limits<double>::quiet_NaN();
  double magnitude = exponent ? std::ldexp(mantissa + 1024, exponent - 25)
                              : std::ldexp(mantissa, -24);
  return bits & 0x8000 ? -magnitude : magnitude;
}

double f8Value(uint8_t bits) {
  int exponent = bits >> 3 & 0xf, mantissa = bits & 7;
  double magnitude = exponent ? std::ldexp(mantissa + 8, exponent - 10)
                              : std::ldexp(mantissa, -9);
  return bits & 0x80 ? -magnitude : magnitude;
}

/// A state in memory that ends 64 bytes behind each block.
struct Blocks {
  Blocks(const Kind &kind, int64_t B, int64_t H, int64_t width, int64_t tokens)
      : kind(kind), H(H), width(width),
        headBytes(kTokens * (width * kind.bytes + (kind.scaled ? 4 : 0))) {
    for (int64_t t = 0; t < tokens; t += kTokens) {
      memory.push_back(
          std::make_unique<GuardedFloats>(B * H * headBytes / 4 + 16));
      memory.back()->fill(std::numeric_limits<float>::quiet_NaN());
      table.push_back(memory.back()->data());
    }
  }
  const float *tensor() const {
    return reinterpret_cast<const float *>(table.data());
  }
  double at(int64_t b, int64_t h, int64_t t, int64_t e) const {
    const char *head = reinterpret_cast<const char *>(table[t / kTokens]) +
                       (b * H + h) * headBytes;
    const char *element = head + (t % kTokens * width + e) * kind.bytes;
    float scale = 1;
    if (kind.scaled)
      std::memcpy(&scale, head + kTokens * width * kind.bytes + t % kTokens * 4,
                  4);
    if (kind.bytes == 4) {
      float value;
      std::memcpy(&value, element, 4);
      return value;
    }
    if (kind.bytes == 2) {
      uint16_t bits;
      std::memcpy(&bits, element, 2);
      return halfValue(bits);
    }
    if (kind.name[0] == 'i')
      return double(int8_t(*element)) * scale;
    return f8Value(uint8_t(*element)) * (double(scale) / 256);
  }

  Kind kind;
  int64_t H, width, headBytes;
  std::vector<std::unique_ptr<GuardedFloats>> memory;
  std::vector<float *> table;
};

/// Appends x[b, h, t, e], t in [from, from + rows), of tokens that interleave
/// heads.
void append(const Level &level, const Kind &kind, const Blocks &blocks,
            const GuardedFloats &x, int64_t B, int64_t tokens, int64_t from,
            int64_t rows) {
  int64_t row = blocks.H * blocks.width;
  Results none({1}, 1, 1);
  runKernel(
      level, (std::string("state_append_") + kind.name).c_str(),
      {B, blocks.H, rows, blocks.width, from, tokens * row, blocks.width, row},
      {x.data() + from * row, blocks.tensor()}, {1, blocks.H, B}, 64, none);
}

struct Shape {
  int64_t B, H, KvH, Sq, past, D, Dv;
  bool causal = true;
  int64_t window = 0, qBlock = 128;
};

using Score =
    std::function<float(const int64_t *, int64_t i, int64_t j, float)>;

void check(const Level &level, const Kind &kind, const Shape &s,
           const Score &score = nullptr) {
  SCOPED_TRACE(testing::Message()
               << level.name << " " << kind.name << " H" << s.H << "/" << s.KvH
               << " Sq" << s.Sq << " past" << s.past << " D" << s.D << " Dv"
               << s.Dv << " window " << s.window);
  int64_t Skv = s.past + s.Sq, group = s.H / s.KvH;
  GuardedFloats q(s.B * s.Sq * s.H * s.D), k(s.B * Skv * s.KvH * s.D),
      v(s.B * Skv * s.KvH * s.Dv);
  q.randomise(1);
  k.randomise(2);
  v.randomise(3);
  Blocks keys(kind, s.B, s.KvH, s.D, Skv), values(kind, s.B, s.KvH, s.Dv, Skv);
  append(level, kind, keys, k, s.B, Skv, 0, s.past);
  append(level, kind, keys, k, s.B, Skv, s.past, s.Sq);
  append(level, kind, values, v, s.B, Skv, 0, Skv);

  double scale = 0.125;
  int64_t scaleBits;
  std::memcpy(&scaleBits, &scale, 8);
  int64_t parts = (group + 3) / 4, perCell = (group + parts - 1) / parts;
  Results results({s.B, s.H}, s.Sq, s.Dv);
  results.score = score;
  runKernel(
      level, (std::string("attention_state_") + kind.name).c_str(),
      {s.B, s.H, s.KvH, s.Sq, Skv, s.D, s.Dv, scaleBits, s.causal, s.past,
       s.window, s.Sq * s.H * s.D, s.D, s.H * s.D, s.qBlock, perCell},
      {q.data(), keys.tensor(), values.tensor()},
      {ceilDivide(s.Sq, s.qBlock), s.KvH * parts, s.B},
      cpu::stateAttentionScratchBytes(s.D, s.Dv, std::min(s.qBlock, s.Sq)),
      results);

  std::vector<double> expected, tolerance;
  for (int64_t b = 0; b < s.B; ++b)
    for (int64_t h = 0; h < s.H; ++h)
      for (int64_t i = 0; i < s.Sq; ++i) {
        std::vector<double> p(Skv);
        double max = kMinusInf, sum = 0;
        for (int64_t j = 0; j < Skv; ++j) {
          double dot = 0;
          for (int64_t d = 0; d < s.D; ++d)
            dot += double(q[((b * s.Sq + i) * s.H + h) * s.D + d]) *
                   keys.at(b, h / group, j, d);
          dot *= scale;
          int64_t outer[2] = {b, h};
          if (score)
            dot = score(outer, i, j, float(dot));
          if ((s.causal && j > i + s.past) ||
              (s.window > 0 && j <= i + s.past - s.window))
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
          for (int64_t j = 0; j < Skv; ++j)
            out += p[j] * values.at(b, h / group, j, e);
          expected.push_back(sum == 0 ? 0.0 : out / sum);
          tolerance.push_back(2e-6);
        }
      }
  expectResults(results, expected, tolerance, "attention over a state");
}

TEST_P(StateTest, WhatIsAppendedIsThere) {
  const int64_t B = 2, H = 3, width = 20, tokens = 130;
  GuardedFloats x(B * tokens * H * width);
  x.randomise(7);
  // A token of zeros, and one of numbers that are small beside its largest.
  for (int64_t e = 0; e < width; ++e) {
    x[e] = 0;
    x[H * width + e] = e ? std::ldexp(1.3f, int(-e)) : -100;
  }
  for (const Kind &kind : kKinds) {
    Blocks blocks(kind, B, H, width, tokens);
    // 64 is where a block ends.
    for (auto [from, rows] : {std::pair<int64_t, int64_t>{0, 1},
                              {1, 62},
                              {63, 1},
                              {64, 1},
                              {65, 63},
                              {128, 2}})
      append(GetParam(), kind, blocks, x, B, tokens, from, rows);
    for (int64_t b = 0; b < B; ++b)
      for (int64_t h = 0; h < H; ++h)
        for (int64_t t = 0; t < tokens; ++t) {
          const float *row = &x[((b * tokens + t) * H + h) * width];
          double largest = 0;
          for (int64_t e = 0; e < width; ++e)
            largest = std::max(largest, double(std::fabs(row[e])));
          for (int64_t e = 0; e < width; ++e) {
            double magnitude = std::fabs(row[e]), step = 0;
            if (kind.bytes == 2)
              step = magnitude * 0x1p-11 + 0x1p-25;
            else if (kind.name[0] == 'i')
              step = largest / 127 * 0.5001;
            else if (kind.bytes == 1)
              step =
                  std::max(magnitude * 0x1p-4, largest / 448 * 0x1p-10) * 1.001;
            ASSERT_NEAR(blocks.at(b, h, t, e), row[e], step)
                << kind.name << " token " << t << " element " << e;
          }
        }
  }
}

TEST_P(StateTest, WhatIsNoNumberStaysNone) {
  GuardedFloats x(20);
  x.randomise(7);
  x[3] = std::numeric_limits<float>::quiet_NaN();
  for (const Kind &kind : kKinds) {
    Blocks blocks(kind, 1, 1, 20, 1);
    append(GetParam(), kind, blocks, x, 1, 1, 0, 1);
    EXPECT_TRUE(std::isnan(blocks.at(0, 0, 0, 3))) << kind.name;
  }
}

TEST_P(StateTest, OneQuery) {
  for (const Kind &kind : kKinds)
    for (auto [H, KvH] :
         {std::array<int64_t, 2>{2, 2}, {14, 2}, {4, 1}, {9, 3}})
      for (int64_t past : {0, 1, 62, 63, 64, 65, 127, 128, 511, 512, 700})
        check(GetParam(), kind, {1, H, KvH, 1, past, 64, 64});
}

TEST_P(StateTest, WidthsThatFillNoVector) {
  for (const Kind &kind : kKinds)
    for (auto [D, Dv] : {std::array<int64_t, 2>{12, 12}, {20, 33}, {96, 72}})
      for (int64_t Sq : {1, 3, 20})
        check(GetParam(), kind, {2, 4, 2, Sq, 100, D, Dv});
}

TEST_P(StateTest, FewQueries) {
  for (const Kind &kind : kKinds)
    for (int64_t Sq : {2, 3, 4})
      for (int64_t past : {0, 60, 63, 600})
        check(GetParam(), kind, {1, 6, 2, Sq, past, 32, 32});
}

TEST_P(StateTest, ManyQueries) {
  for (const Kind &kind : kKinds) {
    check(GetParam(), kind, {1, 4, 2, 50, 0, 64, 64});
    check(GetParam(), kind, {1, 7, 1, 20, 70, 32, 48});
    check(GetParam(), kind, {2, 2, 2, 150, 1000, 16, 16});
    check(GetParam(), kind, {1, 2, 1, 300, 33, 16, 16, false});
  }
}

TEST_P(StateTest, Window) {
  for (const Kind &kind : kKinds)
    for (int64_t Sq : {1, 3, 40})
      check(GetParam(), kind, {1, 4, 2, Sq, 800, 16, 16, true, 100});
}

TEST_P(StateTest, ScoreBlock) {
  Score bias = [](const int64_t *o, int64_t i, int64_t j, float s) {
    return s + 0.01f * float(o[1]) - 0.02f * float((i * 7 + j * 3) % 11);
  };
  Score mask = [](const int64_t *, int64_t, int64_t j, float s) {
    return j >= 40 || j < 3 ? kMinusInf : s;
  };
  for (const Kind &kind : kKinds)
    for (const Score &score : {bias, mask})
      for (int64_t Sq : {1, 2, 30})
        check(GetParam(), kind, {2, 6, 2, Sq, 90, 32, 32}, score);
}

INSTANTIATE_TEST_SUITE_P(Levels, StateTest, testing::ValuesIn(baseLevels()),
                         [](const auto &info) {
                           return levelName(info.param);
                         });

} // namespace
