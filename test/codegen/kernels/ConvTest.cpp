//===- ConvTest.cpp - conv_f32 and depthwise_f32 against f64 --------------===//

#include "codegen/cpu/kernels/Levels.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "test/codegen/kernels/KernelHarness.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace mmcc::test;
namespace cpu = mmcc::cpu;

namespace {

class ConvTest : public testing::TestWithParam<Level> {};

struct Shape {
  int64_t B, H, W, C, N, G, KH, KW, stride, dilation, pad;
  int64_t extraCol = 0; // floats between pixels that belong to nobody
  int64_t mBlock = 0, nBlock = 64;
  int64_t padEnd = -1; // as pad when negative

  int64_t out(int64_t extent, int64_t filter) const {
    int64_t end = padEnd < 0 ? pad : padEnd;
    return (extent + pad + end - dilation * (filter - 1) - 1) / stride + 1;
  }
};

struct Image {
  explicit Image(const Shape &s)
      : col(s.C + s.extraCol), row(s.W * col + (s.extraCol ? 5 : 0)),
        batch(s.H * row),
        x((s.B - 1) * batch + (s.H - 1) * row + (s.W - 1) * col + s.C) {
    x.randomise(uint32_t(s.H * 100 + s.C));
  }
  int64_t col, row, batch;
  GuardedFloats x;
};

/// What the row rounds is rounded in the expectation, too.
void checkRow(const char *row, const Level &level, Shape s) {
  const bool mayRound = std::strcmp(row, "conv_bf16") == 0;
  const bool rounds = cpu::findLevel(level.name)->hasFormOf(row);
  auto multiplied = [&](float x) {
    return double(rounds ? nearestBF16(x) : x);
  };
  int64_t OH = s.H == 1 && s.KH == 1 ? 1 : s.out(s.H, s.KH);
  int64_t OW = s.out(s.W, s.KW), padTop = s.H == 1 && s.KH == 1 ? 0 : s.pad;
  int64_t M = OH * OW, Cg = s.C / s.G, Ng = s.N / s.G, K = s.KH * s.KW * Cg;
  int64_t mBlock = s.mBlock ? s.mBlock : M;
  SCOPED_TRACE(testing::Message()
               << row << " at " << level.name << " H" << s.H << " W" << s.W
               << " C" << s.C << " N" << s.N << " G" << s.G << " K" << s.KH
               << "x" << s.KW << " stride " << s.stride << " dilation "
               << s.dilation << " pad " << s.pad << " extra " << s.extraCol);
  Image image(s);
  GuardedFloats w(s.G * K * Ng);
  w.randomise(9);
  auto panels = packPanels(s.G, K, Ng, [&](int64_t g, int64_t k, int64_t n) {
    return w[(g * K + k) * Ng + n];
  });
  GuardedFloats packed(panels.size());
  std::memcpy(packed.data(), panels.data(), panels.size() * 4);
  Results results({s.B}, M, s.N);
  runKernel(level, row,
            {s.B,        s.H,        s.W,     s.C,   OH,          OW,
             s.N,        s.G,        s.KH,    s.KW,  s.stride,    s.stride,
             s.dilation, s.dilation, padTop,  s.pad, image.batch, image.row,
             image.col,  mBlock,     s.nBlock},
            {image.x.data(), packed.data()},
            {ceilDivide(Ng, s.nBlock), ceilDivide(M, mBlock), s.B * s.G},
            mayRound ? cpu::convRoundedScratchBytes(s.C, s.G, s.KH, s.KW)
                     : cpu::convScratchBytes(s.C, s.G, s.KH, s.KW),
            results);

  std::vector<double> expected, tolerance;
  for (int64_t b = 0; b < s.B; ++b)
    for (int64_t m = 0; m < M; ++m)
      for (int64_t n = 0; n < s.N; ++n) {
        int64_t g = n / Ng;
        double sum = 0, total = 0;
        for (int64_t kh = 0; kh < s.KH; ++kh)
          for (int64_t kw = 0; kw < s.KW; ++kw) {
            int64_t h = m / OW * s.stride + kh * s.dilation - padTop;
            int64_t v = m % OW * s.stride + kw * s.dilation - s.pad;
            if (h < 0 || h >= s.H || v < 0 || v >= s.W)
              continue;
            for (int64_t c = 0; c < Cg; ++c) {
              double product =
                  multiplied(image.x[b * image.batch + h * image.row +
                                     v * image.col + g * Cg + c]) *
                  multiplied(
                      w[(g * K + (kh * s.KW + kw) * Cg + c) * Ng + n % Ng]);
              sum += product;
              total += std::fabs(product);
            }
          }
        expected.push_back(sum);
        tolerance.push_back(6e-8 * (2 + std::sqrt(double(K))) * total + 1e-30);
      }
  expectResults(results, expected, tolerance, "conv");
}

void checkConv(const Level &level, const Shape &s) {
  const cpu::Level &known = *cpu::findLevel(level.name);
  for (const char *row : {"conv_f32", "conv_bf16"})
    if (known.isBase() || known.hasFormOf(row)) // else its base's
      checkRow(row, level, s);
}

TEST_P(ConvTest, Shapes) {
  const Shape shapes[] = {
      // B, H, W, C, N, G, KH, KW, stride, dilation, pad
      {1, 9, 11, 3, 20, 1, 3, 3, 1, 1, 1},    // few channels, edges
      {2, 16, 16, 3, 40, 1, 7, 7, 2, 1, 3},   // ResNet stem
      {1, 14, 14, 40, 33, 1, 3, 3, 1, 1, 1},  // many channels, edges
      {1, 14, 14, 40, 64, 1, 1, 1, 1, 1, 0},  // pointwise
      {1, 15, 13, 24, 64, 1, 1, 1, 2, 1, 0},  // pointwise, strided
      {2, 32, 32, 3, 48, 1, 8, 8, 8, 1, 0},   // patches
      {1, 12, 12, 48, 32, 1, 3, 3, 1, 1, 0},  // merged, many channels
      {1, 1, 50, 1, 32, 1, 1, 10, 5, 1, 0},   // speech, one channel
      {1, 1, 40, 20, 36, 1, 1, 3, 2, 1, 1},   // 1-D, padded
      {1, 1, 30, 16, 16, 4, 1, 8, 1, 1, 4},   // 1-D, groups, even filter
      {1, 10, 10, 16, 24, 2, 3, 3, 1, 1, 1},  // groups
      {1, 11, 12, 8, 16, 1, 3, 3, 1, 2, 2},   // dilation
      {1, 11, 12, 40, 16, 1, 3, 3, 1, 3, 3},  // dilation, many channels
      {1, 5, 5, 4, 8, 1, 5, 5, 1, 1, 4},      // rows wholly outside
      {1, 9, 9, 3, 16, 1, 3, 3, 1, 1, 1, 5},  // pixels apart
      {1, 9, 9, 36, 70, 1, 3, 3, 2, 1, 1, 4}, // pixels apart
      {1, 17, 17, 8, 40, 1, 3, 3, 1, 1, 1, 0, 50, 32}, // blocks
      {1, 8, 8, 5, 16, 1, 3, 3, 2, 1, 0, 0, 0, 64, 1}, // pad at the end only
      {1, 12, 12, 1024, 16, 1, 1, 1, 1, 1, 0},         // pixels a page apart
      {1, 1, 300, 33, 200, 1, 1, 3, 1, 1, 1, 0, 250,
       160}, // many rows, odd depth
  };
  for (const Shape &shape : shapes)
    checkConv(GetParam(), shape);
}

void checkDepthwise(const Level &level, Shape s) {
  int64_t OH = s.H == 1 && s.KH == 1 ? 1 : s.out(s.H, s.KH);
  int64_t OW = s.out(s.W, s.KW), padTop = s.H == 1 && s.KH == 1 ? 0 : s.pad;
  int64_t M = OH * OW, mBlock = s.mBlock ? s.mBlock : M;
  SCOPED_TRACE(testing::Message()
               << level.name << " H" << s.H << " W" << s.W << " C" << s.C
               << " K" << s.KH << "x" << s.KW << " stride " << s.stride);
  Image image(s);
  GuardedFloats w(s.KH * s.KW * s.C);
  w.randomise(2);
  Results results({s.B}, M, s.C);
  runKernel(level, "depthwise_f32",
            {s.B, s.H, s.W, s.C, OH, OW, s.KH, s.KW, s.stride, s.stride,
             s.dilation, s.dilation, padTop, s.pad, image.batch, image.row,
             image.col, mBlock, s.nBlock},
            {image.x.data(), w.data()},
            {ceilDivide(s.C, s.nBlock), ceilDivide(M, mBlock), s.B},
            cpu::depthwiseScratchBytes(s.KH, s.KW, s.nBlock), results);
  std::vector<double> expected, tolerance;
  for (int64_t b = 0; b < s.B; ++b)
    for (int64_t m = 0; m < M; ++m)
      for (int64_t c = 0; c < s.C; ++c) {
        double sum = 0, total = 0;
        for (int64_t kh = 0; kh < s.KH; ++kh)
          for (int64_t kw = 0; kw < s.KW; ++kw) {
            int64_t h = m / OW * s.stride + kh * s.dilation - padTop;
            int64_t v = m % OW * s.stride + kw * s.dilation - s.pad;
            if (h < 0 || h >= s.H || v < 0 || v >= s.W)
              continue;
            double product = double(image.x[b * image.batch + h * image.row +
                                            v * image.col + c]) *
                             double(w[(kh * s.KW + kw) * s.C + c]);
            sum += product;
            total += std::fabs(product);
          }
        expected.push_back(sum);
        tolerance.push_back(6e-8 * (2 + s.KH) * total + 1e-30);
      }
  expectResults(results, expected, tolerance, "depthwise");
}

TEST_P(ConvTest, Depthwise) {
  const Shape shapes[] = {
      {1, 9, 11, 24, 0, 0, 3, 3, 1, 1, 1, 0, 0, 24},
      {2, 14, 14, 96, 0, 0, 7, 7, 1, 1, 3, 0, 0, 96},
      {1, 10, 10, 37, 0, 0, 3, 3, 2, 1, 1, 3, 20, 32},
      {1, 1, 60, 144, 0, 0, 1, 15, 1, 1, 7, 0, 16, 128},
      {1, 8, 8, 7, 0, 0, 3, 3, 1, 2, 2, 0, 0, 16},
      {1, 3, 3, 200, 0, 0, 5, 5, 1, 1, 4, 0, 0, 200},
  };
  for (const Shape &shape : shapes)
    checkDepthwise(GetParam(), shape);
}

INSTANTIATE_TEST_SUITE_P(Levels, ConvTest, testing::ValuesIn(allLevels()),
                         [](const auto &info) {
                           return levelName(info.param);
                         });

} // namespace
