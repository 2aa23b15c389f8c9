//===- ByteMatrix.h - The numbers of an 8-bit weight ------------*- C++ -*-===//

#ifndef MMCC_PASSES_LOWER_BYTEMATRIX_H
#define MMCC_PASSES_LOWER_BYTEMATRIX_H

#include "dialects/mm/MM.h"
#include <optional>
#include <vector>

namespace mmcc::lower {

/// A matrix of i8 with an even number of rows, column by column.
struct ByteMatrix {
  int64_t rows = 0, columns = 0;
  std::vector<int8_t> numbers;

  /// Whether |a + b| <= 128 for every number a of an even row and the number b
  /// under it: see codegen/cpu/kernels/GemmInt8.cpp.
  bool hasLimitedNeighbours() const;
  /// Sums over `step` rows at a time, [rows / step, columns].
  std::vector<float> sums(int64_t step) const;
};

/// The i8 matrix `value`, which comes from constants by data movement; nothing
/// if it does not, or if its data is not at hand.
std::optional<ByteMatrix> readBytes(mlir::Value value);

} // namespace mmcc::lower

#endif // MMCC_PASSES_LOWER_BYTEMATRIX_H
