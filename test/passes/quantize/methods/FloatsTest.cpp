// Rounding to floats of 8 and 16 bits, at and around every middle of two.

#include "passes/quantize/methods/Float8.h"
#include "passes/quantize/methods/HalfFloats.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

using namespace mmcc::quantize;

namespace {

/// What a code of an 8-bit float stands for.
float valueOf(unsigned code, int mantissa, int bias) {
  int field = int(code >> mantissa),
      fraction = int(code & ((1u << mantissa) - 1));
  return field ? std::ldexp(float((1 << mantissa) + fraction),
                            field - bias - mantissa)
               : std::ldexp(float(fraction), 1 - bias - mantissa);
}

TEST(Float8, NearestTiesToEven) {
  for (NumberKind kind : {NumberKind::e4m3, NumberKind::e5m2}) {
    const Float8 type = Float8::of(kind);
    EXPECT_EQ(valueOf(type.largest, type.mantissa, type.bias), type.most);
    for (unsigned code = 0; code < type.largest; ++code) {
      const float low = valueOf(code, type.mantissa, type.bias),
                  high = valueOf(code + 1, type.mantissa, type.bias),
                  middle = (low + high) / 2;
      const unsigned even = code + code % 2;
      for (unsigned sign : {0u, 0x80u}) {
        const float by = sign ? -1.0f : 1.0f;
        EXPECT_EQ(type.nearest(by * low), sign | code);
        EXPECT_EQ(type.nearest(by * middle), sign | even) << middle;
        EXPECT_EQ(type.nearest(by * std::nextafter(middle, 0.0f)), sign | code);
        EXPECT_EQ(type.nearest(by * std::nextafter(middle, high)),
                  sign | (code + 1));
      }
    }
  }
}

TEST(Float8, Saturates) {
  for (NumberKind kind : {NumberKind::e4m3, NumberKind::e5m2}) {
    const Float8 type = Float8::of(kind);
    for (float x : {type.most * 1.1f, type.most * 4, 3e38f,
                    std::numeric_limits<float>::infinity()}) {
      EXPECT_EQ(type.nearest(x), type.largest);
      EXPECT_EQ(type.nearest(-x), type.largest | 0x80);
    }
    EXPECT_EQ(type.nearest(1e-40f), 0);
  }
}

uint16_t half(float x, HalfFloat type) {
  uint16_t code;
  roundToHalf(reinterpret_cast<const char *>(&x), 1, type, &code);
  return code;
}

TEST(HalfFloats, NearestTiesToEven) {
  // 1 + 2^-8 and 1 + 3 * 2^-8 lie between two bf16, 1 + 2^-11 between two f16.
  EXPECT_EQ(half(1 + 0x1p-8f, HalfFloat::bf16), 0x3f80);
  EXPECT_EQ(half(1 + 0x1.8p-7f, HalfFloat::bf16), 0x3f82);
  EXPECT_EQ(half(1 + 0x1.01p-8f, HalfFloat::bf16), 0x3f81);
  EXPECT_EQ(half(1 + 0x1p-11f, HalfFloat::f16), 0x3c00);
  EXPECT_EQ(half(1 + 0x1.8p-10f, HalfFloat::f16), 0x3c02);
  EXPECT_EQ(half(-0x1p-24f, HalfFloat::f16), 0x8001);
  EXPECT_EQ(half(0x1p-25f, HalfFloat::f16), 0);
}

std::optional<HalfFloat> choose(std::vector<float> numbers, int64_t in) {
  return chooseHalf({in, int64_t(numbers.size()) / in, numbers});
}

TEST(HalfFloats, ChosenByRangeAndLoss) {
  EXPECT_EQ(choose({0.3f, 0.7f, -1e-3f, 0.0f}, 2), HalfFloat::f16);
  // A tiny number among others is no loss; a column of them is.
  EXPECT_EQ(choose({0.3f, 1.3e-7f}, 2), HalfFloat::f16);
  EXPECT_EQ(choose({0.3f, 0.7f, 2.1e-7f, 1.3e-7f}, 2), HalfFloat::bf16);
  EXPECT_EQ(choose({65504.0f, 1}, 2), HalfFloat::f16);
  EXPECT_EQ(choose({65505.0f, 1}, 2), HalfFloat::bf16);
  EXPECT_EQ(choose({3.4e38f, 1}, 2), std::nullopt);
  EXPECT_EQ(choose({NAN, 1}, 2), std::nullopt);
}

} // namespace
