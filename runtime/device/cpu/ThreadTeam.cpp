#include "runtime/device/cpu/ThreadTeam.h"

#include <immintrin.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace mmcc::runtime {

namespace {

constexpr unsigned kDefaultFloatMode = 0x1f80;
// A `pause` takes 15 to 50 nanoseconds.
constexpr unsigned kSpins = 2000;

void futexWait(std::atomic<uint32_t> &word, uint32_t seen) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}

void futexWakeAll(std::atomic<uint32_t> &word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
}

} // namespace

void ThreadTeam::Signal::advance() {
  // Sequentially consistent with waitWhile: either the sleeper is seen here or
  // the new value there.
  value.fetch_add(1);
  if (sleepers.load() != 0)
    futexWakeAll(value);
}

void ThreadTeam::Signal::waitWhile(uint32_t seen) {
  for (unsigned i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != seen)
      return;
    _mm_pause();
  }
  sleepers.fetch_add(1);
  while (value.load() == seen)
    futexWait(value, seen);
  sleepers.fetch_sub(1);
}

void ThreadTeam::pause(unsigned count) {
  if (count < kSpins)
    _mm_pause();
  else
    std::this_thread::yield();
}

void ThreadTeam::work(unsigned member) {
  _mm_setcsr(kDefaultFloatMode);
  uint32_t seen = 0;
  uint64_t joined = 0;
  for (;;) {
    start_.waitWhile(seen);
    // Read before joining: a run that starts later is not missed.
    seen = start_.value.load();
    if (stop_)
      return;
    uint32_t state = state_.load();
    while (!(state & kClosed))
      if (state_.compare_exchange_weak(state, state + 1)) {
        // It may have joined before it was called: once is enough. No later
        // run begins before it leaves.
        if (run_ != joined)
          function_(context_, member);
        joined = run_;
        seen = start_.value.load();
        state_.fetch_sub(1);
        break;
      }
  }
}

/// Moves the calling thread to the processor `distance` further than `from`
/// among those that it may use; it may move on from there. Threads that mostly
/// sleep are otherwise left on the processor that made them, to share it.
static void beginAt(int from, unsigned distance) {
  cpu_set_t allowed, one;
  if (from < 0 || sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
    return;
  unsigned count = unsigned(CPU_COUNT(&allowed)), place = 0;
  for (int cpu = 0; cpu < from; ++cpu)
    place += CPU_ISSET(cpu, &allowed) != 0;
  place = (place + distance) % count;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed) && place-- == 0) {
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      sched_setaffinity(0, sizeof(one), &one);
      sched_setaffinity(0, sizeof(allowed), &allowed);
      return;
    }
}

Status ThreadTeam::start(unsigned size) {
  threads_.reserve(size - 1);
  int here = sched_getcpu();
  for (unsigned member = 1; member < size; ++member) {
    try {
      threads_.emplace_back([this, member, here] {
        beginAt(here, member);
        work(member);
      });
    } catch (const std::system_error &) {
      return {Code::out_of_memory,
              "cannot start " + std::to_string(size) + " threads"};
    }
  }
  size_ = size;
  return {};
}

ThreadTeam::~ThreadTeam() {
  stop_ = true;
  start_.advance();
  for (std::thread &thread : threads_)
    thread.join();
}

namespace {

/// The default floating-point mode for as long as it lives.
class FloatMode {
public:
  FloatMode() : callers_(_mm_getcsr()) { _mm_setcsr(kDefaultFloatMode); }
  ~FloatMode() { _mm_setcsr(callers_); }

private:
  unsigned callers_;
};

} // namespace

void ThreadTeam::runAlone(Function function, void *context) {
  FloatMode mode;
  function(context, 0);
}

void ThreadTeam::run(Function function, void *context) {
  FloatMode mode;
  ++run_;
  function_ = function;
  context_ = context;
  if (size_ > 1) {
    state_.store(0);
    start_.advance();
  }
  function(context, 0);
  if (size_ > 1) {
    state_.fetch_or(kClosed);
    for (unsigned count = 0; state_.load() != kClosed; ++count)
      pause(count);
  }
}

} // namespace mmcc::runtime
