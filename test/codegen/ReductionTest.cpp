//===- ReductionTest.cpp - Softmax, norms, reductions over any dimension --===//

#include "test/codegen/KernelHarness.h"

#include <algorithm>
#include <cmath>

namespace mmcc::test {
namespace {

using Reduction = EachLevel;

// Softmax over the last dimension of [rows, n], three blocks in a row. n goes
// through the main loop, single vectors and the masked tail.
TEST_P(Reduction, softmax) {
  Program program(R"(
    plan.kernel @k row "loops" extents affine_map<()[s0, s1] -> (s0, s1)> parallel 1
        params affine_map<() -> (1, 4)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [1] {
    ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "reduce" combine "max" {
      ^bb0(%i: index, %j: index):
        %v = plan.load %x[affine_map<(d0, d1)[s0, s1] -> (d0 * s1 + d1)>(%i, %j)] : !plan.buffer<f32> -> f32
        plan.yield %v : f32
      }
      plan.block "reduce" combine "sum" {
      ^bb0(%i: index, %j: index, %max: f32):
        %v = plan.load %x[affine_map<(d0, d1)[s0, s1] -> (d0 * s1 + d1)>(%i, %j)] : !plan.buffer<f32> -> f32
        %d = arith.subf %v, %max : f32
        %e = math.exp %d : f32
        plan.yield %e : f32
      }
      plan.block "map" {
      ^bb0(%i: index, %j: index, %max: f32, %sum: f32):
        %v = plan.load %x[affine_map<(d0, d1)[s0, s1] -> (d0 * s1 + d1)>(%i, %j)] : !plan.buffer<f32> -> f32
        %d = arith.subf %v, %max : f32
        %e = math.exp %d : f32
        %q = arith.divf %e, %sum : f32
        plan.store %q, %y[affine_map<(d0, d1)[s0, s1] -> (d0 * s1 + d1)>(%i, %j)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                  GetParam());
  for (int64_t n : {1, 5, 16, 50, 64, 83, 197}) {
    int64_t rows = 7;
    auto x = randomFloats(rows * n, -20, 20);
    std::vector<float> y(rows * n);
    std::vector<double> want(rows * n);
    for (int64_t i = 0; i < rows; ++i) {
      double max = -INFINITY, sum = 0;
      for (int64_t j = 0; j < n; ++j)
        max = std::max<double>(max, x[i * n + j]);
      for (int64_t j = 0; j < n; ++j)
        sum += std::exp(x[i * n + j] - max);
      for (int64_t j = 0; j < n; ++j)
        want[i * n + j] = std::exp(x[i * n + j] - max) / sum;
    }
    program.run("k", {2, 1, 1}, {x.data(), y.data()}, {rows, n});
    expectClose(y, want);
  }
}

// Layer norm: mean, then variance around it, then the scaled result.
TEST_P(Reduction, layerNorm) {
  Program program(R"(
    plan.kernel @k row "loops" extents affine_map<() -> (9, 200)> parallel 1
        params affine_map<() -> (1, 2)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [3] {
    ^bb0(%x: !plan.buffer<f32>, %g: !plan.buffer<f32>, %b: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "reduce" combine "sum" {
      ^bb0(%i: index, %j: index):
        %v = plan.load %x[affine_map<(d0, d1) -> (d0 * 200 + d1)>(%i, %j)] : !plan.buffer<f32> -> f32
        plan.yield %v : f32
      }
      plan.block "reduce" combine "sum" {
      ^bb0(%i: index, %j: index, %sum: f32):
        %v = plan.load %x[affine_map<(d0, d1) -> (d0 * 200 + d1)>(%i, %j)] : !plan.buffer<f32> -> f32
        %n = arith.constant 200.0 : f32
        %mean = arith.divf %sum, %n : f32
        %d = arith.subf %v, %mean : f32
        %s = arith.mulf %d, %d : f32
        plan.yield %s : f32
      }
      plan.block "map" {
      ^bb0(%i: index, %j: index, %sum: f32, %squares: f32):
        %v = plan.load %x[affine_map<(d0, d1) -> (d0 * 200 + d1)>(%i, %j)] : !plan.buffer<f32> -> f32
        %gv = plan.load %g[affine_map<(d0) -> (d0)>(%j)] : !plan.buffer<f32> -> f32
        %bv = plan.load %b[affine_map<(d0) -> (d0)>(%j)] : !plan.buffer<f32> -> f32
        %n = arith.constant 200.0 : f32
        %eps = arith.constant 1.0e-5 : f32
        %mean = arith.divf %sum, %n : f32
        %var = arith.divf %squares, %n : f32
        %ve = arith.addf %var, %eps : f32
        %r = math.rsqrt %ve : f32
        %d = arith.subf %v, %mean : f32
        %q = arith.mulf %d, %r : f32
        %qg = arith.mulf %q, %gv : f32
        %qb = arith.addf %qg, %bv : f32
        plan.store %qb, %y[affine_map<(d0, d1) -> (d0 * 200 + d1)>(%i, %j)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                  GetParam());
  auto x = randomFloats(1800, -3, 5), g = randomFloats(200, 0, 2, 2),
       b = randomFloats(200, -1, 1, 3);
  std::vector<float> y(1800);
  std::vector<double> want(1800);
  for (int i = 0; i < 9; ++i) {
    double sum = 0, squares = 0;
    for (int j = 0; j < 200; ++j)
      sum += x[i * 200 + j];
    for (int j = 0; j < 200; ++j)
      squares += std::pow(x[i * 200 + j] - sum / 200, 2);
    for (int j = 0; j < 200; ++j)
      want[i * 200 + j] = (x[i * 200 + j] - sum / 200) /
                              std::sqrt(squares / 200 + 1e-5) * g[j] +
                          b[j];
  }
  program.run("k", {5, 1, 1}, {x.data(), g.data(), b.data(), y.data()});
  expectClose(y, want, 5e-6, 2e-6);
}

// Mean over tokens of [b, s, c]: lanes are channels. Two reductions share a
// loop, and finish stores one value of each.
TEST_P(Reduction, overOuterDimension) {
  Program program(R"(
    plan.kernel @k row "loops" extents affine_map<()[s0] -> (3, 70, s0)> parallel 2
        params affine_map<() -> (1, 70)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [1, 2] {
    ^bb0(%x: !plan.buffer<f32>, %mean: !plan.buffer<f32>, %top: !plan.buffer<f32>):
      plan.block "reduce" combine "sum" {
      ^bb0(%b: index, %c: index, %s: index):
        %v = plan.load %x[affine_map<(d0, d1, d2)[s0] -> ((d0 * s0 + d2) * 70 + d1)>(%b, %c, %s)] : !plan.buffer<f32> -> f32
        plan.yield %v : f32
      }
      plan.block "reduce" combine "max" {
      ^bb0(%b: index, %c: index, %s: index, %unused: f32):
        %v = plan.load %x[affine_map<(d0, d1, d2)[s0] -> ((d0 * s0 + d2) * 70 + d1)>(%b, %c, %s)] : !plan.buffer<f32> -> f32
        plan.yield %v : f32
      }
      plan.block "finish" {
      ^bb0(%b: index, %c: index, %sum: f32, %max: f32):
        %n = plan.size affine_map<()[s0] -> (s0)>
        %i = arith.index_cast %n : index to i64
        %f = arith.sitofp %i : i64 to f32
        %q = arith.divf %sum, %f : f32
        plan.store %q, %mean[affine_map<(d0, d1) -> (d0 * 70 + d1)>(%b, %c)] : f32, !plan.buffer<f32>
        plan.store %max, %top[affine_map<(d0, d1) -> (d0 * 70 + d1)>(%b, %c)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                  GetParam());
  for (int64_t n : {1, 13, 50}) {
    auto x = randomFloats(3 * n * 70);
    x[5 * 70 / 5] = NAN; // Maximum and mean of channel 0 are NaN.
    std::vector<float> mean(210), top(210);
    std::vector<double> wantMean(210), wantTop(210, -INFINITY);
    for (int b = 0; b < 3; ++b)
      for (int s = 0; s < n; ++s)
        for (int c = 0; c < 70; ++c) {
          double v = x[(b * n + s) * 70 + c];
          double &best = wantTop[b * 70 + c];
          wantMean[b * 70 + c] += v / n;
          best = std::isnan(v) || std::isnan(best) ? NAN : std::max(best, v);
        }
    program.run("k", {3, 1, 1}, {x.data(), mean.data(), top.data()}, {n});
    expectClose(mean, wantMean, 1e-5);
    expectClose(top, wantTop, 0, 0);
  }
}

// The largest magnitude of each row: of -0, infinities, and NaN of either sign.
TEST_P(Reduction, largestMagnitude) {
  Program program(R"(
    plan.kernel @k row "loops" extents affine_map<()[s0] -> (6, s0)> parallel 1
        params affine_map<() -> (1, 2)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [1] {
    ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "reduce" combine "max" {
      ^bb0(%i: index, %j: index):
        %v = plan.load %x[affine_map<(d0, d1)[s0] -> (d0 * s0 + d1)>(%i, %j)] : !plan.buffer<f32> -> f32
        %a = math.absf %v : f32
        plan.yield %a : f32
      }
      plan.block "finish" {
      ^bb0(%i: index, %max: f32):
        plan.store %max, %y[affine_map<(d0) -> (d0)>(%i)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                  GetParam());
  for (int64_t n : {1, 5, 16, 83}) {
    auto x = randomFloats(6 * n);
    x[1 * n + n / 2] = NAN;
    x[2 * n + n - 1] = -NAN;
    x[3 * n] = -INFINITY;
    std::fill(x.begin() + 4 * n, x.begin() + 5 * n, -0.0f);
    std::vector<float> y(6);
    std::vector<double> want(6, 0);
    for (int64_t i = 0; i < 6 * n; ++i) {
      double &best = want[i / n], v = std::fabs(x[i]);
      best = std::isnan(v) || std::isnan(best) ? NAN : std::max(best, v);
    }
    program.run("k", {3, 1, 1}, {x.data(), y.data()}, {n});
    expectClose(y, want, 0, 0);
  }
}

// Mean over height and width of [b, c, h, w]: two reduced dimensions, the inner
// one contiguous and shorter than a vector.
TEST_P(Reduction, overTwoInnerDimensions) {
  Program program(R"(
    plan.kernel @k row "loops" extents affine_map<() -> (2, 20, 7, 9)> parallel 2
        params affine_map<() -> (1, 20)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [1] {
    ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "reduce" combine "sum" {
      ^bb0(%b: index, %c: index, %h: index, %w: index):
        %v = plan.load %x[affine_map<(d0, d1, d2, d3) -> (((d0 * 20 + d1) * 7 + d2) * 9 + d3)>(%b, %c, %h, %w)] : !plan.buffer<f32> -> f32
        plan.yield %v : f32
      }
      plan.block "finish" {
      ^bb0(%b: index, %c: index, %sum: f32):
        plan.store %sum, %y[affine_map<(d0, d1) -> (d0 * 20 + d1)>(%b, %c)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                  GetParam());
  auto x = randomFloats(2 * 20 * 63);
  std::vector<float> y(40);
  std::vector<double> want(40);
  for (int i = 0; i < 40 * 63; ++i)
    want[i / 63] += x[i];
  program.run("k", {2, 1, 1}, {x.data(), y.data()});
  expectClose(y, want, 2e-6, 2e-6);
}

// Everything reduced to one number, with integers, booleans and products.
TEST_P(Reduction, toScalar) {
  Program program(R"(
    plan.kernel @k row "loops" extents affine_map<()[s0] -> (s0)> parallel 0
        params affine_map<() -> (1, 1)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [1, 2, 3] {
    ^bb0(%x: !plan.buffer<i64>, %sum: !plan.buffer<i64>, %min: !plan.buffer<i64>, %any: !plan.buffer<i1>):
      plan.block "reduce" combine "sum" {
      ^bb0(%i: index):
        %v = plan.load %x[affine_map<(d0) -> (d0)>(%i)] : !plan.buffer<i64> -> i64
        plan.yield %v : i64
      }
      plan.block "reduce" combine "min" {
      ^bb0(%i: index):
        %v = plan.load %x[affine_map<(d0) -> (d0)>(%i)] : !plan.buffer<i64> -> i64
        plan.yield %v : i64
      }
      plan.block "reduce" combine "max" {
      ^bb0(%i: index):
        %v = plan.load %x[affine_map<(d0) -> (d0)>(%i)] : !plan.buffer<i64> -> i64
        %c = arith.constant 77 : i64
        %e = arith.cmpi eq, %v, %c : i64
        plan.yield %e : i1
      }
      plan.block "finish" {
      ^bb0(%s: i64, %m: i64, %a: i1):
        plan.store %s, %sum[affine_map<() -> (0)>()] : i64, !plan.buffer<i64>
        plan.store %m, %min[affine_map<() -> (0)>()] : i64, !plan.buffer<i64>
        plan.store %a, %any[affine_map<() -> (0)>()] : i1, !plan.buffer<i1>
        plan.yield
      }
    })",
                  GetParam());
  for (int64_t n : {1, 3, 8, 100}) {
    std::vector<int64_t> x(n);
    int64_t total = 0;
    for (int64_t i = 0; i < n; ++i)
      total += x[i] = (int64_t(1) << 40) + i;
    x[n / 2] = n == 8 ? 77 : x[n / 2];
    if (n == 8)
      total += 77 - ((int64_t(1) << 40) + 4);
    int64_t sum = 0, min = 0;
    uint8_t any = 9;
    program.run("k", {1, 1, 1}, {x.data(), &sum, &min, &any}, {n});
    EXPECT_EQ(sum, total);
    EXPECT_EQ(min, n == 8 ? 77 : int64_t(1) << 40);
    EXPECT_EQ(any, n == 8 ? 1 : 0);
  }
}

// The first of equal maxima wins, along the lanes and across them.
TEST_P(Reduction, argmax) {
  auto kernel = [](const char *name, const char *map) {
    return std::string("plan.kernel @") + name + R"( row "loops"
        extents affine_map<() -> (19, 70)> parallel 1
        params affine_map<() -> (1, 19)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [1] {
    ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<i64>):
      plan.block "reduce" combine "argmax" {
      ^bb0(%i: index, %j: index):
        %v = plan.load %x[affine_map<(d0, d1) -> ()" +
           map + R"()>(%i, %j)] : !plan.buffer<f32> -> f32
        %k = arith.index_cast %j : index to i64
        plan.yield %v, %k : f32, i64
      }
      plan.block "finish" {
      ^bb0(%i: index, %best: f32, %at: i64):
        plan.store %at, %y[affine_map<(d0) -> (d0)>(%i)] : i64, !plan.buffer<i64>
        plan.yield
      }
    }
    )";
  };
  Program program(kernel("inner", "d0 * 70 + d1") +
                      kernel("outer", "d1 * 19 + d0"),
                  GetParam());
  std::vector<float> inner(19 * 70), outer(19 * 70);
  std::vector<int64_t> want(19), got(19);
  for (int i = 0; i < 19; ++i) {
    want[i] = i * 3 % 70;
    for (int j = 0; j < 70; ++j)
      inner[i * 70 + j] = outer[j * 19 + i] =
          j == want[i] || (j > want[i] && j % 5 == 0) ? 4.0f : -float(j) - 1;
  }
  for (int j = 0; j < 70; ++j) { // Row 0 has no number at all.
    inner[j] = outer[j * 19] = NAN;
  }
  want[0] = 0;
  program.run("inner", {1, 1, 1}, {inner.data(), got.data()});
  EXPECT_EQ(got, want);
  got.assign(19, -1);
  program.run("outer", {1, 1, 1}, {outer.data(), got.data()});
  EXPECT_EQ(got, want);
}

// Softmax over the middle of [b, n, c], lanes along c: reduce and map blocks
// with vectors as values.
TEST_P(Reduction, softmaxOverMiddle) {
  Program program(R"(
    plan.kernel @k row "loops" extents affine_map<() -> (2, 90, 6)> parallel 2
        params affine_map<() -> (2, 90)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [1] {
    ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "reduce" combine "sum" {
      ^bb0(%b: index, %c: index, %n: index):
        %v = plan.load %x[affine_map<(d0, d1, d2) -> ((d0 * 6 + d2) * 90 + d1)>(%b, %c, %n)] : !plan.buffer<f32> -> f32
        %e = math.exp %v : f32
        plan.yield %e : f32
      }
      plan.block "map" {
      ^bb0(%b: index, %c: index, %n: index, %sum: f32):
        %v = plan.load %x[affine_map<(d0, d1, d2) -> ((d0 * 6 + d2) * 90 + d1)>(%b, %c, %n)] : !plan.buffer<f32> -> f32
        %e = math.exp %v : f32
        %q = arith.divf %e, %sum : f32
        plan.store %q, %y[affine_map<(d0, d1, d2) -> ((d0 * 6 + d2) * 90 + d1)>(%b, %c, %n)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                  GetParam());
  auto x = randomFloats(2 * 6 * 90, -3, 3);
  std::vector<float> y(x.size());
  std::vector<double> want(x.size());
  for (int b = 0; b < 2; ++b)
    for (int c = 0; c < 90; ++c) {
      double sum = 0;
      for (int n = 0; n < 6; ++n)
        sum += std::exp(double(x[(b * 6 + n) * 90 + c]));
      for (int n = 0; n < 6; ++n)
        want[(b * 6 + n) * 90 + c] =
            std::exp(double(x[(b * 6 + n) * 90 + c])) / sum;
    }
  program.run("k", {1, 1, 1}, {x.data(), y.data()});
  expectClose(y, want);
}

// Rows so long that a GPU gives each to a whole block of threads: largest, its
// place, the sum of what is left, and y = (x - largest) / sum.
TEST_P(Reduction, longRows) {
  Program program(R"(
    plan.kernel @k row "loops" extents affine_map<() -> (3, 5003)> parallel 1
        params affine_map<() -> (1, 2)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [1, 2] {
    ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>, %place: !plan.buffer<i64>):
      plan.block "reduce" combine "argmax" {
      ^bb0(%i: index, %j: index):
        %0 = plan.load %x[affine_map<(d0, d1) -> (d0 * 5003 + d1)>(%i, %j)] : !plan.buffer<f32> -> f32
        plan.yield %0 : f32
      }
      plan.block "reduce" combine "sum" {
      ^bb0(%i: index, %j: index, %most: f32, %at: i64):
        %0 = plan.load %x[affine_map<(d0, d1) -> (d0 * 5003 + d1)>(%i, %j)] : !plan.buffer<f32> -> f32
        %1 = arith.subf %0, %most : f32
        plan.yield %1 : f32
      }
      plan.block "finish" {
      ^bb0(%i: index, %most: f32, %at: i64, %sum: f32):
        plan.store %at, %place[affine_map<(d0) -> (d0)>(%i)] : i64, !plan.buffer<i64>
        plan.yield
      }
      plan.block "map" {
      ^bb0(%i: index, %j: index, %most: f32, %at: i64, %sum: f32):
        %0 = plan.load %x[affine_map<(d0, d1) -> (d0 * 5003 + d1)>(%i, %j)] : !plan.buffer<f32> -> f32
        %1 = arith.subf %0, %most : f32
        %2 = arith.divf %1, %sum : f32
        plan.store %2, %y[affine_map<(d0, d1) -> (d0 * 5003 + d1)>(%i, %j)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                  GetParam());
  auto x = randomFloats(3 * 5003);
  x[5003 + 4999] = x[5003 + 17] = 2; // of equal ones the first
  std::vector<float> y(x.size());
  std::vector<int64_t> place(3);
  program.run("k", {2, 1, 1}, {x.data(), y.data(), place.data()});
  std::vector<double> want(x.size());
  for (int i = 0; i < 3; ++i) {
    auto row = x.begin() + i * 5003;
    auto most = std::max_element(row, row + 5003);
    EXPECT_EQ(place[i], most - row);
    double sum = 0;
    for (int j = 0; j < 5003; ++j)
      sum += double(row[j]) - *most;
    for (int j = 0; j < 5003; ++j)
      want[i * 5003 + j] = (double(row[j]) - *most) / sum;
  }
  expectClose(y, want, 1e-5, 1e-9);
}

MMCC_AT_EACH_LEVEL(Reduction);

} // namespace
} // namespace mmcc::test
