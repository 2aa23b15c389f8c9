//===- CastTest.cpp - Element types and integer corner cases --------------===//
//
// Expected bits of small floats are worked out by hand in the comments.
//
//===----------------------------------------------------------------------===//

#include "test/codegen/KernelHarness.h"

#include <climits>
#include <cmath>
#include <cstring>

namespace mmcc::test {
namespace {

using Cast = EachLevel;

/// y[i] = op(x[i]) over s0 elements.
std::string elementwise(const std::string &name, const std::string &from,
                        const std::string &to, const std::string &body) {
  return "plan.kernel @" + name + R"( row "loops"
      extents affine_map<()[s0] -> (s0)> parallel 1
      params affine_map<()[s0] -> (1, s0)> offsets affine_map<() -> ()>
      scratch affine_map<() -> (0)> written [1] {
    ^bb0(%x: !plan.buffer<)" +
         from + ">, %y: !plan.buffer<" + to + R"(>):
      plan.block "map" {
      ^bb0(%i: index):
        %v = plan.load %x[affine_map<(d0) -> (d0)>(%i)] : !plan.buffer<)" +
         from + "> -> " + from + "\n" + body + R"(
        plan.store %w, %y[affine_map<(d0) -> (d0)>(%i)] : )" +
         to + ", !plan.buffer<" + to + R"(>
        plan.yield
      }
    }
    )";
}

template <typename To, typename From>
std::vector<To> apply(Program &program, const char *name,
                      std::vector<From> values) {
  // Long enough for whole vectors and for a masked tail.
  size_t count = values.size();
  while (values.size() < 37)
    values.push_back(values[values.size() % count]);
  std::vector<To> results(values.size());
  program.run(name, {1, 1, 1}, {values.data(), results.data()},
              {int64_t(values.size())});
  for (size_t i = count; i < values.size(); ++i)
    EXPECT_EQ(std::memcmp(&results[i], &results[i % count], sizeof(To)), 0)
        << name << ": lane " << i << " differs";
  results.resize(count);
  return results;
}

TEST_P(Cast, halfAndBFloat) {
  Program program(
      elementwise("toHalf", "f32", "f16", "%w = arith.truncf %v : f32 to f16") +
          elementwise("fromHalf", "f16", "f32",
                      "%w = arith.extf %v : f16 to f32") +
          elementwise("toBF", "f32", "bf16",
                      "%w = arith.truncf %v : f32 to bf16") +
          elementwise("fromBF", "bf16", "f32",
                      "%w = arith.extf %v : bf16 to f32") +
          elementwise("doubleToHalf", "f64", "f16",
                      "%w = arith.truncf %v : f64 to f16") +
          elementwise("expHalf", "f16", "f16", "%w = math.exp %v : f16"),
      GetParam());
  // 1 + 2^-11 lies between two f16 and goes to the even one; 65520 is the first
  // number that rounds to infinity.
  EXPECT_EQ((apply<uint16_t, float>(program, "toHalf",
                                    {1.0f, 1 + 0x1p-11f, 1 + 0x3p-11f, 65519.f,
                                     65520.f, -0.0f, 0x1p-24f, 0x1p-25f})),
            (std::vector<uint16_t>{0x3c00, 0x3c00, 0x3c02, 0x7bff, 0x7c00,
                                   0x8000, 0x0001, 0x0000}));
  EXPECT_EQ((apply<float, uint16_t>(program, "fromHalf",
                                    {0x3c00, 0xc000, 0x0001, 0x7c00, 0x7bff})),
            (std::vector<float>{1, -2, 0x1p-24f, INFINITY, 65504}));
  // 1 + 2^-8 is halfway between 0x3f80 and 0x3f81, 1 + 3 * 2^-8 between 0x3f81
  // and 0x3f82: both to even.
  EXPECT_EQ((apply<uint16_t, float>(
                program, "toBF",
                {1.0f, 1 + 0x1p-8f, 1 + 0x3p-8f, -INFINITY, 3.4e38f})),
            (std::vector<uint16_t>{0x3f80, 0x3f80, 0x3f82, 0xff80, 0x7f80}));
  float nan;
  uint32_t nanBits = 0x7f800001; // Would round to infinity.
  std::memcpy(&nan, &nanBits, 4);
  EXPECT_EQ((apply<uint16_t, float>(program, "toBF", {nan}))[0] & 0x7fff,
            0x7fc0);
  EXPECT_EQ((apply<float, uint16_t>(program, "fromBF", {0x3f80, 0xc040})),
            (std::vector<float>{1, -3}));
  EXPECT_EQ((apply<uint16_t, double>(program, "doubleToHalf", {0.5, 1e300})),
            (std::vector<uint16_t>{0x3800, 0x7c00}));
  // exp(1) = 2.71828 -> 2.71875 = 0x4170; exp(0) = 1.
  EXPECT_EQ((apply<uint16_t, uint16_t>(program, "expHalf", {0x3c00, 0})),
            (std::vector<uint16_t>{0x4170, 0x3c00}));
}

