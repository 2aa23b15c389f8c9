#include "runtime/device/cpu/Slab.h"

#include <sys/mman.h>
#include <utility>

namespace mmcc::runtime {

Slab::~Slab() { release(); }

Slab::Slab(Slab &&other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

void Slab::release() {
  if (data_)
    munmap(data_, bytes_ + kTailBytes);
  data_ = nullptr;
  bytes_ = 0;
}

bool Slab::reserve(uint64_t bytes) {
  if (data_ && bytes <= bytes_)
    return true;
  release();
  constexpr uint64_t page = 4096, huge = 2u << 20;
  constexpr uint64_t limit = uint64_t(1) << 47; // no more can be addressed
  if (bytes > limit)
    return false;
  uint64_t unit = bytes >= huge ? huge : page;
  uint64_t total = (bytes + kTailBytes + unit - 1) / unit * unit;

  // Over-reserve, then give the ends back: the kernel only puts huge pages
  // where 2 MiB of addresses begin at a multiple of 2 MiB.
  uint64_t slack = unit == huge ? huge : 0;
  void *address = mmap(nullptr, total + slack, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED)
    return false;
  uint8_t *begin = static_cast<uint8_t *>(address);
  if (slack) {
    uint64_t lead = (huge - reinterpret_cast<uintptr_t>(begin) % huge) % huge;
    if (lead)
      munmap(begin, lead);
    if (slack - lead)
      munmap(begin + lead + total, slack - lead);
    begin += lead;
    madvise(begin, total, MADV_HUGEPAGE);
  }
  data_ = begin;
  bytes_ = total - kTailBytes;
  return true;
}

} // namespace mmcc::runtime
