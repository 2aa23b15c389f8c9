#include "runtime/loader/FileMapping.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mmcc::runtime {

static std::string systemText(const char *doing) {
  return std::string("cannot ") + doing + ": " + std::strerror(errno);
}

FileMapping::~FileMapping() {
  if (code_)
    munmap(const_cast<uint8_t *>(code_), code_bytes_);
  if (data_)
    munmap(const_cast<uint8_t *>(data_), size_);
  if (descriptor_ >= 0)
    close(descriptor_);
}

Status FileMapping::open(const char *path) {
  // Without O_NONBLOCK a FIFO in the file's place would hang the caller.
  descriptor_ = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0)
    return {errno == ENOENT || errno == ENOTDIR ? Code::not_found
                                                : Code::io_error,
            systemText("open")};
  struct stat info;
  if (fstat(descriptor_, &info) != 0)
    return {Code::io_error, systemText("read the file's size")};
  if (!S_ISREG(info.st_mode))
    return {Code::invalid_file, "not a regular file"};
  if (info.st_size == 0)
    return {Code::invalid_file, "the file is empty"};
  size_ = uint64_t(info.st_size);
  void *address = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor_, 0);
  if (address == MAP_FAILED)
    return {errno == ENOMEM ? Code::out_of_memory : Code::io_error,
            systemText("map")};
  data_ = static_cast<const uint8_t *>(address);
  return {};
}

Status FileMapping::mapExecutable(uint64_t offset, uint64_t bytes,
                                  const uint8_t *&code) {
  void *address = mmap(nullptr, bytes, PROT_READ | PROT_EXEC, MAP_PRIVATE,
                       descriptor_, off_t(offset));
  if (address == MAP_FAILED)
    return {errno == ENOMEM ? Code::out_of_memory : Code::io_error,
            systemText("map the code (is the file system mounted noexec?)")};
  code_ = code = static_cast<const uint8_t *>(address);
  code_bytes_ = bytes;
  return {};
}

} // namespace mmcc::runtime
