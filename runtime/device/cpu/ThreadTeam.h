//===- ThreadTeam.h - The threads that run kernels --------------*- C++ -*-===//
//
// A team of `size` members: the thread that calls run() is member 0, the
// others are persistent. All members execute the same function and meet at
// barriers, so a list of hundreds of launches costs one wake-up and one
// barrier a launch instead of a fork and join each.
//
// A barrier counts arrivals; the last one flips the phase that the others
// watch. They watch by spinning for some tens of microseconds, which is longer
// than members of a balanced launch differ, and then by sleeping on a futex:
// one that wakes up is let in sooner on a busy machine than one that has spun
// its time away.
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

  /// Runs `function` on every member and returns when all have returned. Not
  /// for concurrent callers. Floating point works in the default mode
  /// (round to nearest, subnormals kept) and the caller's mode comes back.
  void run(Function function, void *context);

  /// The same on the calling thread only, as member 0.
  void runAlone(Function function, void *context);

  /// To be called by every member, from within the function of run().
  void barrier();

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

  Signal start_;
  Signal phase_;
  alignas(64) std::atomic<uint32_t> arrived_{0};
  Function function_ = nullptr;
  void *context_ = nullptr;
  bool stop_ = false;
  unsigned size_ = 1;
  std::vector<std::thread> threads_;
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_DEVICE_CPU_THREADTEAM_H
