//===- ByteMatrix.cpp - The numbers of an 8-bit weight --------------------===//

#include "passes/lower/ByteMatrix.h"
#include "passes/lower/ConstantSource.h"

#include <cstdlib>

using namespace mlir;

namespace mmcc::lower {

bool ByteMatrix::hasLimitedNeighbours() const {
  for (int64_t k = 0; k + 1 < rows; k += 2)
    for (int64_t n = 0; n < columns; ++n)
      if (std::abs(numbers[k * columns + n] + numbers[(k + 1) * columns + n]) >
          128)
        return false;
  return true;
}

std::vector<float> ByteMatrix::sums(int64_t step) const {
  std::vector<float> result(rows / step * columns);
  for (int64_t k = 0; k < rows; ++k)
    for (int64_t n = 0; n < columns; ++n)
      result[k / step * columns + n] += float(numbers[k * columns + n]);
  return result;
}

std::optional<ByteMatrix> readBytes(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  std::optional<SmallVector<MatrixPart>> parts = matrixParts(value);
  if (!parts || !type.getElementType().isSignlessInteger(8))
    return std::nullopt;
  ByteMatrix matrix;
  matrix.rows = type.getDimSize(0);
  matrix.columns = type.getDimSize(1);
  matrix.numbers.resize(matrix.rows * matrix.columns);
  int64_t first = 0;
  for (const MatrixPart &part : *parts) {
    std::optional<ConstantBytes> bytes = bytesOf(part.source.value);
    if (!bytes)
      return std::nullopt;
    for (int64_t k = 0; k < part.rows; ++k)
      for (int64_t n = 0; n < part.columns; ++n)
        matrix.numbers[k * matrix.columns + first + n] =
            int8_t(*bytes->at(part.source.offset + k * part.source.strides[0] +
                              n * part.source.strides[1]));
    first += part.columns;
  }
  return matrix;
}

} // namespace mmcc::lower
