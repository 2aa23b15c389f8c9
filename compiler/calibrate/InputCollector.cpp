//===- InputCollector.cpp - Gathers what layers are given -----------------===//

#include "compiler/calibrate/InputCollector.h"
#include <algorithm>
#include <cmath>

using namespace mmcc;

InputCollector::InputCollector(int64_t width, size_t runs)
    : width(width), rowsPerRun(int64_t((kSampleRows + runs - 1) / runs)),
      sums(size_t(width)) {
  statistics.most.resize(size_t(width));
}

std::string InputCollector::add(const Tensor &tensor, const Tensor *gram) {
  const auto *x = static_cast<const float *>(tensor.data);
  int64_t rows = tensor.dims[0];
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < width; ++k) {
      float magnitude = std::fabs(x[r * width + k]);
      if (!std::isfinite(magnitude))
        return "a layer is given infinity or NaN";
      sums[k] += magnitude;
      statistics.most[k] = std::max(statistics.most[k], magnitude);
    }
  statistics.histogram.add(x, rows * width);
  statistics.rows += rows;
  ++statistics.calls;
  // Rows as far apart as they can be.
  int64_t kept = std::min(rows, rowsPerRun);
  for (int64_t i = 0; i < kept; ++i) {
    const float *row = x + i * rows / kept * width;
    statistics.sample.insert(statistics.sample.end(), row, row + width);
  }
  if (!gram)
    return "";
  const auto *products = static_cast<const float *>(gram->data);
  statistics.gram.resize(size_t(width * width));
  for (size_t i = 0; i < statistics.gram.size(); ++i)
    statistics.gram[i] += products[i];
  return "";
}

quantize::InputStatistics InputCollector::finish() && {
  for (double sum : sums)
    statistics.mean.push_back(
        float(sum / double(std::max<int64_t>(statistics.rows, 1))));
  return std::move(statistics);
}
