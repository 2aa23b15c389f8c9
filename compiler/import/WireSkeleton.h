//===- WireSkeleton.h - A model's protobuf without its weights --*- C++ -*-===//
//
// protobuf copies every bytes field that it parses, so that a model of 10 GB
// would need 20. The skeleton is the same message with two changes: the
// content of each TensorProto.raw_data, whatever its size, is replaced by a
// RawDataReference to where it lies in the file, and fields that import never
// looks at (documentation, metadata, training, inferred shapes) are left out.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_COMPILER_IMPORT_WIRESKELETON_H
#define MMCC_COMPILER_IMPORT_WIRESKELETON_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>

namespace mmcc::import {

/// What a skeleton's raw_data holds: a range of the model file, in bytes.
struct RawDataReference {
  uint64_t offset;
  uint64_t length;

  std::string encode() const;
  static std::optional<RawDataReference> decode(llvm::StringRef bytes);
};

/// Messages may nest this deep in a model, subgraphs included.
constexpr int kMaxMessageDepth = 96;

/// Rewrites a serialised ModelProto. Every length is checked against the
/// enclosing message; returns nothing and sets `error` (with the byte offset)
/// if the file is not well-formed protobuf or nests too deeply.
std::optional<std::string> buildSkeleton(llvm::ArrayRef<char> file,
                                         std::string &error);

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_WIRESKELETON_H
