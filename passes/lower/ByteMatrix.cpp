//===- ByteMatrix.cpp - The numbers of an 8-bit weight --------------------===//

#include "passes/lower/ByteMatrix.h"
#include "passes/lower/ConstantSource.h"

#include <cstdlib>

using namespace mlir;

namespace mmcc::lower {

bool ByteMatrix::hasLimitedNeighbours() const {
  for (int64_t i = 0; i + 1 < int64_t(numbers.size()); i += 2)
    if (std::abs(numbers[i] + numbers[i + 1]) > 128)
      return false;
  return true;
}

std::vector<float> ByteMatrix::sums(int64_t step) const {
  std::vector<float> result(rows / step * columns);
  const int8_t *number = numbers.data();
  for (int64_t n = 0; n < columns; ++n)
    for (int64_t k = 0; k < rows; ++k)
      result[k / step * columns + n] += float(*number++);
  return result;
}

std::optional<ByteMatrix> readBytes(Value value) {
  std::optional<std::vector<int8_t>> numbers = readColumns<int8_t>(value);
  if (!numbers)
    return std::nullopt;
  auto type = cast<RankedTensorType>(value.getType());
  return ByteMatrix{type.getDimSize(0), type.getDimSize(1),
                    std::move(*numbers)};
}

} // namespace mmcc::lower
