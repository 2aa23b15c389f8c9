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

} // namespace mmcc
