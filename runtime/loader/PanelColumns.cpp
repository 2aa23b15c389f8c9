#include "runtime/loader/PanelColumns.h"

#include "runtime/core/CheckedMath.h"
#include "runtime/core/DType.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace mmcc::runtime {

bool PanelColumns::of(const schema::Constant &constant, schema::DType rounded,
                      PanelColumns &columns) {
  std::string_view layout;
  if (constant.layout())
    layout = {constant.layout()->data(), constant.layout()->size()};
  const uint32_t rank = constant.dims() ? constant.dims()->size() : 0;
  if (rank < 2 || rank > 3)
    return false;
  auto extent = [&](uint32_t i) { return constant.dims()->Get(i); };
  // What fits a file, so that no product below overflows before it is checked.
  constexpr uint64_t most = uint64_t(1) << 48;
  const uint64_t groups = rank == 3 ? extent(0) : 1;
  const uint64_t depth = extent(rank - 2), width = extent(rank - 1);
  if (groups - 1 >= most || depth - 1 >= most || width - 1 >= most)
    return false;
  uint64_t rows_of_line = 1; // along K
  columns.word = 4;
  if (layout == "pairs16") {
    rows_of_line = 2;
  } else if (layout == "lines8") {
    rows_of_line = 4;
  } else {
    const unsigned bits = bitsOf(constant.dtype());
    if (layout != "panels16" || (bits != 8 && bits != 16 && bits != 32))
      return false;
    columns.word = bits / 8;
  }
  columns.rounds = rounded != schema::DType::undefined;
  if (columns.rounds &&
      (rounded != schema::DType::bf16 || layout != "panels16" ||
       constant.dtype() != schema::DType::f32))
    return false;
  columns.lines = (depth + rows_of_line - 1) / rows_of_line;
  int64_t panels = 0, bytes = 0;
  if (!checkedMul(int64_t(groups), int64_t((width + 15) / 16), panels) ||
      !checkedMul(panels, int64_t(columns.lines), bytes) ||
      !checkedMul(bytes, int64_t(16 * columns.word), bytes))
    return false;
  columns.panels = uint64_t(panels);
  return uint64_t(bytes) == constant.bytes();
}

namespace {

/// A word as it is.
template <typename Word> Word brought(Word word, Word) { return word; }
/// The bits of an f32 as the nearest bf16.
uint16_t brought(uint32_t bits, uint16_t) {
  if ((bits & 0x7fffffff) > 0x7f800000) // NaN
    return 0x7fc0;
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// Lines are taken by tiles, so that what is written to one column fills a
/// line of the cache before the next tile comes to it.
template <typename From, typename To>
void convertPanel(const uint8_t *from, uint64_t lines, uint64_t pitch,
                  uint8_t *to) {
  constexpr uint64_t tile = 64 / sizeof(To);
  for (uint64_t first = 0; first < lines; first += tile) {
    const uint64_t count = std::min(tile, lines - first);
    for (unsigned column = 0; column < 16; ++column) {
      To words[tile];
      for (uint64_t i = 0; i < count; ++i) {
        From word;
        std::memcpy(&word, from + ((first + i) * 16 + column) * sizeof(From),
                    sizeof(From));
        words[i] = brought(word, To());
      }
      std::memcpy(to + column * pitch + first * sizeof(To), words,
                  count * sizeof(To));
    }
  }
  for (unsigned column = 0; column < 16; ++column)
    std::memset(to + column * pitch + lines * sizeof(To), 0,
                pitch - lines * sizeof(To));
}

} // namespace

void PanelColumns::convert(const uint8_t *from, uint64_t count,
                           uint8_t *to) const {
  auto convertOne = rounds      ? convertPanel<uint32_t, uint16_t>
                    : word == 4 ? convertPanel<uint32_t, uint32_t>
                    : word == 2 ? convertPanel<uint16_t, uint16_t>
                                : convertPanel<uint8_t, uint8_t>;
  for (uint64_t i = 0; i < count; ++i)
    convertOne(from + i * panelBytes(), lines, pitch(), to + i * 16 * pitch());
}

} // namespace mmcc::runtime
