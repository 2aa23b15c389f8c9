//===- Fibers.cpp - The threads of a block, one at a time -----------------===//
//
// Each CUDA thread has a stack of its own and runs until it waits; then the
// first one that can go on does. So a warp runs up to the next barrier before
// the next warp starts, and its lanes take turns only where they meet.
//
// Stacks stay from block to block and from launch to launch.
//
//===----------------------------------------------------------------------===//

#include "Fibers.h"
#include "Context.h"
#include "Meetings.h"

#include <cstdarg>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

__thread const mmcc::shim::Thread *mmcc_shim_thread = nullptr;

namespace mmcc::shim {

namespace {

constexpr unsigned kMaxThreads = 1024;
constexpr size_t kMaxShared = 227 << 10; // of sm_90, which has the most
constexpr size_t kSharedAlignment = 1024;

/// Dynamic shared memory, of the size that was asked for.
class SharedMemory {
public:
  explicit SharedMemory(size_t bytes) : bytes(bytes) {
    whole = (bytes / kSharedAlignment + 1) * kSharedAlignment;
    memory = static_cast<unsigned char *>(
        std::aligned_alloc(kSharedAlignment, whole));
    if (__asan_poison_memory_region)
      __asan_poison_memory_region(memory + bytes, whole - bytes);
  }
  ~SharedMemory() {
    if (__asan_unpoison_memory_region)
      __asan_unpoison_memory_region(memory, whole);
    std::free(memory);
  }
  SharedMemory(const SharedMemory &) = delete;

  /// What a block before left there must not be of use: NaN.
  void spoil() { std::memset(memory, 0xff, bytes); }
  unsigned char *data() const { return memory; }

private:
  size_t bytes, whole;
  unsigned char *memory;
};

/// Which threads can go on.
class ReadySet {
public:
  void insert(unsigned thread) { words[thread / 64] |= bit(thread); }
  void erase(unsigned thread) { words[thread / 64] &= ~bit(thread); }
  /// Lanes of a warp.
  void insert(unsigned warp, unsigned lanes) {
    words[warp / 2] |= uint64_t(lanes) << warp % 2 * 32;
  }
  /// -1 if there is none.
  int first() const {
    for (unsigned i = 0; i < kWords; ++i)
      if (words[i])
        return int(i * 64) + __builtin_ctzll(words[i]);
    return -1;
  }
  int last() const {
    for (unsigned i = kWords; i--;)
      if (words[i])
        return int(i * 64) + 63 - __builtin_clzll(words[i]);
    return -1;
  }

private:
  static constexpr unsigned kWords = kMaxThreads / 64;
  static uint64_t bit(unsigned thread) { return uint64_t(1) << thread % 64; }
  uint64_t words[kWords] = {};
};

struct Fiber {
  enum State { Running, InBlock, InWarp, Returned };

  explicit Fiber(void (*entry)()) : context(entry) {}

  Context context;
  Thread thread;
  State state = Returned;
};

class Scheduler {
public:
  void launch(void (*kernel)(const void *), dim3 grid, dim3 block,
              size_t dynamicSharedBytes, const void *parameters);
  int meetBlock(BlockCall call, bool predicate);
  uint64_t meetWarp(const WarpMeeting::Arrival &arrival);

private:
  [[noreturn]] static void enter();
  [[noreturn]] void live();
  void runBlock(uint3 block, unsigned char *shared);
  void leave();
  void giveWay();
  void releaseBlock();
  void releaseWarp(unsigned warp, unsigned lanes);
  [[noreturn]] void failStuck() const;

  Fiber &running() { return *fibers[current]; }

