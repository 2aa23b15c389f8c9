//===- WeightMatrix.h - The numbers of a weight -----------------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_METHODS_WEIGHTMATRIX_H
#define MMCC_PASSES_QUANTIZE_METHODS_WEIGHTMATRIX_H

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace mmcc::quantize {

/// A weight [in, out], column by column: element (k, n) at n * in + k.
struct WeightMatrix {
  int64_t in = 0, out = 0;
  std::vector<float> numbers;

  float *column(int64_t n) { return numbers.data() + n * in; }
  const float *column(int64_t n) const { return numbers.data() + n * in; }
  /// False if there is infinity or NaN.
  bool isFinite() const {
    return std::all_of(numbers.begin(), numbers.end(),
                       [](float w) { return std::isfinite(w); });
  }
};

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_METHODS_WEIGHTMATRIX_H
