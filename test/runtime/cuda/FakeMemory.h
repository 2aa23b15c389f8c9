//===- FakeMemory.h - A GPU's memory, which the host cannot touch ---------===//

#ifndef MMCC_TEST_RUNTIME_CUDA_FAKEMEMORY_H
#define MMCC_TEST_RUNTIME_CUDA_FAKEMEMORY_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <sys/mman.h>

namespace mmcc::fake {

using Result = int;
using Address = unsigned long long;

constexpr Result kSuccess = 0, kInvalidValue = 1, kOutOfMemory = 2,
                 kNoDevice = 100, kInvalidContext = 201;

class Memory {
public:
  explicit Memory(size_t limit) : limit_(limit) {}

  size_t limit() const { return limit_; }
  size_t used() const { return used_; }
  size_t allocations() const { return ranges_.size() + pinned_.size(); }

  Result allocate(Address &address, size_t bytes) {
    if (bytes == 0)
      return kInvalidValue;
    if (bytes > limit_ - used_)
      return kOutOfMemory;
    // A page on either side stays closed for good.
    size_t inner = (bytes + kPage - 1) / kPage * kPage;
    void *begin = mmap(nullptr, inner + 2 * kPage, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (begin == MAP_FAILED)
      return kOutOfMemory;
    char *data = static_cast<char *>(begin) + kPage;
    mprotect(data, inner, PROT_READ | PROT_WRITE);
    std::memset(data, 0xff, inner);
    if (!open_)
      mprotect(data, inner, PROT_NONE);
    address = reinterpret_cast<Address>(data);
    ranges_[address] = inner;
    used_ += inner;
    return kSuccess;
  }

  Result free(Address address) {
    auto found = ranges_.find(address);
    if (found == ranges_.end())
      return kInvalidValue;
    munmap(reinterpret_cast<char *>(address) - kPage,
           found->second + 2 * kPage);
    used_ -= found->second;
    ranges_.erase(found);
    return kSuccess;
  }

  Result allocatePinned(void *&address, size_t bytes) {
    address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED)
      return kOutOfMemory;
    pinned_[reinterpret_cast<Address>(address)] = bytes;
    return kSuccess;
  }

  Result freePinned(void *address) {
    auto found = pinned_.find(reinterpret_cast<Address>(address));
    if (found == pinned_.end())
      return kInvalidValue;
    munmap(address, found->second);
    pinned_.erase(found);
    return kSuccess;
  }

  bool has(Address address, size_t bytes) const {
    return within(ranges_, address, bytes);
  }
  bool isPinned(const void *address) const {
    return within(pinned_, reinterpret_cast<Address>(address), 1);
  }

  /// Open while the GPU works.
  void setOpen(bool open) {
    open_ = open;
    for (auto &[address, bytes] : ranges_)
      mprotect(reinterpret_cast<void *>(address), bytes,
               open ? PROT_READ | PROT_WRITE : PROT_NONE);
  }

private:
  static constexpr size_t kPage = 4096;

  static bool within(const std::map<Address, size_t> &ranges, Address address,
                     size_t bytes) {
    auto above = ranges.upper_bound(address);
    if (above == ranges.begin())
      return false;
    const auto &[begin, size] = *--above;
    return address - begin <= size && bytes <= size - (address - begin);
  }

  size_t limit_, used_ = 0;
  std::map<Address, size_t> ranges_, pinned_;
  bool open_ = false;
};

} // namespace mmcc::fake

#endif // MMCC_TEST_RUNTIME_CUDA_FAKEMEMORY_H
