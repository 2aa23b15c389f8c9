#include "runtime/loader/ChunkHashes.h"

#include "runtime/core/Hash.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <sys/mman.h>
#include <system_error>
#include <thread>
#include <vector>

namespace mmcc::runtime {

namespace {

struct Work {
  const uint8_t *data;
  uint64_t bytes;
  const uint8_t *expected;
  uint64_t count;
  std::atomic<uint64_t> next{0};
  std::atomic<uint64_t> bad{kNoBadChunk};
};

void noteBad(Work &work, uint64_t chunk) {
  uint64_t known = work.bad.load();
  while (chunk < known && !work.bad.compare_exchange_weak(known, chunk)) {
  }
}

void hashChunks(Work &work) {
  for (;;) {
    uint64_t chunk = work.next.fetch_add(1, std::memory_order_relaxed);
    if (chunk >= work.count)
      return;
    uint64_t begin = chunk * artifact::kChunkBytes;
    uint64_t bytes =
        std::min<uint64_t>(artifact::kChunkBytes, work.bytes - begin);
    // One call instead of a page fault every 64 KiB; older kernels say EINVAL.
#ifdef MADV_POPULATE_READ
    madvise(const_cast<uint8_t *>(work.data + begin), bytes,
            MADV_POPULATE_READ);
#endif
    artifact::Hash128 expected;
    std::memcpy(&expected, work.expected + chunk * sizeof(expected),
                sizeof(expected));
    if (!equal(hash128(work.data + begin, bytes), expected))
      noteBad(work, chunk);
  }
}

} // namespace

uint64_t findBadChunk(const uint8_t *data, uint64_t bytes,
                      const uint8_t *expected, unsigned threads) {
  Work work;
  work.data = data;
  work.bytes = bytes;
  work.expected = expected;
  work.count = (bytes + artifact::kChunkBytes - 1) / artifact::kChunkBytes;

  // A thread is worth starting for a few chunks or more.
  uint64_t helpers =
      std::min<uint64_t>(threads > 1 ? threads - 1 : 0, work.count / 4);
  std::vector<std::thread> team;
  team.reserve(helpers);
  for (uint64_t i = 0; i < helpers; ++i) {
    try {
      team.emplace_back([&work] { hashChunks(work); });
    } catch (const std::system_error &) {
      break; // no more threads to be had: the others do the work
    }
  }
  hashChunks(work);
  for (std::thread &thread : team)
    thread.join();
  return work.bad.load();
}

} // namespace mmcc::runtime