// Rounding and conversion are one instruction; what is out of range gives the
// most negative number of 32 bits, of which the low ones are 0.
TEST_P(Cast, roundedToIntegers) {
  auto body = [](const std::string &type) {
    return "%r = math.roundeven %v : f32\n%w = arith.fptosi %r : f32 to " +
           type;
  };
  Program program(
      elementwise("i32", "f32", "i32", body("i32")) +
          elementwise("i8", "f32", "i8", body("i8")) +
          elementwise("i64", "f32", "i64", body("i64")) +
          elementwise("cut", "f32", "i32", "%w = arith.fptosi %v : f32 to i32"),
      GetParam());
  const std::vector<float> values = {
      0.5f,   1.5f,          2.5f,        -0.5f,         -1.5f,         -2.5f,
      126.5f, -127.5f,       0.49999997f, 8388607.5f,    2147483520.0f, -0.0f,
      3e9f,   2147483648.0f, -INFINITY,   -2147483648.0f};
  EXPECT_EQ((apply<int32_t>(program, "i32", values)),
            (std::vector<int32_t>{0, 2, 2, 0, -2, -2, 126, -128, 0, 8388608,
                                  2147483520, 0, INT_MIN, INT_MIN, INT_MIN,
                                  INT_MIN}));
  EXPECT_EQ((apply<int8_t>(program, "i8", values)),
            (std::vector<int8_t>{0, 2, 2, 0, -2, -2, 126, -128, 0, 0, -128, 0,
                                 0, 0, 0, 0}));
  EXPECT_EQ((apply<int64_t, float>(program, "i64", {2.5f, -3.5f, 0x1p40f})),
            (std::vector<int64_t>{2, -4, int64_t(1) << 40}));
  EXPECT_EQ((apply<int32_t>(program, "cut", values)),
            (std::vector<int32_t>{0, 1, 2, 0, -1, -2, 126, -127, 0, 8388607,
                                  2147483520, 0, INT_MIN, INT_MIN, INT_MIN,
                                  INT_MIN}));
  for (const char *name : {"i32", "cut"})
    EXPECT_EQ((apply<int32_t, float>(program, name, {NAN, 1.0f})),
              (std::vector<int32_t>{INT_MIN, 1}));
}

TEST_P(Cast, float8) {
  Program program(elementwise("to43", "f32", "f8E4M3FN",
                              "%w = arith.truncf %v : f32 to f8E4M3FN") +
                      elementwise("from43", "f8E4M3FN", "f32",
                                  "%w = arith.extf %v : f8E4M3FN to f32") +
                      elementwise("to52", "f32", "f8E5M2",
                                  "%w = arith.truncf %v : f32 to f8E5M2") +
                      elementwise("from52", "f8E5M2", "f32",
                                  "%w = arith.extf %v : f8E5M2 to f32") +
                      elementwise("to43z", "f32", "f8E4M3FNUZ",
                                  "%w = arith.truncf %v : f32 to f8E4M3FNUZ") +
                      elementwise("from43z", "f8E4M3FNUZ", "f32",
                                  "%w = arith.extf %v : f8E4M3FNUZ to f32"),
                  GetParam());
  // E4M3FN: 1 = 0 0111 000; 1.0625 is halfway to 1.125 (0x39), even is 0x38;
  // 448 is the largest and what is larger saturates; 2^-9 is the smallest.
  EXPECT_EQ((apply<uint8_t, float>(program, "to43",
                                   {1.0f, 1.0625f, 1.1875f, 448, 1000, -1e9f,
                                    0x1p-9f, 0x1p-10f, 0x3p-10f, -0.0f, NAN})),
            (std::vector<uint8_t>{0x38, 0x38, 0x3a, 0x7e, 0x7e, 0xfe, 0x01,
                                  0x00, 0x02, 0x80, 0x7f}));
  auto from43 = apply<float, uint8_t>(
      program, "from43", {0x38, 0x7e, 0x01, 0x07, 0x08, 0xb8, 0x7f});
  EXPECT_EQ(std::vector<float>(from43.begin(), from43.end() - 1),
            (std::vector<float>{1, 448, 0x1p-9f, 0x7p-9f, 0x1p-6f, -1}));
  EXPECT_TRUE(std::isnan(from43.back()));
  // E5M2: 1 = 0 01111 00; largest 57344 = 0x7b; infinity 0x7c.
  EXPECT_EQ((apply<uint8_t, float>(program, "to52",
                                   {1.0f, 57344, 1e9f, 0x1p-16f, -2.0f, NAN})),
            (std::vector<uint8_t>{0x3c, 0x7b, 0x7b, 0x01, 0xc0, 0x7e}));
  EXPECT_EQ(
      (apply<float, uint8_t>(program, "from52",
                             {0x3c, 0x7b, 0x7c, 0xfc, 0x01, 0x04})),
      (std::vector<float>{1, 57344, INFINITY, -INFINITY, 0x1p-16f, 0x1p-14f}));
  // E4M3FNUZ: bias 8, so 1 = 0 1000 000; largest 240; no negative zero.
  EXPECT_EQ((apply<uint8_t, float>(program, "to43z",
                                   {1.0f, 240, 1e9f, -0.0f, NAN, -1.0f})),
            (std::vector<uint8_t>{0x40, 0x7f, 0x7f, 0x00, 0x80, 0xc0}));
  auto from43z =
      apply<float, uint8_t>(program, "from43z", {0x40, 0x7f, 0x01, 0x80});
  EXPECT_EQ(std::vector<float>(from43z.begin(), from43z.end() - 1),
            (std::vector<float>{1, 240, 0x1p-10f}));
  EXPECT_TRUE(std::isnan(from43z.back()));
}

