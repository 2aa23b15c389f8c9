//===- Samples.h - Sampled inputs of a layer as matrices --------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_METHODS_SAMPLES_H
#define MMCC_PASSES_QUANTIZE_METHODS_SAMPLES_H

#include "passes/quantize/methods/InputStatistics.h"
#include "passes/quantize/methods/NarrowWeight.h"

#include <Eigen/Dense>

namespace mmcc::quantize {

/// Rows are samples or inputs.
using Rows =
    Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
/// Columns are outputs, as in WeightMatrix.
using Columns = Eigen::MatrixXf;
using Scales = Eigen::VectorXd;

inline Eigen::Map<const Rows> samplesOf(const InputStatistics &statistics) {
  return {statistics.sample.data(), statistics.sampleRows(),
          statistics.width()};
}

inline Eigen::Map<const Columns> columnsOf(const WeightMatrix &weight) {
  return {weight.numbers.data(), weight.in, weight.out};
}

inline Scales scalesOrOnes(const std::vector<float> &scales, int64_t width) {
  Scales result = Scales::Ones(width);
  for (size_t k = 0; k < scales.size(); ++k)
    result[k] = scales[k];
  return result;
}

/// The weight with each input's row times its scale.
inline WeightMatrix scaled(const WeightMatrix &weight, const Scales &scales) {
  WeightMatrix result = weight;
  for (int64_t n = 0; n < weight.out; ++n)
    for (int64_t k = 0; k < weight.in; ++k)
      result.column(n)[k] = float(weight.column(n)[k] * scales[k]);
  return result;
}

/// What the numbers of columns [first, last) mean.
inline Columns meaningOf(const NarrowWeight &narrow, int64_t first,
                         int64_t last) {
  Columns values(narrow.in, last - first);
  for (int64_t k = 0; k < narrow.in; ++k) {
    const int8_t *numbers = &narrow.numbers[k * narrow.out];
    const GroupScale *scales =
        &narrow.scales[k / narrow.format.group * narrow.out];
    bool isUnsigned = narrow.format.asymmetric;
    for (int64_t n = first; n < last; ++n)
      values(k, n - first) = scales[n].valueOf<float>(
          isUnsigned ? int(uint8_t(numbers[n])) : int(numbers[n]),
          narrow.format);
  }
  return values;
}

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_METHODS_SAMPLES_H
