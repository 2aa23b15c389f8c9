//===- ConstantMask.cpp - Band matrices among constants -------------------===//

#include "passes/attention/ConstantMask.h"
#include <algorithm>

using namespace mlir;

namespace mmcc {

/// The offset for which ends[i] == clamp(i + offset, 0, limit) in all rows.
static std::optional<int64_t> getDiagonal(ArrayRef<int64_t> ends,
                                          int64_t limit) {
  // Rows at a border fit many offsets: one that is not decides.
  int64_t offset = ends.front() == limit ? limit : 0;
  for (auto [row, end] : llvm::enumerate(ends))
    if (end > 0 && end < limit)
      offset = end - static_cast<int64_t>(row);
  if (ends.front() == 0 && offset == 0)
    offset = -static_cast<int64_t>(ends.size());
  for (auto [row, end] : llvm::enumerate(ends))
    if (end !=
        std::clamp<int64_t>(static_cast<int64_t>(row) + offset, 0, limit))
      return std::nullopt;
  return offset;
}

SmallVector<IndexExpr> getBand(RankedTensorType type, ArrayRef<bool> keeps) {
  int64_t rank = type.getRank();
  if (rank < 1 || keeps.empty())
    return {};
  for (int64_t axis = 0; axis < rank - 2; ++axis)
    if (type.getDimSize(axis) != 1)
      return {};
  int64_t columns = type.getDimSize(rank - 1);
  int64_t rows = rank > 1 ? type.getDimSize(rank - 2) : 1;
  SmallVector<int64_t> begins, ends;
  for (int64_t i = 0; i < rows; ++i) {
    ArrayRef<bool> row = keeps.slice(i * columns, columns);
    const bool *begin = std::find(row.begin(), row.end(), true);
    const bool *end = std::find(begin, row.end(), false);
    if (begin == row.end() || std::find(end, row.end(), true) != row.end())
      return {};
    begins.push_back(begin - row.begin());
    ends.push_back(end - row.begin());
  }
  std::optional<int64_t> first = getDiagonal(begins, columns);
  std::optional<int64_t> past = getDiagonal(ends, columns);
  if (!first || !past)
    return {};
  // One row has no diagonal: its index is 0 whatever it broadcasts to.
  int64_t row = rows == 1 ? 0 : 1;
  MLIRContext *context = type.getContext();
  SmallVector<IndexExpr> band;
  // j < i + past
  band.push_back(
      makeIndexExpr(mm::Dim::constant(context, 1 - *past), {1, -row}));
  // j >= i + first
  if (llvm::any_of(begins, [](int64_t begin) { return begin > 0; }))
    band.push_back(
        makeIndexExpr(mm::Dim::constant(context, *first), {-1, row}));
  return band;
}

std::optional<SparsePattern> getSparsePattern(RankedTensorType type,
                                              ArrayRef<bool> keeps) {
  int64_t rank = type.getRank();
  if (rank < 2 || keeps.empty() ||
      type.getNumElements() !=
          type.getDimSize(rank - 2) * type.getDimSize(rank - 1))
    return std::nullopt;
  int64_t rows = type.getDimSize(rank - 2), columns = type.getDimSize(rank - 1);
  int64_t offset = columns - rows;
  auto kept = [&](int64_t i, int64_t j) { return keeps[i * columns + j]; };
  SparsePattern pattern{true, 1, 0, 0};
  for (int64_t i = 0; i < rows && pattern.causal; ++i)
    for (int64_t j = std::max<int64_t>(i + offset + 1, 0); j < columns; ++j)
      pattern.causal &= !kept(i, j);
  auto isWhole = [&](int64_t j) {
    for (int64_t i = pattern.causal ? std::max<int64_t>(j - offset, 0) : 0;
         i < rows; ++i)
      if (!kept(i, j))
        return false;
    return true;
  };
  if (!isWhole(0))
    return std::nullopt;
  for (int64_t j = 2; j < columns && !pattern.stride; ++j)
    if (isWhole(j))
      pattern.stride = j;
  if (!pattern.stride)
    return std::nullopt;
  // The band is as wide as the other columns say; then all must agree.
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      if (j % pattern.stride != 0 && kept(i, j)) {
        pattern.ahead = std::max(pattern.ahead, j - i - offset);
        pattern.window = std::max(pattern.window, i + offset - j + 1);
      }
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      int64_t distance = j - i - offset;
      bool local = distance <= pattern.ahead && distance > -pattern.window;
      bool strided =
          j % pattern.stride == 0 && (!pattern.causal || distance <= 0);
      if (kept(i, j) != (local || strided))
        return std::nullopt;
    }
  return pattern;
}

} // namespace mmcc
