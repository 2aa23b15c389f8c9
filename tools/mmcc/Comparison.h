//===- Comparison.h - Whether two tensors are equal -------------*- C++ -*-===//

#ifndef MMCC_TOOLS_MMCC_COMPARISON_H
#define MMCC_TOOLS_MMCC_COMPARISON_H

#include "mmcc/runtime.hpp"
#include <string>

namespace mmcc {

struct Tolerance {
  double relative = 1e-3;
  double absolute = 1e-4;
};

struct Comparison {
  bool equal = true;
  /// Of the element that is furthest off, as |actual - expected|; infinite
  /// where only one of the two is NaN or infinite.
  double worst = 0;
  /// What differs: shape or type, or the worst element.
  std::string detail;
};

/// |actual - expected| <= absolute + relative * |expected| for each element of
/// a float tensor; NaN equals NaN. Other types must be the same.
Comparison compare(const Tensor &actual, const Tensor &expected,
                   Tolerance tolerance = {});

} // namespace mmcc

#endif // MMCC_TOOLS_MMCC_COMPARISON_H
