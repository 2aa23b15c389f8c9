//===- Fibers.cpp - The threads of a block, one at a time -----------------===//
//
// Each thread has a stack of its own and runs until it waits; then the next one
// of its warp that can go on does, and the next warp when none can: a warp runs
// as far ahead of the others as the block's barriers let it. What waits is such
// a barrier, of all or of some threads, or an exchange among lanes of a warp,
// which is two: all have given, all have taken. Who arrives at a barrier
// without waiting lets all others go first: what it should have done before
// shows.
//
//===----------------------------------------------------------------------===//

#include "test/codegen/cuda/shim/CudaShim.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sys/mman.h>
#include <vector>

#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

namespace {

constexpr size_t kStackBytes = 256 << 10, kGuardBytes = 4096;

extern "C" void mmcc_shim_switch(void **from, void *to);
// Saves the registers that a called function must keep on the stack that is
// left, and takes those of the one that is entered.
asm(R"(
.text
.globl mmcc_shim_switch
.hidden mmcc_shim_switch
mmcc_shim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");

struct Fiber {
  void *stack = nullptr; // where it goes on
  mmcc::shim::Place place;
  bool isDone = false;
  /// It waits while *event has this value.
  const uint64_t *event = nullptr;
  uint64_t seen = 0;
};

/// A meeting of some threads; `count` meetings have taken place.
struct Meeting {
  unsigned arrived = 0;
  uint64_t count = 0;
};

/// `threads` of a meeting that is going on.
struct NamedBarrier {
  Meeting meeting;
  unsigned threads = 0;
};

struct Warp {
  Meeting meeting;
  unsigned mask = 0;
  uint64_t values[32];
  char gathered[32][64];
};

class BlockRun {
public:
  void run(void (*kernel)(const void *), const void *parameters,
           mmcc::shim::Position block, mmcc::shim::Position threads,
           mmcc::shim::Position grid);

  void checkShared(uint64_t bytes) const {
    if (bytes > sharedBytes)
      fail("more shared memory is used than the launch says");
  }

  Fiber *current = nullptr;
  size_t sharedBytes = 0; // dynamic
  uint64_t number = 0;    // of blocks that have run, and this one

  void syncBlock() {
    if (++block.arrived == alive)
      release(block);
    else
      waitFor(block.count);
  }

  void meetAt(unsigned which, unsigned threads, bool waits) {
    if (which >= kNamedBarriers || which == 0 || threads % 32)
      fail("there is no such barrier");
    NamedBarrier &barrier = named[which];
    if (barrier.meeting.arrived == 0)
      barrier.threads = threads;
    if (barrier.threads != threads)
      fail("threads expect different numbers at a barrier");
    if (++barrier.meeting.arrived == threads)
      release(barrier.meeting);
    else if (waits)
      waitFor(barrier.meeting.count);
    if (!waits)
      waitFor(standstills);
  }

  uint64_t exchange(unsigned mask, uint64_t value, unsigned from) {
    const unsigned thread = current->place.threadIdx.x;
    Warp &warp = warps[thread / 32];
    meet(warp, mask);
    warp.values[thread % 32] = value;
    meet(warp, mask);
    const uint64_t result = mask >> from & 1 ? warp.values[from] : value;
    meet(warp, mask);
    return result;
  }

  void waitFor(const uint64_t &event) {
    current->event = &event;
    current->seen = event;
    mmcc_shim_switch(&current->stack, scheduler);
  }

  void gather(const void *mine, unsigned bytes, char *all) {
    const unsigned thread = current->place.threadIdx.x;
    Warp &warp = warps[thread / 32];
    constexpr unsigned everyone = 0xffffffffu;
    meet(warp, everyone);
    std::memcpy(warp.gathered[thread % 32], mine, bytes);
    meet(warp, everyone);
    for (unsigned lane = 0; lane < 32; ++lane)
      std::memcpy(all + lane * bytes, warp.gathered[lane], bytes);
    meet(warp, everyone);
  }

private:
  static void enter();
  [[noreturn]] void fail(const char *what) const {
    const auto &at = current->place;
    std::fprintf(stderr, "CUDA shim: %s: block (%u, %u, %u), thread %u\n", what,
                 at.blockIdx.x, at.blockIdx.y, at.blockIdx.z, at.threadIdx.x);
    std::abort();
  }
  void release(Meeting &meeting) {
    meeting.arrived = 0;
    ++meeting.count;
  }
  void meet(Warp &warp, unsigned mask) {
    const unsigned lane = 1u << current->place.threadIdx.x % 32;
    if (!(mask & lane))
      fail("a lane is not in its own mask");
    if (warp.meeting.arrived == 0)
      warp.mask = mask;
    if (warp.mask != mask)
      fail("lanes of a warp meet with different masks");
    warp.meeting.arrived |= lane;
    if (warp.meeting.arrived == mask)
      release(warp.meeting);
    else
      waitFor(warp.meeting.count);
  }
  char *stackOf(size_t thread);

  void *scheduler = nullptr;
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  std::vector<char *> stacks;
  Meeting block;
  uint64_t standstills = 0; // nobody could go on who had not just arrived
  static constexpr unsigned kNamedBarriers = 16;
  NamedBarrier named[kNamedBarriers];
  unsigned alive = 0;
  void (*kernel)(const void *) = nullptr;
  const void *parameters = nullptr;
};

/// A missing barrier shows when threads run in the other order.
bool isReverse() {
  const char *order = std::getenv("MMCC_SHIM_ORDER");
  return order && std::strcmp(order, "reverse") == 0;
}

BlockRun &running() {
  static BlockRun run;
  return run;
}

char *BlockRun::stackOf(size_t thread) {
  while (stacks.size() <= thread) {
    void *memory =
        mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, kGuardBytes, PROT_NONE)) {
      std::perror("CUDA shim: a thread's stack");
      std::abort();
    }
    stacks.push_back(static_cast<char *>(memory) + kGuardBytes);
  }
  return stacks[thread];
}

