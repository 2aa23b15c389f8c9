//===- ChunkHashes.h - Verifies the file's content --------------*- C++ -*-===//

#ifndef MMCC_RUNTIME_LOADER_CHUNKHASHES_H
#define MMCC_RUNTIME_LOADER_CHUNKHASHES_H

#include "runtime/schema/ArtifactFile.h"

#include <cstdint>

namespace mmcc::runtime {

constexpr uint64_t kNoBadChunk = ~uint64_t(0);

/// Hashes [data, data + bytes) in chunks of artifact::kChunkBytes, on up to
/// `threads` threads, and compares with `expected` (one per chunk, any
/// alignment). Returns the first chunk that differs, or kNoBadChunk.
uint64_t findBadChunk(const uint8_t *data, uint64_t bytes,
                      const uint8_t *expected, unsigned threads);

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_LOADER_CHUNKHASHES_H
