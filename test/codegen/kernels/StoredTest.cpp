//===- StoredTest.cpp - Products with weights in narrow floats against f64 ===//

#include "codegen/cpu/kernels/Levels.h"
#include "codegen/cpu/kernels/Scratch.h"
#include "test/codegen/kernels/KernelHarness.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace mmcc::test;
namespace cpu = mmcc::cpu;

namespace {

class StoredTest : public testing::TestWithParam<Level> {};

/// A float of `bits` with so many of exponent and mantissa; `lastIsNaN`: the
/// largest exponent is of numbers, but for the last code.
struct Type {
  const char *row;
  int bits, exponent, mantissa;
  bool lastIsNaN = false;

  /// What a code stands for, in exact arithmetic.
  double value(unsigned code) const {
    const unsigned top = (1u << exponent) - 1;
    unsigned field = code >> mantissa & top;
    unsigned fraction = code & ((1u << mantissa) - 1);
    const int bias = (1 << (exponent - 1)) - 1;
    double number = field ? std::ldexp(1.0 + std::ldexp(fraction, -mantissa),
                                       int(field) - bias)
                          : std::ldexp(double(fraction), 1 - bias - mantissa);
    if (field == top && !lastIsNaN)
      number = fraction ? NAN : INFINITY;
    if (lastIsNaN && field == top && fraction == (1u << mantissa) - 1)
      number = NAN;
    return code >> (bits - 1) & 1 ? -number : number;
  }
};

const Type kTypes[] = {
    {"gemm_f32_bf16", 16, 8, 7},        {"gemm_bf16_bf16", 16, 8, 7},
    {"gemm_f32_f16", 16, 5, 10},        {"gemm_f16_f16", 16, 5, 10},
    {"gemm_f32_f8e4m3", 8, 4, 3, true}, {"gemm_f32_f8e5m2", 8, 5, 2},
    {"gemm_f8_f8", 8, 4, 3, true}};

struct Shape {
  int64_t B, M, N, K, group, mBlock, nBlock;
};

bool isOfPairs(const Type &type) {
  return std::strcmp(std::strrchr(type.row, '_'), "_bf16") == 0;
}
/// Whether a is of bf16, too.
bool takesBF16(const Type &type) {
  return std::strcmp(type.row, "gemm_bf16_bf16") == 0;
}
/// Or of f16.
bool takesF16(const Type &type) {
  return std::strcmp(type.row, "gemm_f16_f16") == 0;
}
/// Whether a level multiplies the parts of f16 that 16 bits of an f32 hold.
bool splits(const Level &level, const Type &type) {
  return takesF16(type) && cpu::findLevel(level.name)->hasFormOf(type.row);
}
/// Or of f8, with a scale a row. Weights have one a column then.
bool takesF8(const Type &type) {
  return std::strcmp(type.row, "gemm_f8_f8") == 0;
}

/// Codes w[k, n], their panels [ceil(N/16)][K][16], or of bf16
/// [ceil(N/16)][ceil(K/2)][16][2], and scales of f8.
struct Weights {
  Weights(const Type &type, const Shape &s)
      : type(type), shape(s), codes(s.K * s.N),
        rows(isOfPairs(type) ? ceilDivide(s.K, 2) * 2 : s.K),
        packed(ceilDivide(ceilDivide(s.N, 16) * rows * 16 * type.bits, 32)),
        scale(ceilDivide(s.N, 16) * 16 * (s.K / s.group)) {
    std::mt19937 random(uint32_t(s.N * 31 + s.K));
    for (unsigned &code : codes)
      do
        code = random() & ((1u << type.bits) - 1);
      // Within f16's range, so that sums say something.
      while (!(std::fabs(type.value(code)) < 4e4));
    scale.randomise(9);
    pack();
  }

  void pack() {
    std::memset(packed.data(), 0, packed.size() * 4);
    auto *bytes = reinterpret_cast<uint8_t *>(packed.data());
    const int64_t width = type.bits / 8;
    for (int64_t k = 0; k < shape.K; ++k)
      for (int64_t n = 0; n < shape.N; ++n) {
        const int64_t line = n / 16 * rows + k;
        const int64_t at = isOfPairs(type)
                               ? (line / 2 * 16 + n % 16) * 2 + k % 2
                               : line * 16 + n % 16;
        std::memcpy(bytes + at * width, &codes[k * shape.N + n], width);
      }
  }

  double operator()(int64_t k, int64_t n) const {
    double number = type.value(codes[k * shape.N + n]);
    if (type.bits == 16)
      return number;
    return number *
           double(
               scale[(n / 16 * (shape.K / shape.group) + k / shape.group) * 16 +
                     n % 16]);
  }

