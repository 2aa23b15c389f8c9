//===- NpyHeader.h - The head of a .npy file --------------------*- C++ -*-===//

#ifndef MMCC_TOOLS_NPZ_NPYHEADER_H
#define MMCC_TOOLS_NPZ_NPYHEADER_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mmcc::npz {

/// numpy's kind letter ('f', 'i', 'u', 'b', 'c', 'U') and the bytes of one
/// element ("<f4" is {'f', 4}; "<U3", three UTF-32 characters, {'U', 12}).
struct ElementType {
  char kind = 0;
  uint32_t bytes = 0;

  bool operator==(const ElementType &other) const {
    return kind == other.kind && bytes == other.bytes;
  }
  std::string text() const;
};

struct NpyHeader {
  ElementType type;
  bool fortran_order = false;
  std::vector<int64_t> dims;
  /// Bytes of magic, version, length and dictionary: the data begins there.
  uint64_t header_bytes = 0;
  uint64_t data_bytes = 0;
};

/// Bytes one must have read before the header's length is known.
constexpr size_t kNpyPrefixBytes = 12;
constexpr uint64_t kMaxNpyHeaderBytes = 64 << 10;

/// Length of the whole header from the first kNpyPrefixBytes bytes (or as many
/// as there are). Empty on success, else what is wrong.
std::string npyHeaderBytes(std::string_view prefix, uint64_t &header_bytes);

/// Parses a whole header. Empty on success, else what is wrong. Accepts
/// exactly what numpy writes for little-endian arrays of the types above.
std::string parseNpyHeader(std::string_view text, NpyHeader &header);

/// The header of a C-ordered array, padded as numpy does.
std::string formatNpyHeader(ElementType type, const std::vector<int64_t> &dims);

} // namespace mmcc::npz

#endif // MMCC_TOOLS_NPZ_NPYHEADER_H
