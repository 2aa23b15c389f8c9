//===- FileMapping.h - A read-only file in memory ---------------*- C++ -*-===//

#ifndef MMCC_RUNTIME_LOADER_FILEMAPPING_H
#define MMCC_RUNTIME_LOADER_FILEMAPPING_H

#include "runtime/core/Status.h"

#include <cstddef>
#include <cstdint>

namespace mmcc::runtime {

/// The whole of a regular file, mapped read-only and private. The file must
/// not be truncated or rewritten in place while it is mapped (the writer never
/// does that: it renames), as with a shared object.
class FileMapping {
public:
  FileMapping() = default;
  ~FileMapping();
  FileMapping(const FileMapping &) = delete;
  FileMapping &operator=(const FileMapping &) = delete;

  Status open(const char *path);

  const uint8_t *data() const { return data_; }
  uint64_t size() const { return size_; }

  /// Maps [offset, offset + bytes) a second time, readable and executable.
  /// `offset` is a multiple of the page size. The result lives as long as this.
  Status mapExecutable(uint64_t offset, uint64_t bytes, const uint8_t *&code);

private:
  int descriptor_ = -1;
  const uint8_t *data_ = nullptr;
  uint64_t size_ = 0;
  const uint8_t *code_ = nullptr;
  uint64_t code_bytes_ = 0;
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_LOADER_FILEMAPPING_H
