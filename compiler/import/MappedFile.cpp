//===- MappedFile.cpp - A file's bytes, mapped read-only ------------------===//

#include "compiler/import/MappedFile.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mmcc::import {

std::shared_ptr<const MappedFile>
MappedFile::adopt(int descriptor, bool allowHardLinks, std::string &error) {
  struct Closer {
    int descriptor;
    ~Closer() { ::close(descriptor); }
  } closer{descriptor};
  struct stat status;
  if (::fstat(descriptor, &status) != 0) {
    error = std::strerror(errno);
    return nullptr;
  }
  if (!S_ISREG(status.st_mode)) {
    error = "is not a regular file";
    return nullptr;
  }
  if (!allowHardLinks && status.st_nlink > 1) {
    error = "has more than one hard link";
    return nullptr;
  }
  size_t size = status.st_size;
  if (size == 0)
    return std::shared_ptr<const MappedFile>(new MappedFile(nullptr, 0));
  void *data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (data == MAP_FAILED) {
    error = std::strerror(errno);
    return nullptr;
  }
  return std::shared_ptr<const MappedFile>(
      new MappedFile(static_cast<const char *>(data), size));
}

std::shared_ptr<const MappedFile> MappedFile::open(const std::string &path,
                                                   std::string &error) {
  // Without O_NONBLOCK a named pipe would wait for a writer for ever.
  int descriptor =
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (descriptor < 0) {
    error = std::strerror(errno);
    return nullptr;
  }
  return adopt(descriptor, /*allowHardLinks=*/true, error);
}

MappedFile::~MappedFile() {
  if (data)
    ::munmap(const_cast<char *>(data), size);
}

} // namespace mmcc::import
