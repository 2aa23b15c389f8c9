//===- WeightMatrix.cpp - The numbers of a weight -------------------------===//

#include "passes/quantize/WeightMatrix.h"
#include "passes/lower/ConstantSource.h"

#include <cstring>

using namespace mlir;

namespace mmcc::quantize {

std::optional<WeightMatrix> readWeight(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  auto parts = lower::matrixParts(value);
  if (!parts || !type.getElementType().isF32())
    return std::nullopt;
  WeightMatrix matrix;
  matrix.in = type.getDimSize(0);
  matrix.out = type.getDimSize(1);
  matrix.numbers.resize(matrix.in * matrix.out);
  float *to = matrix.numbers.data();
  for (const lower::MatrixPart &part : *parts) {
    std::optional<lower::ConstantBytes> bytes =
        lower::bytesOf(part.source.value);
    if (!bytes)
      return std::nullopt;
    int64_t row = part.source.strides[0], column = part.source.strides[1];
    // Mapped files promise no alignment.
    for (int64_t n = 0; n < part.columns; ++n)
      for (int64_t k = 0; k < part.rows; ++k, ++to)
        std::memcpy(to, bytes->at(part.source.offset + k * row + n * column),
                    sizeof *to);
  }
  return matrix;
}

} // namespace mmcc::quantize
