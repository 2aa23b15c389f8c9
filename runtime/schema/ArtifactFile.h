//===- ArtifactFile.h - How a .mmcc file is laid out ------------*- C++ -*-===//
//
//     0                 FileHeader, one page; its last 16 bytes are the hash of
//                       the page's other bytes followed by the chunk table
//     header_bytes      segments (constants, images), each page-aligned
//     program_offset    FlatBuffer of program.fbs
//     table_offset      XXH3-128 of each chunk of [header_bytes, table_offset),
//                       low half first; the file ends with it
//
// All numbers are little-endian. Gaps are zero. Every byte of the file is under
// one of the hashes, so a change anywhere is noticed.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_SCHEMA_ARTIFACTFILE_H
#define MMCC_RUNTIME_SCHEMA_ARTIFACTFILE_H

#include <cstddef>
#include <cstdint>

namespace mmcc::artifact {

constexpr char kMagic[4] = {'M', 'M', 'C', 'C'};
/// Of the file's layout; the program has its own revision.
constexpr uint32_t kFormatVersion = 1;
constexpr uint64_t kPageBytes = 4096;
constexpr uint32_t kHeaderBytes = 4096;
constexpr uint32_t kChunkBytes = 4u << 20;
constexpr uint64_t kMaxProgramBytes = 64u << 20;
constexpr uint64_t kConstantAlign = 64;

struct FileHeader {
  char magic[4];
  uint32_t format_version;
  uint32_t header_bytes;
  uint32_t chunk_bytes;
  uint64_t file_bytes;
  uint64_t program_offset;
  uint64_t program_bytes;
  uint64_t table_offset;
  uint64_t chunk_count;
};
static_assert(sizeof(FileHeader) == 56, "part of the file format");

struct Hash128 {
  uint64_t low;
  uint64_t high;
};
static_assert(sizeof(Hash128) == 16, "part of the file format");

constexpr size_t kHeaderHashOffset = kHeaderBytes - sizeof(Hash128);

} // namespace mmcc::artifact

#endif // MMCC_RUNTIME_SCHEMA_ARTIFACTFILE_H
