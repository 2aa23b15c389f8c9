//===- TensorRowsTest.cpp - Rows on a GPU's tensor cores ------------------===//
//
// A row computes the same of the same memory on every target: what a CPU makes
// of random panels (judged by test/codegen/kernels) is what the GPU's form has
// to come to, within the rounding that the row allows.
//
//===----------------------------------------------------------------------===//

#include "codegen/cuda/kernels/Blocking.cuh"
#include "test/codegen/KernelHarness.h"

#include "llvm/ADT/APFloat.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>

namespace mmcc::test {
namespace {

using Bytes = std::vector<uint8_t>;

int64_t roundUp(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

Bytes bytesOf(const std::vector<float> &values) {
  Bytes bytes(values.size() * 4);
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// Random numbers of a float type, one behind the other.
Bytes randomOf(const llvm::fltSemantics &type, size_t count, unsigned seed,
               float least = -1) {
  unsigned width = llvm::APFloat::getSizeInBits(type) / 8;
  Bytes bytes;
  for (float value : randomFloats(count, least, 1, seed)) {
    llvm::APFloat number(value);
    bool loses;
    number.convert(type, llvm::APFloat::rmNearestTiesToEven, &loses);
    uint64_t code = number.bitcastToAPInt().getZExtValue();
    for (unsigned i = 0; i < width; ++i)
      bytes.push_back(uint8_t(code >> 8 * i));
  }
  return bytes;
}

Bytes randomBytes(size_t count, unsigned seed) {
  Bytes bytes;
  for (float value : randomFloats(count, 0, 256, seed))
    bytes.push_back(uint8_t(value));
  return bytes;
}

/// Whole numbers in [0, most).
std::vector<float> randomZeros(size_t count, int most, unsigned seed) {
  std::vector<float> values = randomFloats(count, 0, float(most), seed);
  for (float &value : values)
    value = std::floor(value);
  return values;
}

struct Product {
  std::string row;
  int64_t B, M, N, K;
  int64_t gap = 0;   // of A's rows, beyond K
  int64_t group = 0; // of K; 0: all
  int64_t block = 0; // of A, likewise
  bool zeros = false;
  bool isKnown = true; // M, when it is compiled
  /// The GPU that the shim plays, where they differ.
  std::string architecture = "800";
  bool isPositive = false; // all numbers
  bool hasNaN = false;     // a, in the second row

  std::string name() const {
    return row + " " + std::to_string(B) + "x" + std::to_string(M) + "x" +
           std::to_string(N) + "x" + std::to_string(K) + " gap " +
           std::to_string(gap) + " group " + std::to_string(group) + "/" +
           std::to_string(block) + (zeros ? " zeros" : "") +
           (isKnown ? "" : " unknown rows") + " on " + architecture;
  }
};

const std::map<std::string, std::pair<const char *, const char *>> kTypes = {
    {"gemm_f32", {"f32", "f32"}},
    {"gemm_tf32", {"f32", "f32"}},
    {"gemm_bf16_bf16", {"bf16", "bf16"}},
    {"gemm_f16_f16", {"f16", "f16"}},
    {"gemm_f32_bf16", {"f32", "bf16"}},
    {"gemm_f32_f16", {"f32", "f16"}},
    {"gemm_f32_f8e4m3", {"f32", "f8E4M3FN"}},
    {"gemm_f32_f8e5m2", {"f32", "f8E5M2"}},
    {"gemm_f8_f8", {"f8E4M3FN", "f8E4M3FN"}},
    {"gemm_f32_u4", {"f32", "i8"}},
    {"gemm_f32_i8", {"f32", "i8"}},
    {"gemm_i8_u4", {"i8", "i8"}},
    {"gemm_i8_i8", {"i8", "i8"}},
};

bool isScaled(const std::string &row) {
  return row.find("_f8") != std::string::npos || row.back() == '4' ||
         row.substr(row.size() - 2) == "i8";
}
bool isFloat8(const std::string &row) {
  return row.find("_f8") != std::string::npos;
}
bool isInteger(const std::string &row) { return row.substr(0, 7) == "gemm_i8"; }
bool hasRowScales(const std::string &row) {
  return isInteger(row) || row == "gemm_f8_f8";
}

/// The operands in the row's order, y last.
std::vector<Bytes> operandsOf(const Product &p) {
  const std::string &row = p.row;
  auto [a, w] = kTypes.at(row);
  int64_t panels = (p.N + 15) / 16, aRow = p.K + p.gap;
  int64_t groups = p.K / (p.group ? p.group : p.K);
  int64_t blocks = p.K / (p.block ? p.block : p.K);
  std::vector<Bytes> operands;
  size_t rows = size_t(p.B * p.M * aRow);
  const float least = p.isPositive ? 0.25f : -1;
  if (hasRowScales(row)) {
    operands.push_back(isInteger(row) ? randomBytes(rows, 1)
                                      : randomOf(llvm::APFloat::Float8E4M3FN(),
                                                 rows, 1, least));
    operands.push_back(
        bytesOf(randomFloats(size_t(p.B * p.M * blocks), 0.5, 2, 2)));
  } else if (std::string(a) == "bf16") {
    operands.push_back(randomOf(llvm::APFloat::BFloat(), rows, 1));
  } else if (std::string(a) == "f16") {
    operands.push_back(randomOf(llvm::APFloat::IEEEhalf(), rows, 1));
  } else {
    operands.push_back(bytesOf(randomFloats(rows)));
  }
  size_t numbers = size_t(panels * 16 * p.K);
  if (std::string(w) == "f32")
    operands.push_back(bytesOf(randomFloats(numbers, -1, 1, 3)));
  else if (std::string(w) == "bf16")
    operands.push_back(randomOf(llvm::APFloat::BFloat(),
                                size_t(panels * 16 * roundUp(p.K, 2)), 3));
  else if (std::string(w) == "f16")
    operands.push_back(randomOf(llvm::APFloat::IEEEhalf(), numbers, 3));
  else if (std::string(w) == "f8E4M3FN")
    operands.push_back(
        randomOf(llvm::APFloat::Float8E4M3FN(), numbers, 3, least));
  else if (std::string(w) == "f8E5M2")
    operands.push_back(randomOf(llvm::APFloat::Float8E5M2(), numbers, 3));
  else
    operands.push_back(
        randomBytes(row.back() == '4' ? numbers / 2 : numbers, 3));
  // An odd depth's last row of a pair is zero, as packing leaves it.
  if (std::string(w) == "bf16" && p.K % 2)
    for (int64_t i = 0; i < panels; ++i)
      for (int64_t n = 0; n < 16; ++n)
        std::memset(&operands[1][size_t(
                        (((i + 1) * (p.K + 1) / 2 - 1) * 16 + n) * 4 + 2)],
                    0, 2);
  if (isScaled(row))
    operands.push_back(
        bytesOf(randomFloats(size_t(panels * groups * 16), 0.5, 2, 4)));
  if (isScaled(row) && !isFloat8(row))
    operands.push_back(
        bytesOf(randomZeros(size_t(panels * groups * 16), 16, 5)));
  if (row == "gemm_i8_i8") {
    // What a CPU takes off for flipping signs: sums over each step.
    int64_t step = std::min(p.K / groups, p.K / blocks);
    std::vector<float> sums(size_t(panels * (p.K / step) * 16));
    for (int64_t i = 0; i < panels; ++i)
      for (int64_t k = 0; k < p.K; ++k)
        for (int64_t n = 0; n < 16; ++n)
          sums[size_t((i * (p.K / step) + k / step) * 16 + n)] +=
              float(int8_t(operands[2][size_t(
                  ((i * p.K / 4 + k / 4) * 16 + n) * 4 + k % 4)]));
    operands.push_back(bytesOf(sums));
  }
  if (p.hasNaN)
    operands[0][size_t(aRow + 7)] = 0xff;
  operands.push_back(Bytes(size_t(p.B * p.M * p.N * 4), 0xff));
  return operands;
}

std::string kernelText(const Product &p, int64_t mBlock, int64_t nBlock,
                       size_t operands) {
  auto number = [](int64_t value) { return std::to_string(value); };
  std::string rows = p.isKnown ? number(p.M) : "s0";
  int64_t aRow = p.K + p.gap, blocks = p.K / (p.block ? p.block : p.K);
  std::string batch = p.isKnown ? number(p.M * aRow) : "s0 * " + number(aRow);
  std::string params = number(p.B) + ", " + rows + ", " + number(p.N) + ", " +
                       number(p.K) + ", " + batch + ", " + number(aRow);
  if (hasRowScales(p.row))
    params += ", " +
              (p.isKnown ? number(p.M * blocks) : "s0 * " + number(blocks)) +
              ", " + number(blocks);
  if (isScaled(p.row) && p.row != "gemm_f8_f8")
    params += ", " + number(p.group ? p.group : p.K);
  if (isInteger(p.row))
    params += ", " + number(p.block ? p.block : p.K);
  if (isScaled(p.row) && !isFloat8(p.row))
    params += p.zeros ? ", 1" : ", 0";
  params += ", " + number(mBlock) + ", " + number(nBlock);
  if (p.row == "gemm_i8_i8")
    params += ", 0";
  auto [a, w] = kTypes.at(p.row);
  std::string arguments = "%a: !plan.buffer<" + std::string(a) + ">";
  std::string offsets = "0";
  for (size_t i = 1; i + 1 < operands; ++i) {
    bool isWeight = i == (hasRowScales(p.row) ? 2 : 1);
    arguments += ", %o" + number(int64_t(i)) + ": !plan.buffer<" +
                 (isWeight ? w : "f32") + ">";
    offsets += ", 0";
  }
  return "plan.kernel @k row \"" + p.row + "\" extents affine_map<()[s0] -> (" +
         number(p.B) + ", " + rows + ", " + number(p.N) +
         ")> parallel 3 params affine_map<()[s0] -> (" + params +
         ")> offsets affine_map<()[s0] -> (" + offsets +
         ")> scratch affine_map<() -> (0)> written [" +
         number(int64_t(operands) - 1) + "] {\n^bb0(" + arguments +
         ", %y: !plan.buffer<f32>):\n  plan.block \"post\" {\n"
         "  ^bb0(%b: index, %m: index, %n: index, %v: f32):\n"
         "    plan.store %v, %y[affine_map<(d0, d1, d2)[s0] -> ((d0 * " +
         rows + " + d1) * " + number(p.N) +
         " + d2)>(%b, %m, %n)] : f32, !plan.buffer<f32>\n"
         "    plan.yield\n  }\n}";
}

/// Panels of 16 words, of so many bytes each, as columns, each padded to 16
/// bytes (plan.get_constant).
Bytes inColumns(const Bytes &panels, int64_t lines, int64_t width,
                int64_t word = 4) {
  int64_t pitch = roundUp(lines * word, 16), columns = roundUp(width, 16);
  Bytes result(size_t(columns * pitch));
  for (int64_t n = 0; n < columns; ++n)
    for (int64_t i = 0; i < lines; ++i)
      std::memcpy(&result[size_t(n * pitch + i * word)],
                  &panels[size_t(((n / 16 * lines + i) * 16 + n % 16) * word)],
                  size_t(word));
  return result;
}

std::vector<float> resultOf(const Product &p, const std::string &level) {
  std::vector<Bytes> operands = operandsOf(p);
  const bool isGpu = level == kCuda || level == kHopper;
  if (isGpu && p.row == "gemm_bf16_bf16")
    operands[1] = inColumns(operands[1], (p.K + 1) / 2, p.N);
  if (isGpu && p.row == "gemm_f16_f16")
    operands[1] = inColumns(operands[1], p.K, p.N, 2);
  if (level == kCuda && p.row == "gemm_tf32")
    operands[1] = inColumns(operands[1], p.K, p.N);
  if (isGpu && p.row == "gemm_i8_i8")
    operands[2] = inColumns(operands[2], p.K / 4, p.N);
  if (isGpu && p.row == "gemm_f8_f8")
    operands[2] = inColumns(operands[2], p.K, p.N, 1);
  int64_t mBlock = 32, nBlock = 48, columns = nBlock;
  if (isGpu) {
    cuda::Cell cell =
        cuda::productCell(p.isKnown ? p.M : 0, p.N, p.B, p.row != "gemm_f32");
    mBlock = cell.rows;
    nBlock = columns = cell.columns;
  }
  // One program serves all numbers of rows that it does not know.
  static std::map<std::string, std::unique_ptr<Program>> programs;
  std::string text = kernelText(p, mBlock, nBlock, operands.size());
  std::unique_ptr<Program> &program =
      programs[level + " " + p.architecture + text];
  if (!program) {
    setenv("MMCC_SHIM_ARCHITECTURE", p.architecture.c_str(), 1);
    program = std::make_unique<Program>(text, level);
    unsetenv("MMCC_SHIM_ARCHITECTURE");
    EXPECT_TRUE(program->compiled()) << p.name() << "\n" << program->message;
  }
  std::vector<void *> pointers;
  for (Bytes &bytes : operands)
    pointers.push_back(bytes.data());
  program->run(
      "k", {(p.N + columns - 1) / columns, (p.M + mBlock - 1) / mBlock, p.B},
      pointers, {p.M});
  std::vector<float> y(operands.back().size() / 4);
  std::memcpy(y.data(), operands.back().data(), operands.back().size());
  return y;
}

constexpr double kExact = 0, kTf32 = 0x1p-11, kShortSums = 0x1p-10;

/// `ulp`: what an operand may be rounded by, beside 1.
void expectAlike(const Product &p, double ulp) {
  Product onCpu = p;
  if (p.row == "gemm_tf32")
    onCpu.row = "gemm_f32"; // A CPU has no other.
  std::vector<float> want = resultOf(onCpu, "x86-64-v3");
  double square = 0;
  for (float value : want)
    square += double(value) * value;
  // Errors of operands add up as the products do.
  auto most = [&](double rounding) {
    return (6 * rounding + 4e-6) * std::sqrt(square / double(want.size())) +
           1e-5;
  };
  for (const char *level : {kCuda, kHopper}) {
    std::vector<float> got = resultOf(p, level);
    ASSERT_EQ(want.size(), got.size()) << p.name();
    const bool isShort = level == kHopper && p.row == "gemm_f8_f8";
    for (size_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(got[i], want[i], most(isShort ? kShortSums : ulp))
          << level << " " << p.name() << ", element " << i;
    if (p.row != "gemm_bf16_bf16" && p.row != "gemm_f16_f16" &&
        p.row != "gemm_i8_i8" && p.row != "gemm_f8_f8")
      return; // has no other form there
  }
}

/// Few rows, and tiles of 64 that are full or not.
constexpr int64_t kRows[] = {1, 3, 8, 9, 70, 130};

/// With rows that show at the call, which one program serves.
void expectAlikeForAll(Product p, double ofTiles) {
  p.isKnown = false;
  for (int64_t m : kRows) {
    p.M = m;
    expectAlike(p, m <= cuda::kFewRows ? kExact : ofTiles);
  }
}

TEST(TensorRows, bf16) {
  expectAlikeForAll({"gemm_bf16_bf16", 2, 0, 50, 64}, kExact);
  expectAlikeForAll({"gemm_bf16_bf16", 1, 0, 130, 41, 3}, kExact);
  expectAlikeForAll({"gemm_bf16_bf16", 1, 0, 70, 96, 8}, kExact);
  // Known rows: few, and tiles of 64 by 64, 128 by 64 and 128 by 128.
  expectAlike({"gemm_bf16_bf16", 2, 3, 50, 64}, kExact);
  expectAlike({"gemm_bf16_bf16", 2, 70, 50, 64}, kExact);
  expectAlike({"gemm_bf16_bf16", 54, 129, 64, 32}, kExact);
  expectAlike({"gemm_bf16_bf16", 108, 100, 100, 32}, kExact);
  // Hopper's stages of 64 go round more than once; rows that its copier can
  // bring and, beginning at multiples of 14 bytes, that it cannot.
  expectAlike({"gemm_bf16_bf16", 1, 70, 50, 648}, kExact);
  expectAlike({"gemm_bf16_bf16", 1, 70, 50, 641, 3}, kExact);
  expectAlike({"gemm_bf16_bf16", 54, 129, 64, 264}, kExact);
  expectAlike({"gemm_bf16_bf16", 108, 100, 100, 200}, kExact);
}

TEST(TensorRows, f16) {
  expectAlikeForAll({"gemm_f16_f16", 2, 0, 50, 64}, kExact);
  expectAlikeForAll({"gemm_f16_f16", 1, 0, 130, 41, 3}, kExact);
  expectAlike({"gemm_f16_f16", 54, 129, 64, 264}, kExact);
  expectAlike({"gemm_f16_f16", 108, 100, 100, 200}, kExact);
}

TEST(TensorRows, tf32) {
  // Both operands are rounded.
  expectAlikeForAll({"gemm_tf32", 2, 0, 50, 64}, 2 * kTf32);
  expectAlikeForAll({"gemm_tf32", 1, 0, 70, 41, 3}, 2 * kTf32);
  expectAlike({"gemm_tf32", 1, 130, 130, 64}, 2 * kTf32);
}

TEST(TensorRows, f32ByHalves) {
  for (const char *row : {"gemm_f32_bf16", "gemm_f32_f16"})
    for (int64_t k : {64, 41})
      expectAlikeForAll({row, 2, 0, 50, k, k % 2}, kTf32);
}

TEST(TensorRows, f32ByFloatsOf8Bits) {
  for (const char *row : {"gemm_f32_f8e4m3", "gemm_f32_f8e5m2"})
    for (int64_t group : {0, 32})
      expectAlikeForAll({row, 1, 0, 50, 96, 0, group}, kTf32);
}

TEST(TensorRows, f32ByIntegers) {
  for (const char *row : {"gemm_f32_u4", "gemm_f32_i8"})
    for (bool zeros : {false, true})
      expectAlikeForAll({row, 2, 0, 50, 96, 4, 32, 0, zeros}, kTf32);
  expectAlikeForAll({"gemm_f32_u4", 1, 0, 70, 128, 1, 64, 0, true}, kTf32);
  expectAlike({"gemm_f32_u4", 1, 130, 130, 64, 0, 0, 0, true}, kTf32);
}

TEST(TensorRows, bytes) {
  for (const char *row : {"gemm_i8_u4", "gemm_i8_i8"})
    for (bool zeros : {false, true}) {
      expectAlikeForAll({row, 2, 0, 50, 96, 0, 0, 0, zeros}, kExact);
      expectAlikeForAll({row, 1, 0, 70, 192, 16, 32, 96, zeros}, kExact);
    }
  expectAlike({"gemm_i8_i8", 1, 130, 130, 64, 5, 0, 0, true}, kExact);
  // Hopper's stages of 128 go round, and rows that its copier cannot bring.
  expectAlike({"gemm_i8_i8", 1, 70, 50, 1312}, kExact);
  expectAlike({"gemm_i8_i8", 1, 70, 50, 544, 5}, kExact);
  expectAlike({"gemm_i8_i8", 108, 100, 100, 416}, kExact);
}

// By f16 that shifts make, by the instruction, and by f16 that another makes.
TEST(TensorRows, floatsOf8Bits) {
  for (const char *architecture : {"800", "890", "900"}) {
    double ofTiles = std::string(architecture) == "890" ? kShortSums : kExact;
    Product p{"gemm_f8_f8", 2, 0, 50, 96};
    p.architecture = architecture;
    expectAlikeForAll(p, ofTiles);
    // Rows at any place, and a stage that is half full.
    p = {"gemm_f8_f8", 1, 0, 130, 160, 5};
    p.architecture = architecture;
    expectAlikeForAll(p, ofTiles);
    p = {"gemm_f8_f8", 1, 130, 130, 1056};
    p.architecture = architecture;
    expectAlike(p, ofTiles);
  }
}

// Sums that only grow: where an instruction keeps 14 bits of them, each 128
// numbers are summed apart.
TEST(TensorRows, longSumsOfFloatsOf8Bits) {
  Product p{"gemm_f8_f8", 1, 64, 64, 2048};
  p.architecture = "890";
  p.isPositive = true;
  std::vector<float> want = resultOf(p, "x86-64-v3");
  for (const char *level : {kCuda, kHopper}) {
    std::vector<float> got = resultOf(p, level);
    for (size_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(got[i], want[i], 0.01 * want[i])
          << level << ", element " << i;
  }
}

// NaN in a row, which on sm_80 is a number's neighbour.
TEST(TensorRows, noNumbersOf8Bits) {
  for (const char *architecture : {"800", "890", "900"})
    for (int64_t rows : {3, 70}) {
      Product p{"gemm_f8_f8", 1, rows, 20, 64};
      p.architecture = architecture;
      p.hasNaN = true;
      std::vector<float> want = resultOf(p, "x86-64-v3"),
                         got = resultOf(p, kCuda);
      for (size_t i = 0; i < want.size(); ++i)
        EXPECT_EQ(std::isnan(got[i]), std::isnan(want[i])) << p.name();
      EXPECT_TRUE(std::isnan(got[20]) && !std::isnan(got[0]));
    }
}

TEST(TensorRows, f32) {
  expectAlikeForAll({"gemm_f32", 2, 0, 150, 41, 2}, kExact);
  expectAlike({"gemm_f32", 2, 3, 50, 41, 2}, kExact);
}

} // namespace
} // namespace mmcc::test