TEST_P(Cast, floatToInteger) {
  Program program(
      elementwise("i32", "f32", "i32", "%w = arith.fptosi %v : f32 to i32") +
          elementwise("i8", "f32", "i8", "%w = arith.fptosi %v : f32 to i8") +
          elementwise("u8", "f32", "i8", "%w = arith.fptoui %v : f32 to i8") +
          elementwise("i64", "f64", "i64",
                      "%w = arith.fptosi %v : f64 to i64") +
          elementwise("u64", "f64", "i64",
                      "%w = arith.fptoui %v : f64 to i64") +
          elementwise("back", "i64", "f32",
                      "%w = arith.sitofp %v : i64 to f32") +
          elementwise("unsigned", "i8", "f32",
                      "%w = arith.uitofp %v : i8 to f32"),
      GetParam());
  EXPECT_EQ((apply<int32_t, float>(program, "i32",
                                   {1.9f, -1.9f, 3e9f, -3e9f, NAN, -0x1p31f})),
            (std::vector<int32_t>{1, -1, INT_MIN, INT_MIN, INT_MIN, INT_MIN}));
  // 300 = 0x12c keeps its low byte; out of 32 bits the low byte is zero.
  EXPECT_EQ((apply<int8_t, float>(program, "i8", {-3.7f, 300, 200, 1e20f})),
            (std::vector<int8_t>{-3, 0x2c, -56, 0}));
  EXPECT_EQ((apply<uint8_t, float>(program, "u8", {255.9f, 256, -1})),
            (std::vector<uint8_t>{255, 0, 255}));
  EXPECT_EQ((apply<int64_t, double>(program, "i64", {-1e15, 1e30, NAN})),
            (std::vector<int64_t>{-1000000000000000, INT64_MIN, INT64_MIN}));
  EXPECT_EQ((apply<uint64_t, double>(program, "u64", {1e19, 5.5})),
            (std::vector<uint64_t>{10000000000000000000u, 5}));
  EXPECT_EQ((apply<float, int64_t>(program, "back", {-5, int64_t(1) << 40})),
            (std::vector<float>{-5, 0x1p40f}));
  EXPECT_EQ((apply<float, uint8_t>(program, "unsigned", {0, 128, 255})),
            (std::vector<float>{0, 128, 255}));
}

TEST_P(Cast, integersDoNotTrap) {
  auto divideBy = [](const char *op, int value) {
    return "%c = arith.constant " + std::to_string(value) +
           " : i32\n %o = arith.constant 3 : i32\n %s = arith.subi %v, %v : "
           "i32\n"
           " %t = arith.addi %s, %c : i32\n %w = arith." +
           op + " %v, %t : i32";
  };
  Program program(
      elementwise("divZero", "i32", "i32", divideBy("divsi", 0)) +
          elementwise("divMinus", "i32", "i32", divideBy("divsi", -1)) +
          elementwise("remMinus", "i32", "i32", divideBy("remsi", -1)) +
          elementwise("floor", "i32", "i32", divideBy("floordivsi", 3)) +
          elementwise("ceil", "i32", "i32", divideBy("ceildivsi", 3)) +
          elementwise("shift", "i32", "i32", divideBy("shli", 32)) +
          elementwise("power", "i32", "i32",
                      "%three = arith.constant 3 : i32\n"
                      "%w = math.ipowi %v, %three : i32"),
      GetParam());
  std::vector<int32_t> values = {7, -7, INT_MIN, 0, 6};
  auto run = [&](const char *name) {
    return apply<int32_t, int32_t>(program, name, values);
  };
  EXPECT_EQ(run("divZero"), (std::vector<int32_t>{0, 0, 0, 0, 0}));
  EXPECT_EQ(run("divMinus"), (std::vector<int32_t>{-7, 7, INT_MIN, 0, -6}));
  EXPECT_EQ(run("remMinus"), (std::vector<int32_t>{0, 0, 0, 0, 0}));
  EXPECT_EQ(run("floor"), (std::vector<int32_t>{2, -3, -715827883, 0, 2}));
  EXPECT_EQ(run("ceil"), (std::vector<int32_t>{3, -2, -715827882, 0, 2}));
  EXPECT_EQ(run("shift"), (std::vector<int32_t>{0, 0, 0, 0, 0}));
  // (-2^31)^3 modulo 2^32 is 0.
  EXPECT_EQ(run("power"), (std::vector<int32_t>{343, -343, 0, 0, 216}));
}

