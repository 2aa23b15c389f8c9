// What 16 bits do to a layer's outputs, against the definition: numbers rounded
// one by one, and sums in double precision.

#include "passes/quantize/methods/LayerError.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace mmcc::quantize;

namespace {

/// x with so many significant bits; ties to even.
double withBits(double x, int bits) {
  int exponent;
  double fraction = std::frexp(x, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(fraction, bits)),
                    exponent - bits);
}

TEST(LayerError, is_that_of_numbers_in_16_bits) {
  constexpr int64_t rows = 5, in = 96, out = 300; // more than a piece
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  WeightMatrix weight{in, out, {}};
  for (int64_t i = 0; i < in * out; ++i)
    weight.numbers.push_back(normal(random));
  InputStatistics seen;
  seen.most.resize(in);
  for (int64_t i = 0; i < rows * in; ++i)
    seen.sample.push_back(normal(random));
  for (HalfFloat type : {HalfFloat::bf16, HalfFloat::f16}) {
    const int bits = type == HalfFloat::bf16 ? 8 : 11;
    LayerError exact;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t n = 0; n < out; ++n) {
        double y = 0, other = 0;
        for (int64_t k = 0; k < in; ++k) {
          double x = seen.sample[r * in + k], w = weight.column(n)[k];
          y += x * w;
          // Beside f16 inputs stay.
          other += (type == HalfFloat::bf16 ? withBits(x, bits) : x) *
                   withBits(w, bits);
        }
        exact.signal += y * y;
        exact.noise += (other - y) * (other - y);
        exact.dot += y * other;
      }
    LayerError got = errorOf({&weight}, type, seen);
    EXPECT_NEAR(got.signal, exact.signal, 1e-5 * exact.signal);
    EXPECT_NEAR(got.noise, exact.noise, 1e-2 * exact.noise);
    EXPECT_NEAR(got.dot, exact.dot, 1e-5 * exact.dot);
  }
}

} // namespace
