//===- Comparison.h - Whether two tensors are equal -------------*- C++ -*-===//

#ifndef MMCC_TOOLS_MMCC_COMPARISON_H
#define MMCC_TOOLS_MMCC_COMPARISON_H

#include "mmcc/runtime.hpp"
#include <cmath>
#include <optional>
#include <string>

namespace mmcc {

struct Tolerance {
  double relative = 1e-3;
  double absolute = 1e-4;
  /// If it is there it counts instead: the least signal to noise, in decibels,
  /// of a whole tensor. For artifacts whose numbers are narrow.
  std::optional<double> sqnr;
};

struct Comparison {
  bool equal = true;
  /// Of the element that is furthest off, as |actual - expected|; infinite
  /// where only one of the two is NaN or infinite.
  double worst = 0;
  /// 10 log10(sum of expected^2 / sum of (actual - expected)^2); infinite if
  /// they are equal, and minus infinity where only one is a number.
  double sqnr = HUGE_VAL;
  /// What differs: shape or type, or the worst element.
  std::string detail;
};

/// |actual - expected| <= absolute + relative * |expected| for each element of
/// a float tensor; NaN equals NaN. Other types must be the same.
Comparison compare(const Tensor &actual, const Tensor &expected,
                   Tolerance tolerance = {});

} // namespace mmcc

#endif // MMCC_TOOLS_MMCC_COMPARISON_H
