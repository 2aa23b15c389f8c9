//===- Npz.h - numpy's archives of arrays -----------------------*- C++ -*-===//

#ifndef MMCC_TOOLS_NPZ_NPZ_H
#define MMCC_TOOLS_NPZ_NPZ_H

#include "tools/npz/NpyHeader.h"

#include <cstdint>
#include <string>
#include <vector>

namespace mmcc::npz {

/// A row-major array.
struct Array {
  std::string name;
  ElementType type;
  std::vector<int64_t> dims;
  std::vector<uint8_t> data;

  int64_t elements() const;
};

/// Reads all arrays, in the archive's order; Fortran order is turned into row
/// major. No memory is set aside that the file's size does not justify. Empty
/// on success, else a message that names the file and the array.
std::string readNpz(const std::string &path, std::vector<Array> &arrays);

/// The same from a file's bytes; `name` is the file's in messages.
std::string readNpz(std::string_view bytes, const std::string &name,
                    std::vector<Array> &arrays);

/// Writes the arrays uncompressed. The file appears complete or not at all;
/// equal arrays give equal bytes. Empty on success, else a message.
std::string writeNpz(const std::string &path, const std::vector<Array> &arrays);

} // namespace mmcc::npz

#endif // MMCC_TOOLS_NPZ_NPZ_H
