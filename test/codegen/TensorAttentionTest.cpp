//===- TensorAttentionTest.cpp - Attention on a GPU's tensor cores --------===//
//
// The judge is attention in double precision over operands rounded to bf16 or
// f16. What is left is the rounding of the softmax's weights, of at most 2^-9,
// or 2^-11, each.
//
//===----------------------------------------------------------------------===//

#include "test/codegen/KernelHarness.h"

#include <cmath>
#include <cstring>
#include <map>
#include <tuple>

#include "llvm/ADT/APFloat.h"

namespace mmcc::test {
namespace {

struct Heads {
  bool isNarrow;   // in memory; else f32
  int64_t queries; // of a block
  int64_t D, Dv;

  int64_t B = 1, H = 1, group = 1, Sq = 0, Skv = 0;
  int64_t gap = 0; // numbers between tokens
  bool isCausal = false;
  int64_t window = 0, stride = 0;
  bool hasMask = false;
  /// [blocks of queries][n][begin, end, whole]
  std::vector<int32_t> spans = {};
  int64_t spanCount = 0;
  bool isF16 = false; // what is multiplied; else bf16

  int64_t offset() const { return Skv - Sq; }
  bool sees(int64_t i, int64_t j) const {
    int64_t here = i + offset();
    if ((!isCausal || j <= here) && (window <= 0 || j > here - window))
      return true;
    return stride > 0 && j % stride == 0 && (!isCausal || j <= here);
  }
  /// Whether query i may see key j by the spans, and whether the mask is asked.
  bool isSpanned(int64_t i, int64_t j, bool &isWhole) const {
    isWhole = false;
    if (spanCount == 0)
      return true;
    for (int64_t s = 0; s < spanCount; ++s) {
      const int32_t *span = &spans[size_t((i / queries * spanCount + s) * 3)];
      if (j >= span[0] && j < span[1]) {
        isWhole = span[2] != 0;
        return true;
      }
    }
    return false;
  }
};

constexpr double kScale = 0.25;

/// The code of the nearest number of 16 bits, and the number.
std::pair<uint16_t, float> narrow(float x, bool isF16) {
  llvm::APFloat number(x);
  bool loses;
  number.convert(isF16 ? llvm::APFloat::IEEEhalf() : llvm::APFloat::BFloat(),
                 llvm::APFloat::rmNearestTiesToEven, &loses);
  auto code = uint16_t(number.bitcastToAPInt().getZExtValue());
  number.convert(llvm::APFloat::IEEEsingle(),
                 llvm::APFloat::rmNearestTiesToEven, &loses);
  return {code, number.convertToFloat()};
}

/// [tokens of all][heads][width] with `gap` numbers behind each token, NaN.
struct Tokens {
  int64_t heads, width, row;
  std::vector<float> numbers;
  std::vector<uint16_t> halves;

