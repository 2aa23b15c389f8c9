//===- NarrowTest.cpp - Products with 4-bit and 8-bit weights against f64 -===//

#include "codegen/cpu/kernels/Scratch.h"
#include "runtime/loader/CpuLevel.h"
#include "test/codegen/kernels/InstructionEmulator.h"
#include "test/codegen/kernels/KernelHarness.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <numeric>

using namespace mmcc::test;
namespace cpu = mmcc::cpu;

namespace {

class NarrowTest : public testing::TestWithParam<Level> {};

struct Shape {
  int64_t B, M, N, K, group, aBlock, mBlock, nBlock;
  bool zeros;
  bool limited = false;
  int64_t apart = 4; // rows of bytes lie so much further apart than they must
};

/// Numbers w[k, n] of `bits`, their scales, and zeros where they have some.
struct NarrowWeights {
  NarrowWeights(int bits, const Shape &s)
      : bits(bits), shape(s), numbers(s.K * s.N),
        packed(ceilDivide(s.N, 16) * s.K * 16 * bits / 32),
        scale(ceilDivide(s.N, 16) * 16 * (s.K / s.group)), zero(scale.size()) {
    std::mt19937 random(uint32_t(s.N * 31 + s.K));
    int low = bits == 8 ? -127
              : s.zeros ? 0
                        : -8,
        high = bits == 8 ? 127 : low + 15;
    std::uniform_int_distribution<int> any(low, high);
    for (int &number : numbers)
      number = any(random);
    // The extremes are where sums overflow.
    for (int64_t k = 0; k < s.K; ++k)
      numbers[k * s.N] = s.limited ? k % 2 ? 1 : 127 : high;
    if (s.limited)
      limit();
    scale.randomise(9);
    for (size_t i = 0; i < zero.size(); ++i)
      zero[i] = float(any(random));
    pack();
  }

  /// Neighbours along K add up to 128 at most.
  void limit() {
    for (int64_t k = 0; k < shape.K; k += 2)
      for (int64_t n = 0; n < shape.N; ++n) {
        int &first = numbers[k * shape.N + n],
            &second = numbers[(k + 1) * shape.N + n];
        int over = std::abs(first + second) - 128;
        if (over > 0)
          (std::abs(first) > std::abs(second) ? first : second) -=
              first > 0 ? over : -over;
      }
  }

  /// [ceil(N/16)][K/step][16]
  std::vector<float> sums(int64_t step) const {
    std::vector<float> result(ceilDivide(shape.N, 16) * (shape.K / step) * 16);
    for (int64_t k = 0; k < shape.K; ++k)
      for (int64_t n = 0; n < shape.N; ++n)
        result[(n / 16 * (shape.K / step) + k / step) * 16 + n % 16] +=
            float(numbers[k * shape.N + n]);
    return result;
  }

  void pack() {
    auto *bytes = reinterpret_cast<uint8_t *>(packed.data());
    std::memset(bytes, bits == 4 && !shape.zeros ? 0x88 : 0, packed.size() * 4);
    for (int64_t k = 0; k < shape.K; ++k)
      for (int64_t n = 0; n < shape.N; ++n) {
        int number = numbers[k * shape.N + n];
        int64_t panel = n / 16 * shape.K * 16 * bits / 8;
        if (bits == 8) {
          bytes[panel + k / 4 * 64 + n % 16 * 4 + k % 4] = uint8_t(number);
          continue;
        }
        uint8_t &byte = bytes[panel + k / 8 * 64 + n % 16 * 4 + k % 4];
        unsigned half = unsigned(number + (shape.zeros ? 0 : 8));
        int shift = k % 8 / 4 * 4;
        byte = uint8_t((byte & ~(15 << shift)) | half << shift);
      }
  }

  double scaleOf(int64_t k, int64_t n) const {
    return std::fabs(
        scale[(n / 16 * (shape.K / shape.group) + k / shape.group) * 16 +
              n % 16]);
  }

  double operator()(int64_t k, int64_t n) const {
    int64_t at =
        (n / 16 * (shape.K / shape.group) + k / shape.group) * 16 + n % 16;
    double number = numbers[k * shape.N + n];
    return (number - (shape.zeros ? double(zero[at]) : 0)) * double(scale[at]);
  }