/// A fiber's first function; nobody called it.
void BlockRun::enter() {
  BlockRun &run = running();
  run.kernel(run.parameters);
  run.current->isDone = true;
  // Those who wait for the block do not wait for who has left.
  if (--run.alive && run.block.arrived == run.alive)
    run.release(run.block);
  void *nowhere;
  mmcc_shim_switch(&nowhere, run.scheduler);
  std::abort();
}

void BlockRun::run(void (*function)(const void *), const void *arguments,
                   mmcc::shim::Position at, mmcc::shim::Position threads,
                   mmcc::shim::Position grid) {
  kernel = function;
  parameters = arguments;
  alive = threads.x;
  ++number;
  block = {};
  fibers.assign(threads.x, {});
  warps.assign((threads.x + 31) / 32, {});
  for (unsigned i = 0; i < threads.x; ++i) {
    fibers[i].place = {{i, 0, 0}, at, threads, grid};
    // Six registers, then where to return to; behind that, the stack is as a
    // call leaves it: 8 above a multiple of 16.
    auto *top = reinterpret_cast<uint64_t *>(stackOf(i) + kStackBytes);
    top -= 1;
    *--top = reinterpret_cast<uint64_t>(&BlockRun::enter);
    fibers[i].stack = top - 6;
  }
  const bool isBackwards = isReverse();
  // A warp runs as far as it gets by itself before the next one does.
  auto runWarp = [&](unsigned begin, unsigned end) {
    bool hasMoved = false, moves = true;
    while (moves) {
      moves = false;
      for (unsigned i = begin; i < end; ++i) {
        Fiber &fiber = fibers[isBackwards ? begin + end - 1 - i : i];
        if (fiber.isDone || (fiber.event && *fiber.event == fiber.seen))
          continue;
        hasMoved = moves = true;
        fiber.event = nullptr;
        current = &fiber;
        mmcc_shim_switch(&scheduler, fiber.stack);
      }
    }
    return hasMoved;
  };
  const auto warpCount = unsigned(warps.size());
  while (alive) {
    bool hasMoved = false;
    for (unsigned i = 0; i < warpCount; ++i) {
      const unsigned warp = isBackwards ? warpCount - 1 - i : i;
      hasMoved |= runWarp(warp * 32, std::min(warp * 32 + 32, threads.x));
    }
    if (hasMoved)
      continue;
    if (std::none_of(fibers.begin(), fibers.end(), [&](const Fiber &fiber) {
          return !fiber.isDone && fiber.event == &standstills;
        }))
      fail("all threads wait for others (a barrier that not all reach)");
    ++standstills;
  }
  for (NamedBarrier &barrier : named)
    if (barrier.meeting.arrived)
      fail("threads have arrived at a barrier where nobody waits");
}

} // namespace

extern "C" mmcc::shim::Place *mmcc_shim_place() {
  return &running().current->place;
}
extern "C" void mmcc_shim_sync_block() { running().syncBlock(); }
extern "C" void mmcc_shim_named_barrier(unsigned barrier, unsigned threads,
                                        bool waits) {
  running().meetAt(barrier, threads, waits);
}
extern "C" uint64_t mmcc_shim_exchange(unsigned mask, uint64_t value,
                                       unsigned from) {
  return running().exchange(mask, value, from);
}

extern "C" uint64_t mmcc_shim_block_number() { return running().number; }
extern "C" void mmcc_shim_wait_change(const uint64_t *number) {
  running().waitFor(*number);
}
extern "C" void mmcc_shim_gather(const void *mine, unsigned bytes, void *all) {
  running().gather(mine, bytes, static_cast<char *>(all));
}

extern "C" void mmcc_shim_check_shared(uint64_t bytes) {
  running().checkShared(bytes);
}

/// Runs a kernel on a grid, one block after another: in the other order if
/// threads are. One launch at a time.
extern "C" void mmcc_shim_launch(void (*kernel)(const void *),
                                 const unsigned grid[3],
                                 const unsigned block[3], size_t shared,
                                 const void *parameters) {
  running().sharedBytes = shared;
  const uint64_t count = uint64_t(grid[0]) * grid[1] * grid[2];
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t at = isReverse() ? count - 1 - i : i;
    const unsigned x = unsigned(at % grid[0]);
    const unsigned y = unsigned(at / grid[0] % grid[1]);
    const unsigned z = unsigned(at / grid[0] / grid[1]);
    running().run(kernel, parameters, {x, y, z}, {block[0], block[1], block[2]},
                  {grid[0], grid[1], grid[2]});
  }
}
