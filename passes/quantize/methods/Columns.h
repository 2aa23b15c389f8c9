//===- Columns.h - Work on a weight's columns, side by side -----*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_METHODS_COLUMNS_H
#define MMCC_PASSES_QUANTIZE_METHODS_COLUMNS_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Parallel.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace mmcc::quantize {

/// Columns that one thread takes at a time: a cache line of numbers, so that
/// no two threads write to one.
constexpr int64_t kColumns = 64;

/// Calls work(first, last) for all pieces of [0, count), in any order.
inline void
forColumns(int64_t count,
           llvm::function_ref<void(int64_t first, int64_t last)> work,
           int64_t piece = kColumns) {
  llvm::parallelFor(0, size_t((count + piece - 1) / piece), [&](size_t i) {
    int64_t first = int64_t(i) * piece;
    work(first, std::min(first + piece, count));
  });
}

/// The sum of work(first, last) over the same pieces, in their order.
inline double
sumColumns(int64_t count,
           llvm::function_ref<double(int64_t first, int64_t last)> work,
           int64_t piece = 4 * kColumns) {
  std::vector<double> parts(size_t((count + piece - 1) / piece));
  forColumns(
      count,
      [&](int64_t first, int64_t last) {
        parts[size_t(first / piece)] = work(first, last);
      },
      piece);
  double sum = 0;
  for (double part : parts)
    sum += part;
  return sum;
}

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_METHODS_COLUMNS_H