  int bits;
  Shape shape;
  std::vector<int> numbers;
  GuardedFloats packed, scale, zero;
};

void expectProduct(const Shape &s, const NarrowWeights &w, Results &results,
                   const std::function<double(int64_t, int64_t, int64_t)> &a) {
  std::vector<double> expected, tolerance;
  for (int64_t b = 0; b < s.B; ++b)
    for (int64_t m = 0; m < s.M; ++m)
      for (int64_t n = 0; n < s.N; ++n) {
        double sum = 0, total = 0;
        for (int64_t k = 0; k < s.K; ++k) {
          double product = a(b, m, k) * w(k, n);
          sum += product;
          // Numbers are summed before their zero is taken off.
          total += std::fabs(a(b, m, k)) * (w.bits == 8 ? 256 : 32) *
                   w.scaleOf(k, n);
        }
        expected.push_back(sum);
        tolerance.push_back(6e-8 * (2 + std::sqrt(double(s.K))) * total +
                            1e-30);
      }
  expectResults(results, expected, tolerance, "narrow");
}

void checkFloats(const Level &level, int bits, const Shape &s) {
  SCOPED_TRACE(testing::Message()
               << level.name << " bits " << bits << " M" << s.M << " N" << s.N
               << " K" << s.K << " group " << s.group
               << (s.zeros ? " zeros" : ""));
  NarrowWeights w(bits, s);
  const int64_t aRow = s.K + 3, aBatch = s.M * aRow + 5;
  GuardedFloats a((s.B - 1) * aBatch + (s.M - 1) * aRow + s.K);
  a.randomise(uint32_t(s.M));
  Results results({s.B}, s.M, s.N);
  runKernel(
      level, bits == 4 ? "gemm_f32_u4" : "gemm_f32_i8",
      {s.B, s.M, s.N, s.K, aBatch, aRow, s.group, s.zeros, s.mBlock, s.nBlock},
      {a.data(), w.packed.data(), w.scale.data(), w.zero.data()},
      {ceilDivide(s.N, s.nBlock), ceilDivide(s.M, s.mBlock), s.B},
      cpu::gemmNarrowScratchBytes(s.K, s.mBlock), results);
  expectProduct(s, w, results, [&](int64_t b, int64_t m, int64_t k) {
    return double(a[b * aBatch + m * aRow + k]);
  });
}

void checkIntegers(const Level &level, int bits, const Shape &s) {
  SCOPED_TRACE(testing::Message()
               << level.name << " bits " << bits << " M" << s.M << " N" << s.N
               << " K" << s.K << " group " << s.group << " block " << s.aBlock
               << (s.zeros ? " zeros" : ""));
  NarrowWeights w(bits, s);
  const int64_t aRow = s.K + s.apart, aBatch = s.M * aRow;
  const int64_t blocks = s.K / s.aBlock, sRow = blocks + 1, sBatch = s.M * sRow;
  GuardedFloats bytes(
      ceilDivide((s.B - 1) * aBatch + (s.M - 1) * aRow + s.K, 4));
  auto *a = reinterpret_cast<int8_t *>(bytes.data());
  std::mt19937 random(uint32_t(s.M + 1));
  std::uniform_int_distribution<int> any(-127, 127);
  for (size_t i = 0; i < bytes.size() * 4; ++i)
    a[i] = int8_t(any(random));
  for (int64_t k = 0; k < s.K; ++k)
    a[k] = 127;
  GuardedFloats scale((s.B - 1) * sBatch + (s.M - 1) * sRow + blocks);
  scale.randomise(3);
  Results results({s.B}, s.M, s.N);
  GuardedFloats sums(ceilDivide(s.N, 16) * 16 *
                     (s.K / std::gcd(s.group, s.aBlock)));
  std::copy_n(w.sums(std::gcd(s.group, s.aBlock)).begin(), sums.size(),
              sums.data());
  std::vector<int64_t> params = {s.B,    s.M,  s.N,     s.K,      aBatch, aRow,
                                 sBatch, sRow, s.group, s.aBlock, s.zeros};
  params.insert(params.end(), {s.mBlock, s.nBlock});
  if (bits == 8)
    params.push_back(s.limited);
  std::vector<const float *> tensors = {bytes.data(), scale.data(),
                                        w.packed.data(), w.scale.data(),
                                        w.zero.data()};
  if (bits == 8)
    tensors.push_back(sums.data());
  runKernel(level, bits == 4 ? "gemm_i8_u4" : "gemm_i8_i8", params, tensors,
            {ceilDivide(s.N, s.nBlock), ceilDivide(s.M, s.mBlock), s.B},
            cpu::gemmInt8ScratchBytes(s.K, s.mBlock), results);
  expectProduct(s, w, results, [&](int64_t b, int64_t m, int64_t k) {
    return double(a[b * aBatch + m * aRow + k]) *
           double(scale[b * sBatch + m * sRow + k / s.aBlock]);
  });
}

TEST_P(NarrowTest, EveryRowCount) {
  for (int bits : {4, 8})
    for (int64_t M = 1; M <= 31; ++M) {
      checkFloats(GetParam(), bits, {1, M, 48, 64, 32, 64, M, 64, false});
      checkIntegers(GetParam(), bits, {1, M, 48, 64, 32, 64, M, 64, false});
    }
}

/// What a machine lacks was really asked for.
TEST_P(NarrowTest, FormsUseTheirInstructions) {
  uint64_t before = emulatedInstructions();
  for (int bits : {4, 8})
    checkIntegers(GetParam(), bits, {1, 16, 32, 64, 64, 64, 16, 32, false});
  EXPECT_EQ(emulatedInstructions() > before,
            !mmcc::runtime::machineRuns(GetParam().name));
}

TEST_P(NarrowTest, LimitedNeighbours) {
  for (int64_t M = 1; M <= 31; ++M)
    checkIntegers(GetParam(), 8, {1, M, 48, 64, 32, 64, M, 64, false, true});
  for (bool zeros : {false, true})
    for (int64_t M : {1, 7, 50}) {
      checkIntegers(GetParam(), 8,
                    {2, M, 100, 768, 768, 768, 40, 64, zeros, true});
      checkIntegers(GetParam(), 8,
                    {1, M, 33, 4864, 4864, 128, M, 32, zeros, true});
    }
}

TEST_P(NarrowTest, RowsAPageApart) {
  for (int bits : {4, 8})
    for (int64_t M : {3, 20}) {
      checkIntegers(GetParam(), bits,
                    {1, M, 40, 2048, 2048, 2048, M, 32, false, false, 0});
      checkIntegers(GetParam(), bits,
                    {1, M, 40, 1024, 128, 1024, M, 32, true, false, 1024});
    }
}

TEST_P(NarrowTest, ColumnTails) {
  for (int bits : {4, 8})
    for (int64_t N : {1, 15, 16, 17, 33, 100, 129, 257})
      for (int64_t M : {1, 3, 9}) {
        checkFloats(GetParam(), bits, {1, M, N, 96, 96, 96, M, 64, true});
        checkIntegers(GetParam(), bits, {1, M, N, 96, 96, 96, M, 64, true});
      }
}

TEST_P(NarrowTest, DepthsAndGroups) {
  for (int bits : {4, 8})
    for (bool zeros : {false, true})
      for (auto [K, group, block] : {std::array<int64_t, 3>{32, 32, 32},
                                     {512, 128, 512},
                                     {768, 128, 64},
                                     {768, 768, 32},
                                     {1056, 96, 352},
                                     {4864, 128, 4864}})
        for (int64_t M : {1, 2, 14}) {
          checkFloats(GetParam(), bits,
                      {1, M, 40, K, group, block, M, 32, zeros});
          checkIntegers(GetParam(), bits,
                        {1, M, 40, K, group, block, M, 32, zeros});
        }
}

TEST_P(NarrowTest, BlocksAndBatches) {
  for (int bits : {4, 8}) {
    checkFloats(GetParam(), bits, {3, 50, 96, 64, 64, 64, 14, 32, false});
    checkIntegers(GetParam(), bits, {3, 50, 96, 64, 64, 64, 14, 32, false});
    checkFloats(GetParam(), bits, {1, 197, 192, 128, 32, 128, 64, 96, true});
    checkIntegers(GetParam(), bits, {1, 197, 192, 128, 32, 128, 64, 96, true});
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, NarrowTest, testing::ValuesIn(allLevels()),
                         [](const auto &info) {
                           return levelName(info.param);
                         });

} // namespace
