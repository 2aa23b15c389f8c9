//===- ThreadTeam.h - The threads that run kernels --------------*- C++ -*-===//
//
// A team of `size` members: the thread that calls run() is member 0, the
// others are persistent. Every member that is awake joins and executes the same
// function; work is dealt by counters that all of them advance. A member whose
// processor is busy elsewhere joins late or not at all, and nobody waits for
// it: run() returns when those that joined have left.
//
//     state:  closed ─ run() ─► open, 0 joined ─ join ─► open, n joined
//                ▲                                          │ member 0 is done
//                └────────── everybody left ◄── closed, n joined
//
// Waiting is by spinning for some tens of microseconds, then by giving way:
// members sleep on a futex between runs.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_DEVICE_CPU_THREADTEAM_H
#define MMCC_RUNTIME_DEVICE_CPU_THREADTEAM_H

#include "runtime/core/Status.h"

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace mmcc::runtime {

class ThreadTeam {
public:
  using Function = void (*)(void *context, unsigned member);

  ThreadTeam() = default;
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam &) = delete;
  ThreadTeam &operator=(const ThreadTeam &) = delete;

  /// Starts size - 1 threads. Called once, with 1 <= size <= kMaxSize.
  Status start(unsigned size);

  /// Runs `function` on member 0 and on every member that joins before member 0
  /// returns from it; returns when all of them have. The function must do all
  /// the work even if nobody joins. Not for concurrent callers. Floating point
  /// works in the default mode (round to nearest, subnormals kept) and the
  /// caller's mode comes back.
  void run(Function function, void *context);

  /// The same on the calling thread only, as member 0.
  void runAlone(Function function, void *context);

  /// One step of waiting for another member, the `count`-th so far.
  static void pause(unsigned count);

  unsigned size() const { return size_; }

  static constexpr unsigned kMaxSize = 1024;

private:
  /// A 32-bit word that some threads wait on to change.
  struct alignas(64) Signal {
    std::atomic<uint32_t> value{0};
    std::atomic<uint32_t> sleepers{0};

    void advance();
    void waitWhile(uint32_t seen);
  };

  void work(unsigned member);

  static constexpr uint32_t kClosed = uint32_t(1) << 31;

  Signal start_;
  /// Members that joined, and kClosed.
  alignas(64) std::atomic<uint32_t> state_{kClosed};
  /// Counts runs: a member that joined one early does not join it again.
  uint64_t run_ = 0;
  Function function_ = nullptr;
  void *context_ = nullptr;
  std::atomic<bool> stop_{false};
  unsigned size_ = 1;
  std::vector<std::thread> threads_;
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_DEVICE_CPU_THREADTEAM_H
