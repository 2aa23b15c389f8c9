//===- FileBuilder.h - Hashes a file while it is written --------*- C++ -*-===//

#ifndef MMCC_CODEGEN_ARTIFACT_FILEBUILDER_H
#define MMCC_CODEGEN_ARTIFACT_FILEBUILDER_H

#include "runtime/schema/ArtifactFile.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace mmcc::artifact {

/// A temporary file beside `path` that becomes `path` on commit() and
/// disappears otherwise. Bytes are appended from kHeaderBytes on and hashed by
/// chunk; a mark allows to take back what was appended after it. Functions
/// return false after a failure of the system, which error() describes.
class FileBuilder {
public:
  explicit FileBuilder(std::string path);
  ~FileBuilder();
  FileBuilder(const FileBuilder &) = delete;
  FileBuilder &operator=(const FileBuilder &) = delete;

  bool create();
  bool append(const void *data, size_t bytes);
  /// Appends zeros up to a multiple of `align`.
  bool alignTo(uint64_t align);
  /// File offset of the next byte.
  uint64_t position() const { return position_; }

  struct Mark;
  std::shared_ptr<const Mark> mark() const;
  /// Takes back everything after the mark.
  void rewind(const Mark &mark);
  /// True when the file holds equal bytes in both ranges.
  bool sameBytes(uint64_t first, uint64_t second, uint64_t bytes);

  /// Writes the hash table and the header and renames the file.
  bool commit(uint64_t program_offset, uint64_t program_bytes);

  const std::string &error() const { return error_; }

private:
  struct Hasher;
  bool fail(const char *doing);
  bool writeAt(uint64_t offset, const void *data, size_t bytes);
  void finishChunk();

  std::string path_, temporary_, error_;
  int descriptor_ = -1;
  uint64_t position_ = kHeaderBytes;
  std::unique_ptr<Hasher> hasher_;
  std::vector<Hash128> table_;
};

/// XXH3-128 of a stream.
class ContentHash {
public:
  ContentHash();
  ~ContentHash();
  void update(const void *data, size_t bytes);
  Hash128 digest() const;

private:
  struct State;
  std::unique_ptr<State> state_;
};

} // namespace mmcc::artifact

#endif // MMCC_CODEGEN_ARTIFACT_FILEBUILDER_H
