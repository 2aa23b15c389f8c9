//===- PanelColumns.h - Panels of a weight, brought into columns *- C++ -*-===//
//
// A weight lies in the file as a CPU's kernels want it: panels of 16 columns,
// lines of a panel with a word for each (codegen/cpu/kernels). Tensor cores
// want the words of a column one after the other:
//
//     file    [panels][lines][16] words
//     GPU     [panels][16][lines, padded to 16 bytes] words
//
// Words of f32 may become bf16 on the way.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_LOADER_PANELCOLUMNS_H
#define MMCC_RUNTIME_LOADER_PANELCOLUMNS_H

#include "runtime/schema/program_generated.h"

#include <cstdint>

namespace mmcc::runtime {

struct PanelColumns {
  uint64_t panels, lines;
  uint32_t word; // bytes: 1, 2 or 4
  bool rounds;

  /// False if the constant has no panels, or not the bytes that its shape and
  /// layout make, or cannot be `rounded` (undefined: stays).
  static bool of(const schema::Constant &constant, schema::DType rounded,
                 PanelColumns &columns);

  uint64_t panelBytes() const { return lines * 16 * word; }
  /// From one column to the next.
  uint64_t pitch() const {
    return (lines * (rounds ? 2 : word) + 15) / 16 * 16;
  }
  uint64_t bytes() const { return panels * 16 * pitch(); }
  /// `count` panels at `from`, as columns at `to`.
  void convert(const uint8_t *from, uint64_t count, uint8_t *to) const;
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_LOADER_PANELCOLUMNS_H
