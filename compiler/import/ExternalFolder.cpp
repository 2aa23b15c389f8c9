//===- ExternalFolder.cpp - Files that a model may read -------------------===//

#include "compiler/import/ExternalFolder.h"
#include "llvm/ADT/SmallVector.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace llvm;

namespace mmcc::import {

static constexpr int kOpenFlags =
    O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW;

ExternalFolder::~ExternalFolder() {
  if (folder >= 0)
    ::close(folder);
}

/// Opens one component after the other, for kernels without openat2.
static int walkComponents(int folder, ArrayRef<StringRef> components) {
  int current = folder;
  for (auto [index, component] : llvm::enumerate(components)) {
    bool last = index + 1 == components.size();
    int next = ::openat(current, component.str().c_str(),
                        last ? kOpenFlags : kOpenFlags | O_DIRECTORY);
    int reason = errno;
    if (current != folder)
      ::close(current);
    if (next < 0) {
      errno = reason;
      return -1;
    }
    current = next;
  }
  return current;
}

int ExternalFolder::openBeneath(StringRef location, std::string &error) {
  if (folder < 0)
    folder = ::open(path.empty() ? "." : path.c_str(),
                    O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) {
    error = std::strerror(errno);
    return -1;
  }
  SmallVector<StringRef> components;
  location.split(components, '/');
  llvm::erase_if(components,
                 [](StringRef name) { return name.empty() || name == "."; });
  if (components.empty()) {
    error = "names no file";
    return -1;
  }
  struct open_how how = {};
  how.flags = kOpenFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  int descriptor = static_cast<int>(::syscall(
      SYS_openat2, folder, location.str().c_str(), &how, sizeof(how)));
  // Old kernels lack the call; sandboxes deny it with EPERM.
  if (descriptor < 0 && (errno == ENOSYS || errno == EPERM || errno == EINVAL))
    descriptor = walkComponents(folder, components);
  if (descriptor < 0)
    error = errno == ELOOP || errno == ENOTDIR
                ? "passes through a symbolic link or a file"
                : std::strerror(errno);
  return descriptor;
}

std::shared_ptr<const MappedFile> ExternalFolder::map(StringRef location,
                                                      std::string &error) {
  auto known = files.find(location);
  if (known != files.end())
    return known->second;
  if (location.empty() || location.contains('\0')) {
    error = "is empty or holds a zero byte";
    return nullptr;
  }
  if (location.starts_with("/")) {
    error = "is an absolute path";
    return nullptr;
  }
  SmallVector<StringRef> components;
  location.split(components, '/');
  if (llvm::is_contained(components, "..")) {
    error = "leaves the model's folder";
    return nullptr;
  }
  int descriptor = openBeneath(location, error);
  if (descriptor < 0)
    return nullptr;
  auto file = MappedFile::adopt(descriptor, allowHardLinks, error);
  if (file)
    files[location] = file;
  return file;
}

} // namespace mmcc::import
