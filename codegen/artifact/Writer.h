//===- Writer.h - Writes an artifact file -----------------------*- C++ -*-===//
//
// The writer lays out segments, hashes what it writes and puts the header in
// place last, in a temporary file beside the target that is renamed when it is
// complete: a reader sees the old file or the new one. Memory stays bounded by
// a few blocks however large the weights are.
//
// Equal constants are stored once. Small ones share a segment, 64-byte
// aligned; larger ones and code images get a page-aligned segment each. The
// same input gives the same bytes.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_ARTIFACT_WRITER_H
#define MMCC_CODEGEN_ARTIFACT_WRITER_H

#include "runtime/schema/program_generated.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace mmcc::artifact {

/// Where the bytes of a constant or an image come from.
struct ByteSource {
  uint64_t bytes = 0;
  /// Writes `count` bytes from position `offset` on into `into`. Called with
  /// ascending offsets that leave nothing out; blocks are 1 MiB, the last one
  /// shorter. False stops the writing with an error that names the constant.
  /// `into` is zero-filled.
  std::function<bool(uint64_t offset, uint8_t *into, size_t count)> read;

  /// `data` must stay valid until the file is written.
  static ByteSource fromMemory(const void *data, size_t bytes);
  static ByteSource fromVector(std::vector<uint8_t> data);
};

struct WriteError {
  /// True when the disk is at fault (exit code 4), false when the program is
  /// (a bug of the caller: a size that does not fit, too much metadata).
  bool environment = false;
  std::string message;
};

struct WriteResult {
  uint64_t file_bytes = 0;
  /// Constants as asked for, and as stored after equal ones were merged.
  uint64_t constant_bytes = 0;
  uint64_t stored_constant_bytes = 0;
  uint64_t program_bytes = 0;
};

/// Writes `program` to `path`. `constants[i]` is the content of
/// program.constants[i], `images[v]` the code of program.variants[v]; the
/// writer fills in `program.segments`, the constants' segment, offset and
/// bytes and the variants' image_segment and image_bytes. Everything else is
/// the caller's, and is written as it is.
std::optional<WriteError>
writeArtifact(const std::string &path, schema::ProgramT &program,
              const std::vector<ByteSource> &constants,
              const std::vector<ByteSource> &images,
              WriteResult *result = nullptr);

} // namespace mmcc::artifact

#endif // MMCC_CODEGEN_ARTIFACT_WRITER_H