  Context main;
  std::vector<std::unique_ptr<Fiber>> fibers;
  // Of the launch.
  void (*kernel)(const void *) = nullptr;
  const void *parameters = nullptr;
  dim3 gridSize, blockSize;
  unsigned threads = 0;
  unsigned floatControl = 0;
  bool isReverse = false;
  // Of the block.
  BlockMeeting block;
  std::vector<WarpMeeting> warps;
  ReadySet ready;
  unsigned current = 0;
};

/// One for each of the machine's threads that launches.
Scheduler &scheduler() {
  // What is thread_local here has its place beside mmcc_shim_thread, where
  // there is little.
  static thread_local std::unique_ptr<Scheduler> instance;
  if (!instance)
    instance = std::make_unique<Scheduler>();
  return *instance;
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

void Scheduler::enter() {
  Context::arrive(nullptr);
  scheduler().live();
}

/// A fiber is one thread in every block.
void Scheduler::live() {
  while (true) {
    _mm_setcsr(floatControl);
    kernel(parameters);
    leave();
  }
}

void Scheduler::leave() {
  Fiber &self = running();
  self.state = Fiber::Returned;
  ready.erase(current);
  const unsigned warp = current / 32;
  releaseWarp(warp, warps[warp].leave(self.thread.lane));
  if (block.leave())
    releaseBlock();
  giveWay();
}

/// Runs who can go on, which may be the thread itself.
void Scheduler::giveWay() {
  Context &self = running().context;
  const int next = isReverse ? ready.last() : ready.first();
  if (next < 0) {
    if (!block.isEmpty())
      failStuck();
    mmcc_shim_thread = nullptr;
    self.leaveFor(main);
    return;
  }
  current = next;
  mmcc_shim_thread = &running().thread;
  if (&running().context != &self)
    self.leaveFor(running().context);
}

//===----------------------------------------------------------------------===//
// Meetings
//===----------------------------------------------------------------------===//

void Scheduler::releaseBlock() {
  for (unsigned i = 0; i < threads; ++i)
    if (fibers[i]->state == Fiber::InBlock) {
      fibers[i]->state = Fiber::Running;
      ready.insert(i);
    }
}

void Scheduler::releaseWarp(unsigned warp, unsigned lanes) {
  ready.insert(warp, lanes);
  for (; lanes; lanes &= lanes - 1)
    fibers[warp * 32 + __builtin_ctz(lanes)]->state = Fiber::Running;
}

int Scheduler::meetBlock(BlockCall call, bool predicate) {
  running().state = Fiber::InBlock;
  ready.erase(current);
  if (block.arrive(call, predicate))
    releaseBlock();
  giveWay();
  return block.result();
}

uint64_t Scheduler::meetWarp(const WarpMeeting::Arrival &arrival) {
  const unsigned warp = current / 32, lane = current % 32;
  running().state = Fiber::InWarp;
  ready.erase(current);
  releaseWarp(warp, warps[warp].arrive(lane, arrival));
  giveWay();
  return warps[warp].result(lane);
}

/// The block's threads wait for each other. Names some of them, one of each
/// row that waits for the same.
void Scheduler::failStuck() const {
  std::string what = "no thread can go on";
  std::string before;
  int lines = 0;
  for (unsigned i = 0; i < threads && lines < 8; ++i) {
    const Fiber &fiber = *fibers[i];
    char text[128] = "";
    if (fiber.state == Fiber::InBlock) {
      std::snprintf(text, sizeof text, "waits in %s", nameOf(block.call()));
    } else if (fiber.state == Fiber::InWarp) {
      const WarpMeeting &warp = warps[i / 32];
      const WarpMeeting::Arrival &arrival = warp.arrival(i % 32);
      std::snprintf(
          text, sizeof text, "waits in %s with mask 0x%08x for lanes 0x%08x",
          nameOf(arrival.call), arrival.mask, warp.missing(arrival.mask));
    }
    if (*text && text != before) {
      const uint3 at = fiber.thread.index;
      char place[64];
      std::snprintf(place, sizeof place, "\n  thread (%u, %u, %u) ", at.x, at.y,
                    at.z);
      what += place;
      what += text;
      ++lines;
    }
    before = text;
  }
  fail("%s", what.c_str());
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

void Scheduler::runBlock(uint3 at, unsigned char *shared) {
  block = BlockMeeting(threads);
  warps.clear();
  for (unsigned i = 0; i < threads; i += 32)
    warps.emplace_back(std::min(threads - i, 32u));
  for (unsigned i = 0; i < threads; ++i) {
    const uint3 index = {i % blockSize.x, i / blockSize.x % blockSize.y,
                         i / blockSize.x / blockSize.y};
    fibers[i]->thread = {index, at, blockSize, gridSize, i % 32, shared};
    fibers[i]->state = Fiber::Running;
    ready.insert(i);
  }
  current = isReverse ? ready.last() : ready.first();
  mmcc_shim_thread = &running().thread;
  main.leaveFor(running().context);
}

void Scheduler::launch(void (*function)(const void *), dim3 grid, dim3 size,
                       size_t dynamicSharedBytes, const void *arguments) {
  if (mmcc_shim_thread)
    fail("a kernel launches a kernel");
  const uint64_t count = uint64_t(size.x) * size.y * size.z;
  if (count == 0 || count > kMaxThreads)
    fail("a block of %llu threads", static_cast<unsigned long long>(count));
  if (dynamicSharedBytes > kMaxShared)
    fail("a block of %zu bytes of shared memory", dynamicSharedBytes);
  kernel = function;
  parameters = arguments;
  gridSize = grid;
  blockSize = size;
  threads = unsigned(count);
  floatControl = _mm_getcsr();
  const char *order = std::getenv("MMCC_SHIM_ORDER");
  isReverse = order && std::strcmp(order, "reverse") == 0;
  while (fibers.size() < threads)
    fibers.push_back(std::make_unique<Fiber>(&Scheduler::enter));
  SharedMemory shared(dynamicSharedBytes);
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        shared.spoil();
        runBlock({x, y, z}, shared.data());
      }
}

} // namespace

void fail(const char *format, ...) {
  std::fputs("CUDA shim: ", stderr);
  if (const Thread *thread = mmcc_shim_thread)
    std::fprintf(stderr,
                 "block (%u, %u, %u), thread (%u, %u, %u): ", thread->block.x,
                 thread->block.y, thread->block.z, thread->index.x,
                 thread->index.y, thread->index.z);
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputs("\n", stderr);
  std::abort();
}

} // namespace mmcc::shim

using namespace mmcc::shim;

int mmcc_shim_meet_block(BlockCall call, bool predicate) {
  return scheduler().meetBlock(call, predicate);
}

uint64_t mmcc_shim_meet_warp(WarpCall call, unsigned mask, uint64_t value,
                             unsigned source) {
  return scheduler().meetWarp({call, mask, value, source});
}

void mmcc_shim_trap(const char *what) { fail("%s", what); }

void mmcc_shim_launch(void (*kernel)(const void *), const unsigned grid[3],
                      const unsigned block[3], size_t dynamicSharedBytes,
                      const void *parameters) {
  scheduler().launch(kernel, dim3(grid[0], grid[1], grid[2]),
                     dim3(block[0], block[1], block[2]), dynamicSharedBytes,
                     parameters);
}
