//===- NarrowWeight.h - A weight in few bits --------------------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_METHODS_NARROWWEIGHT_H
#define MMCC_PASSES_QUANTIZE_METHODS_NARROWWEIGHT_H

#include "passes/quantize/methods/Float8.h"
#include "passes/quantize/methods/WeightMatrix.h"

namespace mmcc::quantize {

/// How a weight is written.
struct WeightFormat {
  unsigned bits = 4; // 3, 4 or 8
  /// Numbers of a column that share a scale; divides the column.
  int64_t group = 128;
  /// Numbers in [0, 2^bits) with a zero a group; else in [-max, max] with
  /// max = 2^(bits-1) - 1.
  bool asymmetric = false;
  /// Numbers 2i and 2i + 1 of a column add up to at most 128 in magnitude, so
  /// that 8-bit products of integers do not saturate (GemmInt8.cpp). It costs
  /// about 0.4 bits of range: the largest sum of two is seldom far above the
  /// largest number.
  bool limited = false;
  /// Floats (Float8.h) have 8 bits, no zero and no limit; a number is a code.
  NumberKind kind = NumberKind::integer;
  /// One scale for all of the weight, which each column then has; groups are
  /// columns.
  bool wholeTensor = false;

  bool isFloat() const { return kind != NumberKind::integer; }
  int low() const { return asymmetric ? 0 : -high(); }
  int high() const {
    return asymmetric ? (1 << bits) - 1 : (1 << (bits - 1)) - 1;
  }
};

/// Scale and zero of one group: w is about (number - zero) * scale, or the
/// float of that code times scale.
struct GroupScale {
  float scale = 1;
  int zero = 0;

  /// The number for w, ties to even, clamped to the format's range. `Real`:
  /// the precision of w / scale.
  template <typename Real>
  int numberOf(Real w, const WeightFormat &format) const {
    if (format.isFloat())
      return int8_t(Float8::of(format.kind).nearest(float(w / Real(scale))));
    Real number = std::nearbyint(w / Real(scale)) + Real(zero);
    // NaN compares false: it becomes the lowest number.
    return int(
        std::max(Real(format.low()), std::min(Real(format.high()), number)));
  }
  /// What a number means, in the same precision.
  template <typename Real>
  Real valueOf(int number, const WeightFormat &format) const {
    Real steps = format.isFloat()
                     ? Real(Float8::of(format.kind).valueOf(uint8_t(number)))
                     : Real(number - zero);
    return steps * Real(scale);
  }
};

/// A weight [in, out] in a format.
struct NarrowWeight {
  WeightFormat format;
  int64_t in = 0, out = 0;
  std::vector<int8_t> numbers;    // [in, out]
  std::vector<GroupScale> scales; // [in / group, out]

  NarrowWeight(const WeightFormat &format, int64_t in, int64_t out);
  int64_t groups() const { return in / format.group; }
  int8_t &number(int64_t k, int64_t n) { return numbers[k * out + n]; }
  GroupScale &scale(int64_t g, int64_t n) { return scales[g * out + n]; }
};

/// Makes numbers whose pairs exceed the limit smaller, of each pair the one
/// that is rounded further up.
void limitPairs(NarrowWeight &narrow, const WeightMatrix &weight);

/// The longest column: 2^16 products of unsigned by signed bytes add up to what
/// 32 bits hold.
constexpr int64_t kMostDepth = int64_t(1) << 16;

/// The largest of group, group / 2, ... that divides `in` and is a multiple of
/// 32, else 32; `in` itself for group 0; 0 if 32 does not divide `in`, or it is
/// above kMostDepth.
int64_t fitGroup(int64_t group, int64_t in);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_METHODS_NARROWWEIGHT_H
