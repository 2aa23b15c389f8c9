#include "runtime/executor/StateRows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace mmcc::runtime {

using schema::DType;

static uint32_t bitsOfFloat(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}

/// The fields of a small float with `mantissa` bits and the exponent's bias
/// `bias`, without its sign; ties go to even. What is too large becomes the
/// next exponent's first number.
static uint32_t narrowed(float magnitude, int mantissa, int bias) {
  int exponent;
  std::frexp(magnitude, &exponent); // magnitude = [0.5, 1) * 2^exponent
  // The unit in the last place, of subnormals at the least.
  int unit = std::max(exponent - 1, 1 - bias) - mantissa;
  auto units = uint32_t(std::nearbyint(std::ldexp(magnitude, -unit)));
  uint32_t first = uint32_t(1) << mantissa; // of normal numbers
  int field = unit + mantissa + bias;       // their exponent field
  return units < first ? units : units + (uint32_t(field - 1) << mantissa);
}

static uint16_t halfOf(float x) {
  uint16_t sign = uint16_t(bitsOfFloat(x) >> 16 & 0x8000);
  float magnitude = std::fabs(x);
  if (std::isnan(x))
    return sign | 0x7e00;
  if (!(magnitude < 65520.0f))
    return sign | 0x7c00;
  return uint16_t(sign | narrowed(magnitude, 10, 15));
}

static float fromHalf(uint16_t bits) {
  int exponent = bits >> 10 & 0x1f;
  float mantissa = float(bits & 0x3ff);
  float magnitude;
  if (exponent == 31)
    magnitude = mantissa == 0 ? INFINITY : NAN;
  else if (exponent == 0)
    magnitude = std::ldexp(mantissa, -24);
  else
    magnitude = std::ldexp(mantissa + 1024.0f, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

/// The largest magnitude of f8e4m3fn.
constexpr float kLargestF8 = 448.0f;

int64_t stateElementBytes(DType dtype) {
  switch (dtype) {
  case DType::f32:
    return 4;
  case DType::f16:
    return 2;
  case DType::i8:
  case DType::f8e4m3fn:
    return 1;
  default:
    return 0;
  }
}

void storeStateRow(DType dtype, uint8_t *to, float *scale, const float *from,
                   int64_t count) {
  if (dtype == DType::f32) {
    std::memcpy(to, from, size_t(count) * 4);
    return;
  }
  // NaN if there is one: a scale of NaN tells of it.
  float largest = 0;
  for (int64_t e = 0; e < count; ++e)
    if (float magnitude = std::fabs(from[e]);
        magnitude > largest || std::isnan(magnitude))
      largest = magnitude;
  float reach = dtype == DType::i8 ? 127.0f : kLargestF8;
  float by = 1.0f;
  if (scale) {
    *scale = largest / reach * (dtype == DType::i8 ? 1.0f : 256.0f);
    by = largest > 0 ? reach / largest : 0.0f;
  }
  for (int64_t e = 0; e < count; ++e) {
    float x = from[e] * by;
    if (dtype == DType::f16) {
      uint16_t half = halfOf(x);
      std::memcpy(to + e * 2, &half, 2);
    } else if (dtype == DType::i8) {
      float whole = std::nearbyint(std::min(std::max(x, -127.0f), 127.0f));
      to[e] = uint8_t(int8_t(std::isnan(whole) ? 0.0f : whole));
    } else {
      float magnitude = std::min(std::fabs(x), kLargestF8);
      uint8_t sign = uint8_t(bitsOfFloat(x) >> 24 & 0x80);
      to[e] = uint8_t(sign | narrowed(magnitude, 3, 7));
    }
  }
}

void loadStateRow(DType dtype, float *to, const float *scale,
                  const uint8_t *from, int64_t count) {
  if (dtype == DType::f32) {
    std::memcpy(to, from, size_t(count) * 4);
    return;
  }
  float by = scale ? *scale : 1.0f;
  for (int64_t e = 0; e < count; ++e) {
    if (dtype == DType::f16) {
      uint16_t half;
      std::memcpy(&half, from + e * 2, 2);
      to[e] = fromHalf(half) * by;
    } else if (dtype == DType::i8) {
      to[e] = float(int8_t(from[e])) * by;
    } else {
      auto half = uint16_t((from[e] & 0x7f) << 7 | (from[e] & 0x80) << 8);
      to[e] = fromHalf(half) * by;
    }
  }
}

} // namespace mmcc::runtime
