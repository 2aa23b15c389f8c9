//===- InputCollector.h - Gathers what layers are given ---------*- C++ -*-===//

#ifndef MMCC_COMPILER_CALIBRATE_INPUTCOLLECTOR_H
#define MMCC_COMPILER_CALIBRATE_INPUTCOLLECTOR_H

#include "mmcc/runtime.hpp"
#include "passes/quantize/methods/InputStatistics.h"

namespace mmcc {

/// Gathers statistics of one layer input, run after run.
class InputCollector {
public:
  /// Keeps about kSampleRows rows of `runs` runs.
  InputCollector(int64_t width, size_t runs);

  /// Adds the rows x [any, width] of a run, and, unless null, x^T x. Returns a
  /// message on failure, else an empty string.
  std::string add(const Tensor &rows, const Tensor *gram);
  quantize::InputStatistics finish() &&;

  static constexpr size_t kSampleRows = 512;

private:
  int64_t width, rowsPerRun;
  std::vector<double> sums; // of magnitudes
  quantize::InputStatistics statistics;
};

} // namespace mmcc

#endif // MMCC_COMPILER_CALIBRATE_INPUTCOLLECTOR_H
