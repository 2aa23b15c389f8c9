//===- InputStatistics.h - What layers are given on samples -----*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_METHODS_INPUTSTATISTICS_H
#define MMCC_PASSES_QUANTIZE_METHODS_INPUTSTATISTICS_H

#include "passes/quantize/methods/Histogram.h"

namespace mmcc::quantize {

/// Rows x [in] that reach the linear layers that read one value.
struct InputStatistics {
  int64_t rows = 0;          // that were seen
  int64_t calls = 0;         // in which they were
  std::vector<float> mean;   // of magnitudes, [in]
  std::vector<float> most;   // largest magnitudes, [in]
  Histogram histogram;       // of all numbers of all rows
  std::vector<float> sample; // some of the rows, [any, in]
  std::vector<double> gram;  // sum of x^T x over all rows, [in, in]; or nothing

  int64_t width() const { return int64_t(most.size()); }
  int64_t sampleRows() const {
    return most.empty() ? 0 : int64_t(sample.size() / most.size());
  }

  /// As an .npz of these names. Returns a message on failure, else an empty
  /// string.
  std::string write(const std::string &path) const;
  /// Refuses files that do not hold `width` entries, a histogram of all rows,
  /// or a gram if asked for.
  std::string read(const std::string &path, int64_t width, bool withGram);
};

/// The file of the module's `index`th layer input (LayerInputs.h).
std::string statisticsPath(const std::string &folder, size_t index);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_METHODS_INPUTSTATISTICS_H
