#include "codegen/artifact/FileBuilder.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace mmcc::artifact {

struct ContentHash::State {
  XXH3_state_t xxh;
};

ContentHash::ContentHash() : state_(new State) {
  XXH3_128bits_reset(&state_->xxh);
}
ContentHash::~ContentHash() = default;

void ContentHash::update(const void *data, size_t bytes) {
  XXH3_128bits_update(&state_->xxh, data, bytes);
}

Hash128 ContentHash::digest() const {
  XXH128_hash_t hash = XXH3_128bits_digest(&state_->xxh);
  return {hash.low64, hash.high64};
}

/// The chunk that is being filled.
struct FileBuilder::Hasher {
  XXH3_state_t xxh;
  uint64_t filled = 0;
};

struct FileBuilder::Mark {
  uint64_t position;
  size_t chunks;
  Hasher hasher;
};

FileBuilder::FileBuilder(std::string path)
    : path_(std::move(path)), hasher_(new Hasher) {
  XXH3_128bits_reset(&hasher_->xxh);
}

FileBuilder::~FileBuilder() {
  if (descriptor_ < 0)
    return;
  close(descriptor_);
  unlink(temporary_.c_str());
}

bool FileBuilder::fail(const char *doing) {
  error_ = std::string("cannot ") + doing + " " + path_ + ": " +
           std::strerror(errno);
  return false;
}

bool FileBuilder::create() {
  // The finished file takes the place of what is there: never that of a device.
  struct stat there = {};
  if (stat(path_.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {
    errno = S_ISDIR(there.st_mode) ? EISDIR : EINVAL;
    return fail("put a file in the place of");
  }
  temporary_ = path_ + ".XXXXXX";
  descriptor_ = mkstemp(temporary_.data());
  if (descriptor_ < 0)
    return fail("create");
  // mkstemp makes private files; the result has the rights any new file has.
  mode_t mask = umask(0);
  umask(mask);
  fchmod(descriptor_, 0666 & ~mask);
  return true;
}

bool FileBuilder::writeAt(uint64_t offset, const void *data, size_t bytes) {
  const char *from = static_cast<const char *>(data);
  while (bytes > 0) {
    ssize_t count = pwrite(descriptor_, from, bytes, off_t(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0) {
      if (count == 0)
        errno = ENOSPC;
      return fail("write");
    }
    from += count;
    offset += uint64_t(count);
    bytes -= size_t(count);
  }
  return true;
}

void FileBuilder::finishChunk() {
  XXH128_hash_t hash = XXH3_128bits_digest(&hasher_->xxh);
  table_.push_back({hash.low64, hash.high64});
  XXH3_128bits_reset(&hasher_->xxh);
  hasher_->filled = 0;
}

bool FileBuilder::append(const void *data, size_t bytes) {
  if (!writeAt(position_, data, bytes))
    return false;
  position_ += bytes;
  const char *from = static_cast<const char *>(data);
  while (bytes > 0) {
    size_t count =
        size_t(std::min<uint64_t>(bytes, kChunkBytes - hasher_->filled));
    XXH3_128bits_update(&hasher_->xxh, from, count);
    hasher_->filled += count;
    from += count;
    bytes -= count;
    if (hasher_->filled == kChunkBytes)
      finishChunk();
  }
  return true;
}

bool FileBuilder::alignTo(uint64_t align) {
  static constexpr char zeros[kPageBytes] = {};
  uint64_t rest = position_ % align;
  return rest == 0 || append(zeros, size_t(align - rest));
}

std::shared_ptr<const FileBuilder::Mark> FileBuilder::mark() const {
  return std::make_shared<Mark>(Mark{position_, table_.size(), *hasher_});
}

void FileBuilder::rewind(const Mark &mark) {
  position_ = mark.position;
  table_.resize(mark.chunks);
  *hasher_ = mark.hasher;
}

bool FileBuilder::sameBytes(uint64_t first, uint64_t second, uint64_t bytes) {
  constexpr size_t block = 1 << 18;
  std::vector<char> a(block), b(block);
  for (uint64_t done = 0; done < bytes;) {
    size_t count = size_t(std::min<uint64_t>(block, bytes - done));
    if (pread(descriptor_, a.data(), count, off_t(first + done)) !=
            ssize_t(count) ||
        pread(descriptor_, b.data(), count, off_t(second + done)) !=
            ssize_t(count) ||
        std::memcmp(a.data(), b.data(), count) != 0)
      return false;
    done += count;
  }
  return true;
}

bool FileBuilder::commit(uint64_t program_offset, uint64_t program_bytes) {
  if (!alignTo(sizeof(Hash128)))
    return false;
  if (hasher_->filled > 0)
    finishChunk();
  FileHeader header = {};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.format_version = kFormatVersion;
  header.header_bytes = kHeaderBytes;
  header.chunk_bytes = kChunkBytes;
  header.program_offset = program_offset;
  header.program_bytes = program_bytes;
  header.table_offset = position_;
  header.chunk_count = table_.size();
  size_t table_bytes = table_.size() * sizeof(Hash128);
  header.file_bytes = position_ + table_bytes;

  std::vector<char> page(kHeaderBytes, 0);
  std::memcpy(page.data(), &header, sizeof(header));
  ContentHash hash;
  hash.update(page.data(), kHeaderHashOffset);
  hash.update(table_.data(), table_bytes);
  Hash128 digest = hash.digest();
  std::memcpy(page.data() + kHeaderHashOffset, &digest, sizeof(digest));

  if (!writeAt(position_, table_.data(), table_bytes) ||
      !writeAt(0, page.data(), page.size()))
    return false;
  // Rewinding may have left bytes behind the end.
  if (ftruncate(descriptor_, off_t(header.file_bytes)) != 0)
    return fail("write");
  if (rename(temporary_.c_str(), path_.c_str()) != 0)
    return fail("replace");
  int descriptor = descriptor_;
  descriptor_ = -1;
  if (close(descriptor) != 0)
    return fail("write");
  return true;
}

} // namespace mmcc::artifact