// Bits 0 to 13 of y: whether x compares to 1 in each of the ways.
TEST_P(Cast, comparisons) {
  const char *names[] = {"oeq", "ogt", "oge", "olt", "ole", "one", "ord",
                         "ueq", "ugt", "uge", "ult", "ule", "une", "uno"};
  std::string body = "%one = arith.constant 1.0 : f32\n"
                     "%w0 = arith.constant 0 : i32\n";
  for (int i = 0; i < 14; ++i) {
    std::string n = std::to_string(i),
                to = i == 13 ? "%w" : "%w" + std::to_string(i + 1);
    body += "%c" + n + " = arith.cmpf " + names[i] + ", %v, %one : f32\n" +
            "%z" + n + " = arith.extui %c" + n + " : i1 to i32\n" + "%b" + n +
            " = arith.constant " + std::to_string(1 << i) + " : i32\n" + "%m" +
            n + " = arith.muli %z" + n + ", %b" + n + " : i32\n" + to +
            " = arith.addi %w" + n + ", %m" + n + " : i32\n";
  }
  Program program(elementwise("k", "f32", "i32", body), GetParam());
  auto want = [](double x) {
    bool nan = x != x;
    bool ways[] = {x == 1,        x > 1,
                   x >= 1,        x < 1,
                   x <= 1,        !nan && x != 1,
                   !nan,          nan || x == 1,
                   nan || x > 1,  nan || x >= 1,
                   nan || x < 1,  nan || x <= 1,
                   nan || x != 1, nan};
    int32_t bits = 0;
    for (int i = 0; i < 14; ++i)
      bits |= ways[i] << i;
    return bits;
  };
  EXPECT_EQ((apply<int32_t, float>(program, "k", {0, 1, 2, NAN})),
            (std::vector<int32_t>{want(0), want(1), want(2), want(NAN)}));
}

TEST_P(Cast, elementaryFunctions) {
  struct Case {
    const char *name;
    double (*function)(double);
    float low, high;
  };
  const Case cases[] = {{"exp", std::exp, -10, 10},
                        {"log", std::log, 0.01f, 50},
                        {"erf", std::erf, -4, 4},
                        {"tanh", std::tanh, -5, 5},
                        {"sin", std::sin, -30, 30},
                        {"cos", std::cos, -30, 30},
                        {"tan", std::tan, -1.5, 1.5},
                        {"asin", std::asin, -1, 1},
                        {"acos", std::acos, -1, 1},
                        {"atan", std::atan, -9, 9},
                        {"sinh", std::sinh, -5, 5},
                        {"cosh", std::cosh, -5, 5},
                        {"asinh", std::asinh, -9, 9},
                        {"acosh", std::acosh, 1, 9},
                        {"sqrt", std::sqrt, 0, 9},
                        {"log2", std::log2, 0.1f, 50},
                        {"exp2", std::exp2, -9, 9},
                        {"log1p", std::log1p, -0.5f, 5},
                        {"floor", std::floor, -9, 9},
                        {"ceil", std::ceil, -9, 9},
                        {"round", std::round, -9, 9},
                        {"trunc", std::trunc, -9, 9},
                        {"roundeven", std::nearbyint, -9, 9}};
  std::string text;
  for (const Case &each : cases)
    text += elementwise(each.name, "f32", "f32",
                        std::string("%w = math.") + each.name + " %v : f32");
  Program program(text, GetParam());
  for (const Case &each : cases) {
    auto x = randomFloats(300, each.low, each.high);
    std::vector<float> y(300);
    std::vector<double> want;
    for (float v : x)
      want.push_back(each.function(v));
    program.run(each.name, {1, 1, 1}, {x.data(), y.data()}, {300});
    SCOPED_TRACE(each.name);
    expectClose(y, want, 1e-6, 1e-6);
  }
}

MMCC_AT_EACH_LEVEL(Cast);

} // namespace
} // namespace mmcc::test
