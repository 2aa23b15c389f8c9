#include "codegen/artifact/StridedRead.h"

#include <algorithm>
#include <cstring>

namespace mmcc::artifact {

/// Copies `count` elements that lie `from_stride` and `to_stride` elements
/// apart. Sources are mapped files, so that alignment is not a given.
template <typename T>
static void copyElements(const char *from, int64_t from_stride, char *to,
                         int64_t to_stride, int64_t count) {
  if (from_stride == 1 && to_stride == 1) {
    std::memcpy(to, from, size_t(count) * sizeof(T));
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(to, from, sizeof(T));
    from += from_stride * int64_t(sizeof(T));
    to += to_stride * int64_t(sizeof(T));
  }
}

void DenseRead::coalesce() {
  std::vector<Dimension> merged;
  for (Dimension dim : dims) {
    if (dim.extent == 1)
      continue;
    if (!merged.empty() && merged.back().stride == dim.extent * dim.stride)
      merged.back() = {merged.back().extent * dim.extent, dim.stride};
    else
      merged.push_back(dim);
  }
  if (merged.empty())
    merged.push_back({1, 1});
  dims = std::move(merged);
}

template <typename T>
void DenseRead::read(int64_t first, int64_t count, char *into) const {
  std::vector<int64_t> index(dims.size());
  int64_t at = 0;
  for (size_t d = dims.size(); d-- > 0;) {
    index[d] = first % dims[d].extent;
    first /= dims[d].extent;
    at += index[d] * dims[d].stride;
  }
  const Dimension &last = dims.back();
  while (count > 0) {
    int64_t run = std::min(count, last.extent - index.back());
    copyElements<T>(data + at * int64_t(sizeof(T)), last.stride, into, 1, run);
    into += run * int64_t(sizeof(T));
    count -= run;
    index.back() += run;
    at += run * last.stride;
    for (size_t d = dims.size() - 1; d > 0 && index[d] == dims[d].extent; --d) {
      at += dims[d - 1].stride - dims[d].extent * dims[d].stride;
      index[d] = 0;
      ++index[d - 1];
    }
  }
}

/// Rows [k, k + rows) of one panel, which differ in the last index of K only.
template <typename T>
static void readRows(const MatrixPiece &piece, int64_t group, int64_t panel,
                     int64_t k, int64_t rows, char *into) {
  int64_t begin = std::max(piece.first_column, panel * kPanelColumns);
  int64_t end = std::min(piece.first_column + piece.n.extent,
                         (panel + 1) * kPanelColumns);
  if (begin >= end)
    return;
  const char *from =
      piece.data + (group * piece.group_stride +
                    k / piece.k2.extent / piece.k1.extent * piece.k0.stride +
                    k / piece.k2.extent % piece.k1.extent * piece.k1.stride +
                    k % piece.k2.extent * piece.k2.stride +
                    (begin - piece.first_column) * piece.n.stride) *
                       int64_t(sizeof(T));
  char *to = into + (begin - panel * kPanelColumns) * int64_t(sizeof(T));
  int64_t from_row = piece.k2.stride * int64_t(sizeof(T));
  int64_t to_row = kPanelColumns * int64_t(sizeof(T));
  if (piece.n.stride == 1) {
    for (int64_t row = 0; row < rows; ++row)
      copyElements<T>(from + row * from_row, 1, to + row * to_row, 1,
                      end - begin);
    return;
  }
  // Sixteen rows at a time use up each cache line that they touch before the
  // next column, which may lie a power of two away, drives it out.
  int64_t from_column = piece.n.stride * int64_t(sizeof(T));
  for (int64_t row = 0; row < rows; row += kPanelColumns)
    for (int64_t column = 0; column < end - begin; ++column)
      copyElements<T>(from + row * from_row + column * from_column,
                      piece.k2.stride,
                      to + row * to_row + column * int64_t(sizeof(T)),
                      kPanelColumns, std::min(kPanelColumns, rows - row));
}

template <typename T>
void PanelRead::read(int64_t first, int64_t count, char *into) const {
  int64_t panels = (n + kPanelColumns - 1) / kPanelColumns;
  while (count > 0) {
    int64_t row = first % k;
    int64_t panel = first / k % panels;
    int64_t group = first / k / panels;
    int64_t rows = std::min(count, k - row);
    for (const MatrixPiece &piece : pieces)
      for (int64_t done = 0; done < rows;) {
        int64_t inner = (row + done) % piece.k2.extent;
        int64_t run = std::min(rows - done, piece.k2.extent - inner);
        readRows<T>(piece, group, panel, row + done, run,
                    into + done * kPanelColumns * int64_t(sizeof(T)));
        done += run;
      }
    into += rows * kPanelColumns * int64_t(sizeof(T));
    first += rows;
    count -= rows;
  }
}

void LineRead::read(const PanelRead &panels, int64_t first, int64_t count,
                    uint8_t *into) const {
  const int64_t rows = 32 / bits;
  for (int64_t line = first; line < first + count; ++line, into += kLineBytes) {
    uint8_t numbers[8][kPanelColumns] = {};
    panels.read<uint8_t>(line * rows, rows,
                         reinterpret_cast<char *>(numbers[0]));
    for (int64_t c = 0; c < kPanelColumns; ++c)
      for (int64_t j = 0; j < 4; ++j)
        into[c * 4 + j] =
            bits == 8 ? numbers[j][c]
                      : uint8_t(((numbers[j][c] + offset) & 15) |
                                ((numbers[j + 4][c] + offset) & 15) << 4);
  }
}

void PairRead::read(const PanelRead &panels, int64_t first, int64_t count,
                    uint8_t *into) {
  const int64_t lines = (panels.k + 1) / 2;
  while (count > 0) {
    const int64_t panel = first / lines, line = first % lines;
    // Sixteen lines at a time use up each cache line of the source.
    const int64_t some = std::min({count, lines - line, kPanelColumns});
    const int64_t rows = std::min(some * 2, panels.k - line * 2);
    uint16_t numbers[2 * kPanelColumns][kPanelColumns] = {};
    panels.read<uint16_t>(panel * panels.k + line * 2, rows,
                          reinterpret_cast<char *>(numbers));
    for (int64_t i = 0; i < some; ++i)
      for (int64_t c = 0; c < kPanelColumns; ++c)
        for (int64_t j = 0; j < 2; ++j, into += 2)
          std::memcpy(into, &numbers[2 * i + j][c], 2);
    first += some;
    count -= some;
  }
}

template void DenseRead::read<uint8_t>(int64_t, int64_t, char *) const;
template void DenseRead::read<uint16_t>(int64_t, int64_t, char *) const;
template void DenseRead::read<uint32_t>(int64_t, int64_t, char *) const;
template void DenseRead::read<uint64_t>(int64_t, int64_t, char *) const;
template void PanelRead::read<uint8_t>(int64_t, int64_t, char *) const;
template void PanelRead::read<uint16_t>(int64_t, int64_t, char *) const;
template void PanelRead::read<uint32_t>(int64_t, int64_t, char *) const;
template void PanelRead::read<uint64_t>(int64_t, int64_t, char *) const;

} // namespace mmcc::artifact
