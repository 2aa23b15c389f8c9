//===- ScalarMathTest.cpp - Elementary functions against long double ------===//

#include "test/codegen/kernels/KernelHarness.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>

using namespace mmcc::test;

namespace {

class ScalarMathTest : public testing::TestWithParam<Level> {
protected:
  template <typename Fn> Fn *function(const char *name) const {
    return reinterpret_cast<Fn *>(GetParam().symbol(name));
  }
};

float floatOf(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}

/// Distance in units of the last place of `exact` rounded to T.
template <typename T> double ulps(T got, long double exact) {
  T rounded = static_cast<T>(exact);
  if (std::isnan(exact) || std::isnan(got))
    return std::isnan(exact) && std::isnan(got) ? 0 : INFINITY;
  if (std::isinf(rounded) || std::isinf(got)) {
    if (rounded == got)
      return 0;
    // Overflow may set in half a place early or late.
    T largest = std::numeric_limits<T>::max();
    return std::fabs(got) == largest || std::fabs(rounded) == largest
               ? 1
               : INFINITY;
  }
  int exponent;
  std::frexp(std::fabs(rounded), &exponent);
  int least = std::numeric_limits<T>::min_exponent;
  long double place = std::ldexp(1.0L, std::max(exponent, least) -
                                           std::numeric_limits<T>::digits);
  return double(std::fabs((static_cast<long double>(got) - exact) / place));
}

long double sigmoid(long double x) { return 1 / (1 + expl(-x)); }

struct Unary {
  const char *name;
  long double (*exact)(long double);
  double maxUlps32, maxUlps64;
  /// Range of |x| swept in f64; f32 is swept over all bit patterns up to here.
  double most;
};

const Unary kUnary[] = {
    {"exp", expl, 2, 2, 800},          {"log", logl, 2, 2, INFINITY},
    {"erf", erfl, 2, 100, 30},         {"tanh", tanhl, 2, 4, 800},
    {"sigmoid", sigmoid, 2.5, 4, 700}, {"sin", sinl, 1, 2, 1e9},
    {"cos", cosl, 1, 2, 1e9},          {"tan", tanl, 1, 4, 1e9},
    {"asin", asinl, 1, 4, 2},          {"acos", acosl, 1, 4, 2},
    {"atan", atanl, 1, 3, INFINITY},   {"sinh", sinhl, 1, 4, 800},
    {"cosh", coshl, 1, 4, 800},        {"asinh", asinhl, 1, 4, INFINITY},
    {"acosh", acoshl, 1, 4, INFINITY}, {"atanh", atanhl, 1, 4, 2},
};

TEST_P(ScalarMathTest, F32OverTheWholeRange) {
  for (const Unary &u : kUnary) {
    auto *f =
        function<float(float)>(("mmk_" + std::string(u.name) + "_f32").c_str());
    ASSERT_NE(f, nullptr);
    double worst = 0;
    float at = 0;
    for (uint64_t bits = 0; bits < (uint64_t(1) << 32); bits += 5003) {
      float x = floatOf(uint32_t(bits));
      if (std::isnan(x) || std::fabs(x) > u.most)
        continue;
      double error = ulps(f(x), u.exact(x));
      if (!(error <= worst)) {
        worst = error;
        at = x;
      }
    }
    // Where models have their values.
    for (int i = -40000; i <= 40000; ++i) {
      float x = float(i) * 0.00051f;
      double error = ulps(f(x), u.exact(x));
      if (!(error <= worst)) {
        worst = error;
        at = x;
      }
    }
    RecordProperty(u.name, std::to_string(worst));
    EXPECT_LE(worst, u.maxUlps32) << u.name << "(" << at << ") = " << f(at)
                                  << ", expected " << double(u.exact(at));
  }
}

TEST_P(ScalarMathTest, F32SpecialValues) {
  const float inf = INFINITY;
  for (const Unary &u : kUnary) {
    auto *f =
        function<float(float)>(("mmk_" + std::string(u.name) + "_f32").c_str());
    auto *g = function<double(double)>(
        ("mmk_" + std::string(u.name) + "_f64").c_str());
    for (float x : {0.0f, -0.0f, inf, -inf, NAN, 1.0f, -1.0f, 1e-45f, -1e-45f,
                    1.17549435e-38f, 3.4028235e38f, -3.4028235e38f, 88.72284f,
                    -103.9f, -104.1f, 89.0f}) {
      bool huge = std::fabs(x) > 1e15f && !std::isinf(x);
      if (huge && strchr("sct", u.name[0]) && u.most == 1e9)
        continue; // beyond the reduction
      long double exact = u.exact(x);
      EXPECT_LE(ulps(f(x), exact), 2) << u.name << "(" << x << ") = " << f(x);
      EXPECT_EQ(std::isnan(g(x)), std::isnan(exact)) << u.name << x;
      EXPECT_LE(ulps(g(x), exact), 8) << u.name << "(" << x << ") = " << g(x);
      if (exact == 0) {
        EXPECT_EQ(std::signbit(f(x)), std::signbit(exact)) << u.name << x;
      }
    }
  }
}

TEST_P(ScalarMathTest, F64) {
  std::mt19937_64 engine(4);
  for (const Unary &u : kUnary) {
    auto *f = function<double(double)>(
        ("mmk_" + std::string(u.name) + "_f64").c_str());
    ASSERT_NE(f, nullptr);
    double worst = 0, at = 0;
    auto look = [&](double x) {
      double error = ulps(f(x), u.exact(x));
      if (!(error <= worst)) {
        worst = error;
        at = x;
      }
    };
    std::uniform_real_distribution<double> exponent(-40, 1);
    double most = std::min(u.most, 1e300);
    for (int i = 0; i < 100000; ++i) {
      double x = most * std::exp2(exponent(engine) * (i % 3));
      x = x > u.most ? u.most : x;
      look(i & 1 ? x : -x);
      look((i - 50000) * 0.00041);
    }
    EXPECT_LE(worst, u.maxUlps64) << u.name << "(" << at << ") = " << f(at)
                                  << ", expected " << double(u.exact(at));
  }
}

TEST_P(ScalarMathTest, Pow) {
  auto *f = function<float(float, float)>("mmk_pow_f32");
  auto *g = function<double(double, double)>("mmk_pow_f64");
  const float values[] = {0.0f,   -0.0f, 1.0f,   -1.0f,       2.0f,
                          -2.0f,  0.5f,  -0.5f,  3.0f,        -3.0f,
                          1e-30f, 1e30f, -1e30f, INFINITY,    -INFINITY,
                          NAN,    2.5f,  -2.5f,  16777217.0f, 1e-45f};
  for (float x : values)
    for (float y : values) {
      long double exact = powl(x, y);
      EXPECT_LE(ulps(f(x, y), exact), 1) << x << " ^ " << y << " = " << f(x, y);
      EXPECT_LE(ulps(g(x, y), exact), 2) << x << " ^ " << y << " = " << g(x, y);
      if (exact == 0) {
        EXPECT_EQ(std::signbit(f(x, y)), std::signbit(exact)) << x << "^" << y;
        EXPECT_EQ(std::signbit(g(x, y)), std::signbit(exact)) << x << "^" << y;
      }
    }
  std::mt19937 engine(1);
  std::uniform_real_distribution<float> base(-6, 6), power(-40, 40);
  for (int i = 0; i < 200000; ++i) {
    float x = std::exp2(base(engine)), y = power(engine);
    ASSERT_LE(ulps(f(x, y), powl(x, y)), 1) << x << " ^ " << y;
    ASSERT_LE(ulps(g(x, y), powl(x, y)), 4) << x << " ^ " << y;
  }
}

TEST_P(ScalarMathTest, Fmod) {
  auto *f = function<float(float, float)>("mmk_fmod_f32");
  auto *g = function<double(double, double)>("mmk_fmod_f64");
  const float values[] = {0.0f,  -0.0f,  1.0f,   -1.0f,    3.0f,      -3.0f,
                          0.1f,  -0.1f,  7.5f,   INFINITY, -INFINITY, NAN,
                          3e38f, 1e-45f, 1e-30f, 5.3e20f,  2.0f};
  std::mt19937 engine(1);
  auto same = [](double got, double wanted) {
    return std::isnan(wanted)
               ? std::isnan(got)
               : got == wanted && std::signbit(got) == std::signbit(wanted);
  };
  auto compare = [&](float x, float y) {
    EXPECT_TRUE(same(f(x, y), std::fmod(x, y)))
        << x << " mod " << y << " = " << f(x, y) << ", not " << std::fmod(x, y);
    EXPECT_TRUE(same(g(x, y), std::fmod(double(x), double(y))))
        << x << " mod " << y << " = " << g(x, y);
  };
  for (float x : values)
    for (float y : values)
      compare(x, y);
  for (int i = 0; i < 100000; ++i)
    compare(floatOf(engine()), floatOf(engine()));
  EXPECT_EQ(g(1.7e308, 5e-324), std::fmod(1.7e308, 5e-324));
  EXPECT_EQ(g(1.7e308, 0.3), std::fmod(1.7e308, 0.3));
}

TEST_P(ScalarMathTest, RoundEven) {
  auto *f = function<float(float)>("mmk_round_even_f32");
  auto *g = function<double(double)>("mmk_round_even_f64");
  for (auto [x, wanted] : {std::pair<float, float>{0.5f, 0.0f},
                           {1.5f, 2.0f},
                           {2.5f, 2.0f},
                           {-0.5f, -0.0f},
                           {-1.5f, -2.0f},
                           {2.4f, 2.0f},
                           {8388609.0f, 8388609.0f}}) {
    EXPECT_EQ(f(x), wanted);
    EXPECT_EQ(g(x), wanted);
  }
}

TEST_P(ScalarMathTest, MemoryFunctions) {
  auto *copy = function<void *(void *, const void *, size_t)>("memcpy");
  auto *move = function<void *(void *, const void *, size_t)>("memmove");
  auto *set = function<void *(void *, int, size_t)>("memset");
  auto *compare = function<int(const void *, const void *, size_t)>("memcmp");
  for (size_t n = 0; n < 200; ++n) {
    std::vector<unsigned char> from(n + 300), to(n + 300, 0xEE), wanted = to;
    for (size_t i = 0; i < from.size(); ++i)
      from[i] = static_cast<unsigned char>(i * 37 + 11);
    EXPECT_EQ(copy(to.data() + 7, from.data() + 3, n), to.data() + 7);
    std::copy_n(from.begin() + 3, n, wanted.begin() + 7);
    ASSERT_EQ(to, wanted) << n;
    EXPECT_EQ(compare(to.data() + 7, from.data() + 3, n), 0);
    if (n > 0) {
      ++to[7 + n - 1];
      int sign = to[7 + n - 1] > from[3 + n - 1] ? 1 : -1;
      EXPECT_EQ(compare(to.data() + 7, from.data() + 3, n), sign);
    }
    for (int shift : {-40, -5, -1, 0, 1, 5, 31, 33, 100}) {
      std::vector<unsigned char> a = from, b = from;
      move(a.data() + 100 + shift, a.data() + 100, n);
      std::memmove(b.data() + 100 + shift, b.data() + 100, n);
      ASSERT_EQ(a, b) << n << " by " << shift;
    }
    wanted = to;
    set(to.data() + 5, 0x1A5, n);
    std::fill_n(wanted.begin() + 5, n, 0xA5);
    ASSERT_EQ(to, wanted) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, ScalarMathTest,
                         testing::ValuesIn(baseLevels()), [](const auto &info) {
                           return levelName(info.param);
                         });

} // namespace
