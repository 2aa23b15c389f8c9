//===- MappedFile.h - A file's bytes, mapped read-only ----------*- C++ -*-===//

#ifndef MMCC_COMPILER_IMPORT_MAPPEDFILE_H
#define MMCC_COMPILER_IMPORT_MAPPEDFILE_H

#include "llvm/ADT/ArrayRef.h"
#include <memory>
#include <string>

namespace mmcc::import {

/// Owns one private, read-only mapping. Whoever keeps a pointer into bytes()
/// shares the ownership.
class MappedFile {
public:
  /// Maps the regular file behind `descriptor` and closes the descriptor.
  /// Returns null and sets `error` if it is no regular file or cannot be
  /// mapped, or, unless `allowHardLinks`, if it has a second name.
  static std::shared_ptr<const MappedFile>
  adopt(int descriptor, bool allowHardLinks, std::string &error);
  /// Opens a path that the user gave; symbolic and hard links are followed.
  static std::shared_ptr<const MappedFile> open(const std::string &path,
                                                std::string &error);
  ~MappedFile();
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;

  llvm::ArrayRef<char> bytes() const { return {data, size}; }

private:
  MappedFile(const char *data, size_t size) : data(data), size(size) {}
  const char *data;
  size_t size;
};

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_MAPPEDFILE_H