  Type type;
  Shape shape;
  std::vector<unsigned> codes;
  int64_t rows;
  GuardedFloats packed, scale;
};

/// Rows of a, of f32, bf16, f16 or f8, that end at an inaccessible page.
class Activations {
public:
  Activations(const Type &type, int64_t count)
      : type(type), width(takesF8(type)                       ? 1
                          : takesBF16(type) || takesF16(type) ? 2
                                                              : 4),
        count(count), numbers(ceilDivide(count * width, 4)) {}
  void set(int64_t i, float x) {
    if (width == 4)
      numbers[i] = x;
    else if (width == 2)
      halves()[i] = takesF16(type) ? uint16_t(codeNear(x))
                                   : uint16_t(bitsOf(nearestBF16(x)) >> 16);
    else
      setCode(i, codeNear(x));
  }
  void setCode(int64_t i, unsigned code) { bytes()[i] = uint8_t(code); }
  double operator[](int64_t i) const {
    return width == 4       ? double(numbers[i])
           : width == 1     ? type.value(bytes()[i])
           : takesF16(type) ? type.value(halves()[i])
                            : double(fromBits(uint32_t(halves()[i]) << 16));
  }
  const float *data() const { return reinterpret_cast<const float *>(bytes()); }

private:
  static uint32_t bitsOf(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    return bits;
  }
  static float fromBits(uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
  }
  /// The largest number up to x: which one is of no concern.
  unsigned codeNear(float x) const {
    const unsigned sign = 1u << (type.bits - 1);
    unsigned code = 0;
    for (unsigned bit = sign >> 1; bit; bit >>= 1)
      if (type.value(code | bit) <= std::fabs(double(x)))
        code |= bit;
    return x < 0 ? code | sign : code;
  }
  uint8_t *bytes() const {
    return reinterpret_cast<uint8_t *>(const_cast<float *>(numbers.data())) +
           (numbers.size() * 4 - size_t(count * width));
  }
  uint16_t *halves() const { return reinterpret_cast<uint16_t *>(bytes()); }
  Type type;
  int64_t width, count;
  GuardedFloats numbers;
};

/// Scales of rows of f8, two apart.
struct RowScales {
  explicit RowScales(const Shape &s)
      : batch(s.M * 2 + 1), scales((s.B - 1) * batch + (s.M - 1) * 2 + 1) {
    scales.randomise(4);
  }
  double of(int64_t b, int64_t m) const {
    return double(scales[b * batch + m * 2]);
  }
  int64_t batch;
  GuardedFloats scales;
};

void run(const Level &level, const Weights &w, const Activations &a,
         int64_t aBatch, int64_t aRow, const RowScales &rowScales,
         Results &results) {
  const Shape &s = w.shape;
  std::vector<int64_t> params = {s.B, s.M, s.N, s.K, aBatch, aRow};
  std::vector<const float *> tensors = {a.data(), w.packed.data()};
  if (takesF8(w.type)) {
    params.insert(params.end(), {rowScales.batch, 2});
    tensors.insert(tensors.begin() + 1, rowScales.scales.data());
    tensors.push_back(w.scale.data());
  } else if (w.type.bits == 8) {
    params.push_back(s.group);
    tensors.push_back(w.scale.data());
  }
  params.insert(params.end(), {s.mBlock, s.nBlock});
  int64_t scratch = cpu::gemmNarrowScratchBytes(s.K, s.mBlock);
  if (takesBF16(w.type))
    scratch = std::max(scratch, cpu::gemmRoundedScratchBytes(s.K, s.mBlock));
  if (takesF16(w.type))
    scratch = cpu::gemmSplitScratchBytes(s.K, s.mBlock);
  if (takesF8(w.type))
    scratch = cpu::gemmWidenedScratchBytes(s.K, s.mBlock);
  runKernel(level, w.type.row, params, tensors,
            {ceilDivide(s.N, s.nBlock), ceilDivide(s.M, s.mBlock), s.B},
            scratch, results);
}

void check(const Level &level, const Type &type, Shape s) {
  if (takesF8(type))
    s.group = s.K;
  SCOPED_TRACE(testing::Message()
               << level.name << " " << type.row << " M" << s.M << " N" << s.N
               << " K" << s.K << " group " << s.group);
  Weights w(type, s);
  const int64_t aRow = s.K + 3, aBatch = s.M * aRow + 5;
  const int64_t count = (s.B - 1) * aBatch + (s.M - 1) * aRow + s.K;
  Activations a(type, count);
  std::mt19937 random{uint32_t(s.M)};
  std::uniform_real_distribution<float> any(-1, 1);
  for (int64_t i = 0; i < count; ++i)
    a.set(i, any(random));
  RowScales rowScales(s);
  Results results({s.B}, s.M, s.N);
  run(level, w, a, aBatch, aRow, rowScales, results);
  std::vector<double> expected, tolerance;
  for (int64_t b = 0; b < s.B; ++b)
    for (int64_t m = 0; m < s.M; ++m)
      for (int64_t n = 0; n < s.N; ++n) {
        double sum = 0, total = 0;
        for (int64_t k = 0; k < s.K; ++k) {
          double product = a[b * aBatch + m * aRow + k] * w(k, n);
          if (takesF8(type))
            product *= rowScales.of(b, m);
          sum += product;
          total += std::fabs(product);
        }
        expected.push_back(sum);
        tolerance.push_back(6e-8 * (4 + std::sqrt(double(s.K))) * total +
                            (splits(level, type) ? 0x1p-16 * total : 0) +
                            1e-30);
      }
  expectResults(results, expected, tolerance, "stored");
}

TEST_P(StoredTest, EveryRowCount) {
  for (const Type &type : kTypes)
    for (int64_t M = 1; M <= 31; ++M)
      for (int64_t group : {32, 352})
        check(GetParam(), type, {1, M, 48, 352, group, M, 64});
}

TEST_P(StoredTest, ColumnTails) {
  for (const Type &type : kTypes)
    for (int64_t N : {1, 15, 16, 17, 33, 100, 129, 257})
      for (int64_t M : {1, 3, 9})
        check(GetParam(), type, {1, M, N, 96, 96, M, 64});
}

TEST_P(StoredTest, DepthsAndGroups) {
  for (const Type &type : kTypes)
    for (auto [K, group] : {std::array<int64_t, 2>{32, 32},
                            {512, 128},
                            {768, 768},
                            {1056, 96},
                            {4864, 128},
                            {4864, 4864},
                            {8704, 256}})
      for (int64_t M : {1, 2, 14, 15})
        check(GetParam(), type, {1, M, 40, K, group, M, 32});
}

/// 16 bits have no groups, and any depth.
TEST_P(StoredTest, OddDepths) {
  for (const Type &type : kTypes)
    for (int64_t K : {1, 2, 3, 5, 7, 31, 513})
      for (int64_t M : {1, 2, 4, 5, 20, 40})
        if (type.bits == 16)
          check(GetParam(), type, {1, M, 20, K, K, M, 32});
}

TEST_P(StoredTest, BlocksAndBatches) {
  for (const Type &type : kTypes) {
    check(GetParam(), type, {3, 50, 96, 64, 64, 14, 32});
    check(GetParam(), type, {1, 197, 192, 128, 32, 64, 96});
    check(GetParam(), type, {1, 70, 300, 1024, 64, 70, 320});
  }
}

/// Every code but NaN, each in a column of its own, times one.
TEST_P(StoredTest, EveryCode) {
  for (const Type &type : kTypes)
    for (int64_t M : {1, 6, 20}) {
      SCOPED_TRACE(type.row);
      const int64_t N = int64_t(1) << type.bits, K = 32;
      Weights w(type, {1, M, N, K, K, M, N});
      std::fill(w.codes.begin(), w.codes.end(), 0);
      for (int64_t n = 0; n < N; ++n)
        w.codes[7 * N + n] = unsigned(n);
      w.pack();
      w.scale.fill(1);
      Activations a(type, M * K);
      for (int64_t i = 0; i < M * K; ++i)
        a.set(i, 1);
      RowScales rowScales(w.shape);
      rowScales.scales.fill(1);
      Results results({1}, M, N);
      run(GetParam(), w, a, M * K, K, rowScales, results);
      for (int64_t n = 0; n < N; ++n) {
        double want = type.value(unsigned(n));
        // The instruction takes what is below the normal range for zero.
        if (takesBF16(type) &&
            cpu::findLevel(GetParam().name)->hasFormOf(type.row) &&
            std::fabs(want) < 0x1p-126)
          want = 0;
        if (std::isinf(want) && splits(GetParam(), type) && M >= 16)
          want = NAN;         // kernels.inc
        if (std::isnan(want)) // e4m3's is no number of a weight
          EXPECT_TRUE(type.lastIsNaN || std::isnan(results.values[n]));
        else
          EXPECT_EQ(double(results.values[n]), want) << n;
      }
    }
}

/// Every code of a, each in a row of its own, times one; NaN is one, and stays
/// in its row.
TEST_P(StoredTest, EveryCodeOfRows) {
  for (const Type &type : kTypes) {
    if (!takesF8(type))
      continue;
    for (int64_t mBlock : {4, 12, 256}) {
      const int64_t M = 256, N = 16, K = 64;
      Weights w(type, {1, M, N, K, K, mBlock, 32});
      std::fill(w.codes.begin(), w.codes.end(), 0x38); // 1
      w.pack();
      w.scale.fill(1);
      Activations a(type, M * K);
      for (int64_t m = 0; m < M; ++m)
        a.setCode(m * K + m % K, unsigned(m));
      RowScales rowScales(w.shape);
      rowScales.scales.fill(0.5f);
      Results results({1}, M, N);
      run(GetParam(), w, a, M * K, K, rowScales, results);
      for (int64_t m = 0; m < M; ++m)
        for (int64_t n = 0; n < N; ++n) {
          double want = type.value(unsigned(m)) / 2,
                 got = double(results.values[m * N + n]);
          EXPECT_TRUE(got == want || (std::isnan(got) && std::isnan(want)))
              << "code " << m << ": " << got << ", not " << want;
        }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, StoredTest, testing::ValuesIn(allLevels()),
                         [](const auto &info) {
                           return levelName(info.param);
                         });

} // namespace
