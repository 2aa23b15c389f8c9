//===- MicroKernelTest.cpp - Microkernels with generated blocks -----------===//

#include "test/codegen/KernelHarness.h"

#include <cmath>
#include <cstring>

namespace mmcc::test {
namespace {

using MicroKernel = EachLevel;

/// Panels [ceil(N/16)][K][16] of w[k, n].
std::vector<float> packPanels(const std::vector<float> &w, int k, int n) {
  int panels = (n + 15) / 16;
  std::vector<float> packed(size_t(panels) * k * 16);
  for (int i = 0; i < k; ++i)
    for (int j = 0; j < n; ++j)
      packed[(size_t(j / 16) * k + i) * 16 + j % 16] = w[i * n + j];
  return packed;
}

// y = gelu(a w + bias) + residual, with a symbolic number of rows and operands
// that do not start at zero.
TEST_P(MicroKernel, gemmWithBlocks) {
  // A GPU's cells are tiles.
  bool isCuda = GetParam() == kCuda;
  int64_t mBlock = isCuda ? 64 : 32, nBlock = isCuda ? 64 : 48;
  Program program(R"(
    plan.kernel @k row "gemm_f32" extents affine_map<()[s0] -> (1, s0, 50)> parallel 3
        params affine_map<()[s0] -> (1, s0, 50, 40, 0, 40, )" +
                      std::to_string(mBlock) + ", " + std::to_string(nBlock) +
                      R"()>
        offsets affine_map<()[s0] -> (3, 0)> scratch affine_map<() -> (0)> written [4] {
    ^bb0(%a: !plan.buffer<f32>, %w: !plan.buffer<f32>, %bias: !plan.buffer<f32>, %r: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "post" {
      ^bb0(%b: index, %m: index, %n: index, %v: f32):
        %0 = plan.load %bias[affine_map<(d0) -> (d0)>(%n)] : !plan.buffer<f32> -> f32
        %1 = arith.addf %v, %0 : f32
        %c = arith.constant 0.707106769 : f32
        %half = arith.constant 0.5 : f32
        %one = arith.constant 1.0 : f32
        %2 = arith.mulf %1, %c : f32
        %3 = math.erf %2 : f32
        %4 = arith.addf %3, %one : f32
        %5 = arith.mulf %1, %half : f32
        %6 = arith.mulf %5, %4 : f32
        %7 = plan.load %r[affine_map<(d0, d1) -> (d0 * 50 + d1)>(%m, %n)] : !plan.buffer<f32> -> f32
        %8 = arith.addf %6, %7 : f32
        plan.store %8, %y[affine_map<(d0, d1) -> (d0 * 50 + d1)>(%m, %n)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                  GetParam());
  for (int64_t m : {1, 33, 64}) {
    auto a = randomFloats(3 + m * 40), w = randomFloats(40 * 50, -1, 1, 2),
         bias = randomFloats(50, -1, 1, 3), r = randomFloats(m * 50, -1, 1, 4);
    auto packed = packPanels(w, 40, 50);
    std::vector<float> y(m * 50);
    std::vector<double> want(m * 50);
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < 50; ++j) {
        double v = bias[j];
        for (int k = 0; k < 40; ++k)
          v += double(a[3 + i * 40 + k]) * w[k * 50 + j];
        want[i * 50 + j] =
            0.5 * v * (1 + std::erf(v * std::sqrt(0.5))) + r[i * 50 + j];
      }
    program.run("k", {(50 + nBlock - 1) / nBlock, (m + mBlock - 1) / mBlock, 1},
                {a.data(), packed.data(), bias.data(), r.data(), y.data()},
                {m});
    expectClose(y, want, 1e-5, 1e-5);
  }
}

// Attention with an additive mask in its score block.
TEST_P(MicroKernel, attentionWithScore) {
  double scale = 0.25;
  int64_t bits;
  std::memcpy(&bits, &scale, sizeof bits);
  Program program(
      R"(
    plan.kernel @k row "attention_f32" extents affine_map<() -> (2, 3, 10, 16)> parallel 4
        params affine_map<() -> (2, 3, 1, 10, 21, 16, 16, )" +
          std::to_string(bits) +
          R"(, 0, 0, 0, 480, 16, 48, 1008, 16, 48, 1008, 16, 48, 8, 0, 0, 0)>
        offsets affine_map<() -> (0, 0, 0, 0)> scratch affine_map<() -> (0)> written [5] {
    ^bb0(%q: !plan.buffer<f32>, %k: !plan.buffer<f32>, %v: !plan.buffer<f32>, %span: !plan.buffer<i32>, %mask: !plan.buffer<i1>, %y: !plan.buffer<f32>):
      plan.block "score" {
      ^bb0(%b: index, %h: index, %i: index, %j: index, %s: f32):
        %m = plan.load %mask[affine_map<(d0, d1) -> (d0 * 21 + d1)>(%b, %j)] : !plan.buffer<i1> -> i1
        %ninf = arith.constant 0xFF800000 : f32
        %r = arith.select %m, %s, %ninf : f32
        plan.yield %r : f32
      }
      plan.block "post" {
      ^bb0(%b: index, %h: index, %i: index, %d: index, %o: f32):
        plan.store %o, %y[affine_map<(d0, d1, d2, d3) -> ((d0 * 10 + d2) * 48 + d1 * 16 + d3)>(%b, %h, %i, %d)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
      GetParam());
  auto q = randomFloats(2 * 10 * 48), k = randomFloats(2 * 21 * 48, -1, 1, 2),
       v = randomFloats(2 * 21 * 48, -1, 1, 3);
  std::vector<uint8_t> mask(42);
  for (int i = 0; i < 42; ++i)
    mask[i] = i % 4 != 0;
  std::vector<float> y(2 * 10 * 48);
  std::vector<double> want(y.size());
  for (int b = 0; b < 2; ++b)
    for (int h = 0; h < 3; ++h)
      for (int i = 0; i < 10; ++i) {
        double weights[21], sum = 0;
        for (int j = 0; j < 21; ++j) {
          double dot = 0;
          for (int d = 0; d < 16; ++d)
            dot += double(q[(b * 10 + i) * 48 + h * 16 + d]) *
                   k[(b * 21 + j) * 48 + h * 16 + d];
          sum += weights[j] = mask[b * 21 + j] ? std::exp(dot * scale) : 0;
        }
        for (int d = 0; d < 16; ++d)
          for (int j = 0; j < 21; ++j)
            want[(b * 10 + i) * 48 + h * 16 + d] +=
                weights[j] / sum * v[(b * 21 + j) * 48 + h * 16 + d];
      }
  program.run(
      "k", {2, 3, 2},
      {q.data(), k.data(), v.data(), /*span=*/k.data(), mask.data(), y.data()});
  expectClose(y, want, 1e-5, 1e-5);
}

MMCC_AT_EACH_LEVEL(MicroKernel);

// What does not fit its row is refused, at the kernel.
TEST(MicroKernelErrors, refused) {
  auto compile = [](const char *row, const char *params, const char *role) {
    Program program(
        std::string("plan.kernel @k row \"") + row +
            "\" extents affine_map<() -> (1, 1, 1)> parallel 3 params "
            "affine_map<() -> (" +
            params + R"()> offsets affine_map<() -> (0, 0)>
        scratch affine_map<() -> (0)> written [2] {
    ^bb0(%a: !plan.buffer<f32>, %w: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block ")" +
            role + R"(" {
      ^bb0(%b: index, %m: index, %n: index, %v: f32):
        plan.store %v, %y[affine_map<(d0) -> (d0)>(%n)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
        runnableLevels().front());
    EXPECT_FALSE(program.compiled());
    return program.message;
  };
  EXPECT_NE(compile("no_such_row", "1", "post").find("no_such_row"),
            std::string::npos);
  EXPECT_NE(compile("gemm_f32", "1, 2", "post").find("takes 8"),
            std::string::npos);
  EXPECT_NE(compile("gemm_f32", "1, 1, 1, 1, 1, 1, 1, 16", "score")
                .find("does not know"),
            std::string::npos);
  EXPECT_NE(compile("loops", "1, 1", "post").find("role"), std::string::npos);
}

} // namespace
} // namespace mmcc::test