  Tokens(const Heads &h, int64_t tokens, int64_t heads, int64_t width,
         unsigned seed)
      : heads(heads), width(width), row(heads * width + h.gap),
        numbers(size_t(tokens * row), std::nanf("")),
        halves(numbers.size(), 0x7fff) {
    std::vector<float> random =
        randomFloats(size_t(tokens * heads * width), -1, 1, seed);
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t i = 0; i < heads * width; ++i)
        std::tie(halves[size_t(t * row + i)], numbers[size_t(t * row + i)]) =
            narrow(random[size_t(t * heads * width + i)], h.isF16);
  }
  double at(int64_t token, int64_t head, int64_t d) const {
    return numbers[size_t(token * row + head * width + d)];
  }
};

/// Params that are not D, Dv, the scale and the block are symbols.
std::string kernelText(const Heads &h) {
  int64_t bits;
  std::memcpy(&bits, &kScale, sizeof bits);
  auto number = [](int64_t value) { return std::to_string(value); };
  std::string arithmetic = h.isF16 ? "f16" : "bf16";
  std::string type = h.isNarrow ? arithmetic : "f32";
  std::string symbols;
  for (int i = 0; i < 20; ++i)
    symbols += (i ? ", s" : "s") + number(i);
  // s0 .. s4: B, H, group, Sq, Skv; s5 ..: causal, offset, window, nine
  // strides, then stride, stride_offset, spans.
  std::string params = "s0, s1, s2, s3, s4, " + number(h.D) + ", " +
                       number(h.Dv) + ", " + number(bits);
  for (int i = 5; i < 17; ++i)
    params += ", s" + number(i);
  params += ", " + number(h.queries) + ", s17, s18, s19";
  std::string score =
      !h.hasMask ? ""
                 : "  plan.block \"score\" {\n"
                   "  ^bb0(%b: index, %h: index, %i: index, %j: index, %s: "
                   "f32):\n"
                   "    %m = plan.load %mask[affine_map<(d0)[" +
                       symbols +
                       "] -> (d0)>(%j)] : !plan.buffer<f32> -> f32\n"
                       "    %r = arith.addf %s, %m : f32\n"
                       "    plan.yield %r : f32\n  }\n";
  return "plan.kernel @k row \"attention_" + arithmetic +
         "\" extents affine_map<()[" + symbols + "] -> (s0, s1, s3, " +
         number(h.Dv) + ")> parallel 4 params affine_map<()[" + symbols +
         "] -> (" + params +
         ")> offsets affine_map<() -> (0, 0, 0, 0)> scratch affine_map<() -> "
         "(0)> written [5] {\n^bb0(%q: !plan.buffer<" +
         type + ">, %k: !plan.buffer<" + type + ">, %v: !plan.buffer<" + type +
         ">, %span: !plan.buffer<i32>, %mask: !plan.buffer<f32>, %y: "
         "!plan.buffer<f32>):\n" +
         score +
         "  plan.block \"post\" {\n"
         "  ^bb0(%b: index, %h: index, %i: index, %d: index, %o: f32):\n"
         "    plan.store %o, %y[affine_map<(d0, d1, d2, d3)[" +
         symbols + "] -> (((d0 * s1 + d1) * s3 + d2) * " + number(h.Dv) +
         " + d3)>(%b, %h, %i, %d)] : f32, !plan.buffer<f32>\n"
         "    plan.yield\n  }\n}";
}

void check(const Heads &h) {
  SCOPED_TRACE(std::string(h.isNarrow ? "narrow " : "f32 ") +
               (h.isF16 ? "f16 " : "bf16 ") + std::to_string(h.queries) +
               " queries a block: " + std::to_string(h.Sq) + " by " +
               std::to_string(h.Skv) + ", " + std::to_string(h.D) + "/" +
               std::to_string(h.Dv) + " gap " + std::to_string(h.gap) +
               " window " + std::to_string(h.window));
  int64_t kvHeads = h.H / h.group;
  Tokens q(h, h.B * h.Sq, h.H, h.D, 1), k(h, h.B * h.Skv, kvHeads, h.D, 2),
      v(h, h.B * h.Skv, kvHeads, h.Dv, 3);
  std::vector<float> mask = randomFloats(size_t(h.Skv), -2, 2, 4);
  for (size_t j = 0; j < mask.size(); j += 5)
    mask[j] = -INFINITY;
  std::vector<double> want(size_t(h.B * h.H * h.Sq * h.Dv));
  for (int64_t b = 0; b < h.B; ++b)
    for (int64_t head = 0; head < h.H; ++head)
      for (int64_t i = 0; i < h.Sq; ++i) {
        std::vector<double> weights(size_t(h.Skv));
        double sum = 0;
        for (int64_t j = 0; j < h.Skv; ++j) {
          bool isWhole;
          if (!h.isSpanned(i, j, isWhole) || !h.sees(i, j))
            continue;
          double dot = 0;
          for (int64_t d = 0; d < h.D; ++d)
            dot += q.at(b * h.Sq + i, head, d) *
                   k.at(b * h.Skv + j, head / h.group, d);
          dot *= kScale;
          if (h.hasMask && !isWhole)
            dot += mask[size_t(j)];
          sum += weights[size_t(j)] = std::exp(dot);
        }
        for (int64_t d = 0; d < h.Dv; ++d) {
          double &number =
              want[size_t(((b * h.H + head) * h.Sq + i) * h.Dv + d)];
          for (int64_t j = 0; j < h.Skv; ++j)
            if (weights[size_t(j)] != 0)
              number += weights[size_t(j)] / sum *
                        v.at(b * h.Skv + j, head / h.group, d);
        }
      }
  std::vector<void *> buffers;
  for (Tokens *tokens : {&q, &k, &v})
    buffers.push_back(h.isNarrow ? static_cast<void *>(tokens->halves.data())
                                 : tokens->numbers.data());
  std::vector<int32_t> spans = h.spans;
  spans.resize(spans.size() + 1);
  buffers.insert(buffers.end(), {spans.data(), mask.data(), nullptr});
  static std::map<std::string, std::unique_ptr<Program>> programs;
  std::string text = kernelText(h);
  for (const char *level : {kCuda, kHopper}) {
    std::unique_ptr<Program> &program = programs[level + text];
    if (!program)
      program = std::make_unique<Program>(text, level);
    ASSERT_TRUE(program->compiled()) << program->message;
    auto run = [&] {
      std::vector<float> y(want.size(), std::nanf(""));
      buffers.back() = y.data();
      program->run("k", {(h.Sq + h.queries - 1) / h.queries, h.H, h.B}, buffers,
                   {h.B,
                    h.H,
                    h.group,
                    h.Sq,
                    h.Skv,
                    h.isCausal,
                    h.offset(),
                    h.window,
                    h.Sq * q.row,
                    h.D,
                    q.row,
                    h.Skv * k.row,
                    h.D,
                    k.row,
                    h.Skv * v.row,
                    h.Dv,
                    v.row,
                    h.stride,
                    h.isCausal ? h.offset() : int64_t(1) << 40,
                    h.spanCount});
      return y;
    };
    std::vector<float> y = run();
    if (level == kHopper) {
      setenv("MMCC_SHIM_ORDER", "reverse", 1);
      std::vector<float> other = run();
      unsetenv("MMCC_SHIM_ORDER");
      ASSERT_EQ(std::memcmp(y.data(), other.data(), y.size() * 4), 0)
          << "results depend on the order of threads";
    }
    for (size_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(y[i], want[i], h.isF16 ? 6e-4 : 2.5e-3)
          << level << ", number " << i;
    if (h.queries == 64) // has no other form there
      return;
  }
}

/// Every number of tokens around the borders of tiles and blocks.
void checkShapes(Heads h) {
  for (auto [queries, keys] : {std::pair<int64_t, int64_t>{1, 1},
                               {5, 70},
                               {64, 64},
                               {65, 63},
                               {130, 197},
                               {70, 129}}) {
    h.Sq = queries;
    h.Skv = keys;
    h.isCausal = false;
    check(h);
    h.isCausal = true;
    if (keys >= queries)
      check(h);
  }
}

TEST(TensorAttention, packed_heads_of_bf16) {
  for (int64_t queries : {64, 128})
    // Copies of 16 bytes, then with tokens at any place.
    for (int64_t gap : {8, 3})
      checkShapes({.isNarrow = true,
                   .queries = queries,
                   .D = 64,
                   .Dv = 64,
                   .B = 2,
                   .H = 4,
                   .group = 2,
                   .gap = gap});
}

TEST(TensorAttention, heads_of_f16) {
  for (int64_t queries : {64, 128})
    for (bool isNarrow : {true, false}) {
      Heads h{
          .isNarrow = isNarrow, .queries = queries, .D = 64, .Dv = 64, .H = 2};
      h.isF16 = true;
      h.Sq = 130;
      h.Skv = 197;
      h.isCausal = true;
      check(h);
    }
}

TEST(TensorAttention, floats_are_rounded) {
  for (int64_t queries : {64, 128})
    checkShapes(
        {.isNarrow = false, .queries = queries, .D = 40, .Dv = 24, .H = 2});
  Heads h{.isNarrow = false, .queries = 128, .D = 64, .Dv = 64, .H = 2};
  h.Sq = 130;
  h.Skv = 197;
  check(h);
}

TEST(TensorAttention, heads_of_any_width) {
  // Warpgroups have those that are 64 or 128 in whole 16s.
  for (auto [D, Dv] : {std::pair<int64_t, int64_t>{8, 8},
                       {80, 128},
                       {20, 9},
                       {128, 128},
                       {50, 120},
                       {117, 64}})
    for (int64_t queries : {64, 128}) {
      Heads h{.isNarrow = true, .queries = queries, .D = D, .Dv = Dv, .H = 2};
      h.Sq = 70;
      h.Skv = 130;
      check(h);
    }
}

TEST(TensorAttention, windows_strides_masks) {
  for (int64_t queries : {64, 128}) {
    const int64_t width = queries / 2;
    Heads h{
        .isNarrow = true, .queries = queries, .D = width, .Dv = width, .H = 2};
    h.Sq = h.Skv = 300;
    h.isCausal = true;
    for (int64_t window : {1, 40, 64, 200})
      for (int64_t stride : {0, 50}) {
        h.window = window;
        h.stride = stride;
        h.hasMask = stride == 0;
        check(h);
      }
  }
}

TEST(TensorAttention, spans) {
  Heads h{.isNarrow = true, .queries = 64, .D = 32, .Dv = 32, .H = 2};
  h.Sq = 130;
  h.Skv = 200;
  h.hasMask = true;
  h.spanCount = 2;
  // A block may see nothing, all of what is whole, and what ends anywhere.
  h.spans = {0, 64, 1, 96, 200, 0, 32, 32, 0, 64, 70, 0, 160, 160, 0, 0, 0, 1};
  check(h);
}

/// Hopper's warpgroups go over tiles of keys in rounds, four tiles in memory:
/// numbers of tiles around each of these, and warpgroups that have all, some
/// and none of their queries.
TEST(TensorAttention, rounds_of_warpgroups) {
  for (int64_t width : {64, 128})
    for (bool isF16 : {false, true}) {
      Heads h{.isNarrow = true,
              .queries = 128,
              .D = width,
              .Dv = width,
              .H = 2,
              .group = 2};
      h.isF16 = isF16;
      for (auto [queries, keys] : {std::pair<int64_t, int64_t>{40, 33},
                                   {64, 64},
                                   {65, 65},
                                   {100, 128},
                                   {127, 190},
                                   {128, 256},
                                   {129, 310},
                                   {60, 560}}) {
        h.Sq = queries;
        h.Skv = keys;
        for (bool isCausal : {false, true}) {
          h.isCausal = isCausal;
          if (!isCausal || keys >= queries)
            check(h);
        }
      }
    }
}

/// One warpgroup sees tiles of which the other sees nothing.
TEST(TensorAttention, warpgroups_that_see_different_tiles) {
  Heads h{.isNarrow = true, .queries = 128, .D = 64, .Dv = 64, .H = 2};
  h.Sq = h.Skv = 400;
  for (bool isCausal : {false, true})
    for (int64_t window : {0, 30, 64})
      for (int64_t stride : {0, 90}) {
        h.isCausal = isCausal;
        h.window = window;
        h.stride = stride;
        check(h);
      }
}

TEST(TensorAttention, spans_of_warpgroups) {
  for (int64_t width : {64, 128}) {
    Heads h{.isNarrow = true, .queries = 128, .D = width, .Dv = width, .H = 2};
    h.Sq = 400;
    h.Skv = 500;
    h.hasMask = true;
    h.spanCount = 3;
    // Four blocks: several tiles and gaps between them; one tile, behind spans
    // of none; nothing at all; tiles that end anywhere.
    h.spans = {0,   200, 1, 230, 231, 0, 300, 500, 0, 10,  10,  0,
               70,  70,  1, 100, 150, 0, 32,  32,  0, 0,   0,   1,
               500, 500, 0, 0,   64,  0, 64,  128, 1, 129, 322, 0};
    check(h);
  }
}

} // namespace
} // namespace mmcc::test
