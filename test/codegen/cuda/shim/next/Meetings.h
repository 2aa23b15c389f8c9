//===- Meetings.h - Who waits for whom --------------------------*- C++ -*-===//
//
// Threads that have returned are not waited for, as on sm_70 and later. What
// the last one to arrive computes is there for all: nobody can be at the next
// meeting before having left this one, so one meeting is enough for a shuffle.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_MEETINGS_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_MEETINGS_H

#include "Fibers.h"

#include <algorithm>

namespace mmcc::shim {

/// Says what is wrong and where; ends the process.
[[noreturn]] void fail(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

inline const char *nameOf(BlockCall call) {
  static constexpr const char *names[] = {"__syncthreads", "__syncthreads_or",
                                          "__syncthreads_and",
                                          "__syncthreads_count"};
  return names[int(call)];
}

inline const char *nameOf(WarpCall call) {
  static constexpr const char *names[] = {
      "__syncwarp",        "__shfl_sync",       "__ballot_sync",
      "__any_sync",        "__all_sync",        "__reduce_add_sync",
      "__reduce_min_sync", "__reduce_max_sync", "__reduce_min_sync",
      "__reduce_max_sync", "__reduce_and_sync", "__reduce_or_sync",
      "__reduce_xor_sync"};
  return names[int(call)];
}

class BlockMeeting {
public:
  BlockMeeting() = default;
  explicit BlockMeeting(unsigned threads) : present(threads) {}

  /// Whether this was the last one and all may go on.
  bool arrive(BlockCall call, bool predicate) {
    if (arrived && call != current)
      fail("in %s, others of the block wait in %s", nameOf(call),
           nameOf(current));
    current = call;
    ++arrived;
    holding += predicate;
    return isComplete();
  }
  bool leave() {
    --present;
    return isComplete();
  }
  bool isEmpty() const { return present == 0; }
  BlockCall call() const { return current; }
  int result() const { return latest; }

private:
  bool isComplete() {
    if (arrived == 0 || arrived != present)
      return false;
    latest = current == BlockCall::And     ? holding == arrived
             : current == BlockCall::Count ? int(holding)
                                           : holding != 0;
    arrived = holding = 0;
    return true;
  }

  BlockCall current = BlockCall::Sync;
  unsigned present = 0, arrived = 0, holding = 0;
  int latest = 0;
};

class WarpMeeting {
public:
  struct Arrival {
    WarpCall call;
    unsigned mask;
    uint64_t value;
    unsigned source;
  };

  /// A warp of fewer than 32 lanes: others are as if they had returned.
  explicit WarpMeeting(unsigned lanes = 32)
      : gone(lanes < 32 ? ~0u << lanes : 0) {}

  /// The lanes that may go on.
  unsigned arrive(unsigned lane, const Arrival &arrival) {
    if (!(arrival.mask >> lane & 1))
      fail("%s with mask 0x%08x, which lacks the lane %u that calls",
           nameOf(arrival.call), arrival.mask, lane);
    arrivals[lane] = arrival;
    // One of those who wait is enough: they agree with each other.
    if (const unsigned others = waiting & arrival.mask)
      check(lane, __builtin_ctz(others));
    waiting |= 1u << lane;
    return isComplete(arrival.mask) ? complete(arrival.mask) : 0;
  }
  unsigned leave(unsigned lane) {
    gone |= 1u << lane;
    unsigned released = 0;
    for (unsigned rest = waiting; rest; rest &= rest - 1) {
      const unsigned mask = arrivals[__builtin_ctz(rest)].mask;
      if (isComplete(mask) && waiting & rest & -rest)
        released |= complete(mask);
    }
    return released;
  }
  uint64_t result(unsigned lane) const { return results[lane]; }
  const Arrival &arrival(unsigned lane) const { return arrivals[lane]; }
  unsigned missing(unsigned mask) const { return mask & ~(waiting | gone); }

private:
  bool isComplete(unsigned mask) const { return missing(mask) == 0; }

  void check(unsigned lane, unsigned other) const {
    const Arrival &mine = arrivals[lane], &theirs = arrivals[other];
    if (mine.mask != theirs.mask)
      fail("lane %u is in %s with mask 0x%08x, lane %u in %s with mask 0x%08x",
           lane, nameOf(mine.call), mine.mask, other, nameOf(theirs.call),
           theirs.mask);
    if (mine.call != theirs.call)
      fail("lane %u is in %s, lane %u of its mask 0x%08x in %s", lane,
           nameOf(mine.call), mine.mask, other, nameOf(theirs.call));
  }

  unsigned complete(unsigned mask) {
    const unsigned group = mask & ~gone;
    const unsigned first = __builtin_ctz(group);
    for (unsigned rest = group; rest; rest &= rest - 1)
      check(__builtin_ctz(rest), first);
    waiting &= ~group;
    if (arrivals[first].call == WarpCall::Shuffle) {
      for (unsigned rest = group; rest; rest &= rest - 1) {
        const unsigned lane = __builtin_ctz(rest);
        const unsigned source = arrivals[lane].source;
        // What a lane that is not there would give is not defined: NaN.
        results[lane] =
            group >> source & 1 ? arrivals[source].value : ~uint64_t(0);
      }
      return group;
    }
    const uint64_t joined = joinAll(arrivals[first].call, group, first);
    for (unsigned rest = group; rest; rest &= rest - 1)
      results[__builtin_ctz(rest)] = joined;
    return group;
  }

  uint64_t joinAll(WarpCall call, unsigned group, unsigned first) const {
    if (call == WarpCall::Sync)
      return 0;
    unsigned ballot = 0;
    auto all = uint32_t(arrivals[first].value);
    for (unsigned rest = group; rest; rest &= rest - 1) {
      const unsigned lane = __builtin_ctz(rest);
      const auto value = uint32_t(arrivals[lane].value);
      ballot |= unsigned(value != 0) << lane;
      if (lane != first)
        all = join(call, all, value);
    }
    switch (call) {
    case WarpCall::Ballot:
      return ballot;
    case WarpCall::Any:
      return ballot != 0;
    case WarpCall::All:
      return ballot == group;
    default:
      return all;
    }
  }

  static uint32_t join(WarpCall call, uint32_t a, uint32_t b) {
    switch (call) {
    case WarpCall::Add:
      return a + b;
    case WarpCall::MinSigned:
      return std::min<int32_t>(a, b);
    case WarpCall::MaxSigned:
      return std::max<int32_t>(a, b);
    case WarpCall::MinUnsigned:
      return std::min(a, b);
    case WarpCall::MaxUnsigned:
      return std::max(a, b);
    case WarpCall::And:
      return a & b;
    case WarpCall::Or:
      return a | b;
    case WarpCall::Xor:
      return a ^ b;
    default:
      return 0;
    }
  }

  Arrival arrivals[32] = {};
  uint64_t results[32] = {};
  unsigned waiting = 0, gone; // lanes
};

} // namespace mmcc::shim

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_MEETINGS_H
