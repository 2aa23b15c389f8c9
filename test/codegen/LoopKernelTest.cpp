//===- LoopKernelTest.cpp - Elementwise kernels, gathers, order -----------===//

#include "test/codegen/KernelHarness.h"

#include <cmath>
#include <numeric>

namespace mmcc::test {
namespace {

using LoopKernel = EachLevel;

// y[i, j] = exp(x[i, j] * row[j]) + scalar, over 50 x 37 in pieces of 16 x 20:
// broadcasts, several pieces a row, and no size that is a multiple of lanes.
TEST_P(LoopKernel, mapWithBroadcasts) {
  Program program(R"(
    plan.kernel @k row "loops" extents affine_map<() -> (50, 37)> parallel 2
        params affine_map<() -> (16, 20)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [3] {
    ^bb0(%x: !plan.buffer<f32>, %row: !plan.buffer<f32>, %one: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "map" {
      ^bb0(%i: index, %j: index):
        %0 = plan.load %x[affine_map<(d0, d1) -> (d0 * 37 + d1)>(%i, %j)] : !plan.buffer<f32> -> f32
        %1 = plan.load %row[affine_map<(d0) -> (d0)>(%j)] : !plan.buffer<f32> -> f32
        %2 = plan.load %one[affine_map<() -> (0)>()] : !plan.buffer<f32> -> f32
        %3 = arith.mulf %0, %1 : f32
        %4 = math.exp %3 : f32
        %5 = arith.addf %4, %2 : f32
        plan.store %5, %y[affine_map<(d0, d1) -> (d0 * 37 + d1)>(%i, %j)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                  GetParam());
  auto x = randomFloats(50 * 37, -4, 4), row = randomFloats(37, -2, 2, 2);
  float one = 0.25f;
  std::vector<float> y(50 * 37 + 1, 7.0f);
  program.run("k", {4 * 2, 1, 1}, {x.data(), row.data(), &one, y.data()});
  std::vector<double> want(y.size());
  for (int i = 0; i < 50; ++i)
    for (int j = 0; j < 37; ++j)
      want[i * 37 + j] = std::exp(double(x[i * 37 + j] * row[j])) + 0.25;
  want.back() = 7.0; // Nothing is written behind the end.
  expectClose(y, want);
}

// y[a, b, c] = x[c, a, b]: three dimensions, strided reads, symbolic extents.
TEST_P(LoopKernel, stridedWithSymbols) {
  Program program(R"(
    plan.kernel @k row "loops" extents affine_map<()[s0, s1] -> (s0, 5, s1)> parallel 3
        params affine_map<()[s0, s1] -> (4, s1)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [1] {
    ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "map" {
      ^bb0(%a: index, %b: index, %c: index):
        %0 = plan.load %x[affine_map<(d0, d1, d2)[s0, s1] -> ((d2 * s0 + d0) * 5 + d1)>(%a, %b, %c)] : !plan.buffer<f32> -> f32
        %size = plan.size affine_map<()[s0, s1] -> (s0 + s1 floordiv 2)>
        %int = arith.index_cast %size : index to i32
        %add = arith.sitofp %int : i32 to f32
        %1 = arith.addf %0, %add : f32
        plan.store %1, %y[affine_map<(d0, d1, d2)[s0, s1] -> ((d0 * 5 + d1) * s1 + d2)>(%a, %b, %c)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                  GetParam());
  for (int64_t n : {1, 7, 16, 33}) {
    int64_t m = 6;
    auto x = randomFloats(m * 5 * n);
    std::vector<float> y(m * 5 * n);
    std::vector<double> want(y.size());
    for (int64_t a = 0; a < m; ++a)
      for (int64_t b = 0; b < 5; ++b)
        for (int64_t c = 0; c < n; ++c)
          want[(a * 5 + b) * n + c] =
              double(x[(c * m + a) * 5 + b]) + double(m + n / 2);
    program.run("k", {(m * 5 + 3) / 4, 1, 1}, {x.data(), y.data()}, {m, n});
    expectClose(y, want);
  }
}

// Channels of an image move to the end: lanes run along the pixels, whose runs
// the pieces of rows cut anywhere; a second result has its own stride.
TEST_P(LoopKernel, fewColumns) {
  for (int c : {1, 2, 3, 4, 8}) {
    std::string n = std::to_string(c);
    Program program(
        "plan.kernel @k row \"loops\" extents affine_map<()[s0] -> "
        "(2, s0, " +
            n + R"()> parallel 3 params affine_map<() -> (29, 8)>
        offsets affine_map<() -> ()> scratch affine_map<() -> (0)> written [1, 2] {
    ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>, %z: !plan.buffer<i1>):
      plan.block "map" {
      ^bb0(%b: index, %i: index, %c: index):
        %v = plan.load %x[affine_map<(d0, d1, d2)[s0] -> ((d0 * )" +
            n + R"( + d2) * s0 + d1)>(%b, %i, %c)] : !plan.buffer<f32> -> f32
        plan.store %v, %y[affine_map<(d0, d1, d2)[s0] -> ((d0 * s0 + d1) * )" +
            n + R"( + d2)>(%b, %i, %c)] : f32, !plan.buffer<f32>
        %zero = arith.constant 0.0 : f32
        %p = arith.cmpf ogt, %v, %zero : f32
        plan.store %p, %z[affine_map<(d0, d1, d2)[s0] -> ((d0 * s0 + d1) * )" +
            n + R"( + d2)>(%b, %i, %c)] : i1, !plan.buffer<i1>
        plan.yield
      }
    })",
        GetParam());
    for (int64_t s : {1, 15, 37, 64}) {
      auto x = randomFloats(2 * c * s);
      std::vector<float> y(x.size() + 1, 7);
      std::vector<uint8_t> z(x.size() + 1, 7);
      std::vector<double> want(y.size(), 7);
      for (int b = 0; b < 2; ++b)
        for (int i = 0; i < s; ++i)
          for (int k = 0; k < c; ++k)
            want[(b * s + i) * c + k] = x[(b * c + k) * s + i];
      program.run("k", {(2 * s + 28) / 29, 1, 1},
                  {x.data(), y.data(), z.data()}, {s});
      expectClose(y, want, 0, 0);
      for (size_t i = 0; i < x.size(); ++i)
        ASSERT_EQ(z[i], want[i] > 0) << i;
      EXPECT_EQ(z.back(), 7);
    }
  }
}

// [b, c, n] to [b, n, c] with something on top: tiles, rows and columns that
// fill none, and runs of rows that the pieces cut.
TEST_P(LoopKernel, transposedTiles) {
  Program program(R"(
    plan.kernel @k row "loops" extents affine_map<()[s0, s1] -> (2, s0, s1)> parallel 3
        params affine_map<() -> (41, 50)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [3] {
    ^bb0(%x: !plan.buffer<f32>, %m: !plan.buffer<i1>, %bias: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "map" {
      ^bb0(%b: index, %i: index, %c: index):
        %v = plan.load %x[affine_map<(d0, d1, d2)[s0, s1] -> ((d0 * s1 + d2) * s0 + d1)>(%b, %i, %c)] : !plan.buffer<f32> -> f32
        %p = plan.load %m[affine_map<(d0, d1)[s0, s1] -> (d1 * s0 + d0)>(%i, %c)] : !plan.buffer<i1> -> i1
        %w = plan.load %bias[affine_map<(d0) -> (d0)>(%c)] : !plan.buffer<f32> -> f32
        %s = arith.addf %v, %w : f32
        %r = arith.select %p, %s, %w : f32
        plan.store %r, %y[affine_map<(d0, d1, d2)[s0, s1] -> ((d0 * s0 + d1) * s1 + d2)>(%b, %i, %c)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                  GetParam());
  Program fixed(R"(
    plan.kernel @k row "loops" extents affine_map<()[s0, s1] -> (2, 37, s1)> parallel 3
        params affine_map<() -> (41, 50)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [3] {
    ^bb0(%x: !plan.buffer<f32>, %m: !plan.buffer<i1>, %bias: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "map" {
      ^bb0(%b: index, %i: index, %c: index):
        %v = plan.load %x[affine_map<(d0, d1, d2)[s0, s1] -> (d0 * s1 * 37 + d2 * 37 + d1)>(%b, %i, %c)] : !plan.buffer<f32> -> f32
        %p = plan.load %m[affine_map<(d0, d1)[s0, s1] -> (d1 * 37 + d0)>(%i, %c)] : !plan.buffer<i1> -> i1
        %w = plan.load %bias[affine_map<(d0) -> (d0)>(%c)] : !plan.buffer<f32> -> f32
        %s = arith.addf %v, %w : f32
        %r = arith.select %p, %s, %w : f32
        plan.store %r, %y[affine_map<(d0, d1, d2)[s0, s1] -> ((d0 * 37 + d1) * s1 + d2)>(%b, %i, %c)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                GetParam());
  int64_t n = 37;
  for (int64_t c : {5, 16, 50, 77}) {
    auto x = randomFloats(2 * c * n), bias = randomFloats(c, -1, 1, 2);
    std::vector<uint8_t> m(c * n);
    for (size_t i = 0; i < m.size(); ++i)
      m[i] = i % 3 != 0;
    std::vector<double> want(x.size());
    for (int b = 0; b < 2; ++b)
      for (int i = 0; i < n; ++i)
        for (int k = 0; k < c; ++k)
          want[(b * n + i) * c + k] =
              (m[k * n + i] ? x[(b * c + k) * n + i] : 0.0) + bias[k];
    for (Program *each : {&program, &fixed}) {
      std::vector<float> y(x.size());
      each->run("k", {(2 * n + 40) / 41 * ((c + 49) / 50), 1, 1},
                {x.data(), m.data(), bias.data(), y.data()}, {n, c});
      expectClose(y, want);
    }
  }
}

// Splitting an index by floordiv and mod: contiguous where 64 columns hold
// whole vectors, gathered where 5 columns do not.
TEST_P(LoopKernel, splitIndices) {
  Program program(R"(
    plan.kernel @k row "loops" extents affine_map<() -> (320)> parallel 1
        params affine_map<() -> (1, 320)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [1, 2] {
    ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>, %z: !plan.buffer<f32>):
      plan.block "map" {
      ^bb0(%i: index):
        %0 = plan.load %x[affine_map<(d0) -> ((d0 floordiv 64) * 100 + d0 mod 64)>(%i)] : !plan.buffer<f32> -> f32
        plan.store %0, %y[affine_map<(d0) -> (d0)>(%i)] : f32, !plan.buffer<f32>
        %1 = plan.load %x[affine_map<(d0) -> ((d0 floordiv 5) * 7 + d0 mod 5)>(%i)] : !plan.buffer<f32> -> f32
        plan.store %1, %z[affine_map<(d0) -> (319 - d0)>(%i)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                  GetParam());
  auto x = randomFloats(500);
  std::vector<float> y(320), z(320);
  std::vector<double> wantY(320), wantZ(320);
  for (int i = 0; i < 320; ++i) {
    wantY[i] = x[i / 64 * 100 + i % 64];
    wantZ[319 - i] = x[i / 5 * 7 + i % 5];
  }
  program.run("k", {1, 1, 1}, {x.data(), y.data(), z.data()});
  expectClose(y, wantY, 0, 0);
  expectClose(z, wantZ, 0, 0);
}

// y[i, j] = table[clamp(ids[i]), j], the index coming from memory; and the
// transposed form, where it differs from lane to lane.
TEST_P(LoopKernel, gatherWithComputedIndex) {
  Program program(R"(
    plan.kernel @rows row "loops" extents affine_map<() -> (5, 40)> parallel 2
        params affine_map<() -> (5, 40)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [2] {
    ^bb0(%ids: !plan.buffer<i64>, %table: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "map" {
      ^bb0(%i: index, %j: index):
        %id = plan.load %ids[affine_map<(d0) -> (d0)>(%i)] : !plan.buffer<i64> -> i64
        %zero = arith.constant 0 : i64
        %ten = arith.constant 10 : i64
        %neg = arith.cmpi slt, %id, %zero : i64
        %up = arith.addi %id, %ten : i64
        %at = arith.select %neg, %up, %id : i64
        %index = arith.index_cast %at : i64 to index
        %v = plan.load %table[affine_map<(d0, d1) -> (d0 * 40 + d1)>(%index, %j)] : !plan.buffer<f32> -> f32
        plan.store %v, %y[affine_map<(d0, d1) -> (d0 * 40 + d1)>(%i, %j)] : f32, !plan.buffer<f32>
        plan.yield
      }
    }
    plan.kernel @columns row "loops" extents affine_map<() -> (40, 5)> parallel 2
        params affine_map<() -> (40, 5)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [2] {
    ^bb0(%ids: !plan.buffer<i64>, %table: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "map" {
      ^bb0(%j: index, %i: index):
        %id = plan.load %ids[affine_map<(d0) -> (d0)>(%i)] : !plan.buffer<i64> -> i64
        %ten = arith.constant 10 : i64
        %up = arith.addi %id, %ten : i64
        %at = arith.remsi %up, %ten : i64
        %index = arith.index_cast %at : i64 to index
        %v = plan.load %table[affine_map<(d0, d1) -> (d0 * 40 + d1)>(%index, %j)] : !plan.buffer<f32> -> f32
        plan.store %v, %y[affine_map<(d0, d1) -> (d0 * 5 + d1)>(%j, %i)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                  GetParam());
  std::vector<int64_t> ids = {3, -1, 0, 9, -10};
  auto table = randomFloats(400);
  std::vector<float> y(200), t(200);
  std::vector<double> wantY(200), wantT(200);
  for (int i = 0; i < 5; ++i)
    for (int j = 0; j < 40; ++j) {
      float v = table[(ids[i] + 10) % 10 * 40 + j];
      wantY[i * 40 + j] = wantT[j * 5 + i] = v;
    }
  program.run("rows", {1, 1, 1}, {ids.data(), table.data(), y.data()});
  program.run("columns", {1, 1, 1}, {ids.data(), table.data(), t.data()});
  expectClose(y, wantY, 0, 0);
  expectClose(t, wantT, 0, 0);
}

// Comparing, selecting, and bytes 0 and 1 in memory; any other byte is true.
TEST_P(LoopKernel, booleans) {
  Program program(R"(
    plan.kernel @k row "loops" extents affine_map<() -> (29)> parallel 1
        params affine_map<() -> (1, 29)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [2, 3] {
    ^bb0(%m: !plan.buffer<i1>, %x: !plan.buffer<f32>, %n: !plan.buffer<i1>, %y: !plan.buffer<f32>):
      plan.block "map" {
      ^bb0(%i: index):
        %b = plan.load %m[affine_map<(d0) -> (d0)>(%i)] : !plan.buffer<i1> -> i1
        %v = plan.load %x[affine_map<(d0) -> (d0)>(%i)] : !plan.buffer<f32> -> f32
        %zero = arith.constant 0.0 : f32
        %ninf = arith.constant 0xFF800000 : f32
        %p = arith.cmpf ogt, %v, %zero : f32
        %both = arith.andi %p, %b : i1
        plan.store %both, %n[affine_map<(d0) -> (d0)>(%i)] : i1, !plan.buffer<i1>
        %s = arith.select %b, %v, %ninf : f32
        plan.store %s, %y[affine_map<(d0) -> (d0)>(%i)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                  GetParam());
  auto x = randomFloats(29);
  std::vector<uint8_t> m(29), n(30, 9);
  std::vector<float> y(29);
  for (int i = 0; i < 29; ++i)
    m[i] = i % 3 == 0 ? 0 : i % 3 == 1 ? 1 : 255;
  program.run("k", {1, 1, 1}, {m.data(), x.data(), n.data(), y.data()});
  for (int i = 0; i < 29; ++i) {
    EXPECT_EQ(n[i], m[i] && x[i] > 0) << i;
    EXPECT_EQ(y[i], m[i] ? x[i] : -INFINITY) << i;
  }
  EXPECT_EQ(n[29], 9);
}

// out[ids[i]] += x[i] in order: repeated indices must see each other.
TEST_P(LoopKernel, sequentialScatterAdd) {
  Program program(R"(
    plan.kernel @k row "loops" extents affine_map<()[s0] -> (s0)> parallel 0
        params affine_map<() -> (1, 1)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [2] {
    ^bb0(%ids: !plan.buffer<i32>, %x: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "sequential" {
      ^bb0(%i: index):
        %id = plan.load %ids[affine_map<(d0) -> (d0)>(%i)] : !plan.buffer<i32> -> i32
        %at = arith.index_cast %id : i32 to index
        %v = plan.load %x[affine_map<(d0) -> (d0)>(%i)] : !plan.buffer<f32> -> f32
        %old = plan.load %y[affine_map<(d0) -> (d0)>(%at)] : !plan.buffer<f32> -> f32
        %new = arith.addf %old, %v : f32
        plan.store %new, %y[affine_map<(d0) -> (d0)>(%at)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                  GetParam());
  std::vector<int32_t> ids = {2, 2, 0, 2, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2};
  std::vector<float> x(16), y = {100, 200, 300};
  std::iota(x.begin(), x.end(), 1.0f);
  program.run("k", {1, 1, 1}, {ids.data(), x.data(), y.data()}, {16});
  // 1 + ... + 16 = 136; index 0 gets 3, index 1 gets 5, index 2 the rest.
  EXPECT_EQ(y, (std::vector<float>{103, 205, 428}));
}

// An elementwise kernel may write over its own input.
TEST_P(LoopKernel, inPlace) {
  Program program(R"(
    plan.kernel @k row "loops" extents affine_map<()[s0] -> (s0)> parallel 1
        params affine_map<() -> (1, 64)> offsets affine_map<() -> ()>
        scratch affine_map<() -> (0)> written [1] {
    ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "map" {
      ^bb0(%i: index):
        %v = plan.load %x[affine_map<(d0) -> (d0)>(%i)] : !plan.buffer<f32> -> f32
        %w = arith.mulf %v, %v : f32
        plan.store %w, %y[affine_map<(d0) -> (d0)>(%i)] : f32, !plan.buffer<f32>
        plan.yield
      }
    })",
                  GetParam());
  auto x = randomFloats(150);
  std::vector<double> want;
  for (float v : x)
    want.push_back(double(v) * v);
  program.run("k", {3, 1, 1}, {x.data(), x.data()}, {150});
  expectClose(x, want);
}

MMCC_AT_EACH_LEVEL(LoopKernel);

} // namespace
} // namespace mmcc::test
