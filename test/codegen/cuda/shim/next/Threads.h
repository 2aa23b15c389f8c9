//===- Threads.h - Barriers and functions of a warp -------------*- C++ -*-===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_THREADS_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_THREADS_H

#include "Fibers.h"

#include <cstring>
#include <type_traits>

//===----------------------------------------------------------------------===//
// The block
//===----------------------------------------------------------------------===//

inline void __syncthreads() {
  mmcc_shim_meet_block(mmcc::shim::BlockCall::Sync, false);
}
inline int __syncthreads_or(int predicate) {
  return mmcc_shim_meet_block(mmcc::shim::BlockCall::Or, predicate != 0);
}
inline int __syncthreads_and(int predicate) {
  return mmcc_shim_meet_block(mmcc::shim::BlockCall::And, predicate != 0);
}
inline int __syncthreads_count(int predicate) {
  return mmcc_shim_meet_block(mmcc::shim::BlockCall::Count, predicate != 0);
}

// Threads change only where they meet, in program order.
inline void __threadfence_block() {}
inline void __threadfence() {}
inline void __threadfence_system() {}

[[noreturn]] inline void __trap() { mmcc_shim_trap("__trap"); }

//===----------------------------------------------------------------------===//
// The warp
//===----------------------------------------------------------------------===//

inline void __syncwarp(unsigned mask = 0xffffffffu) {
  mmcc_shim_meet_warp(mmcc::shim::WarpCall::Sync, mask, 0, 0);
}
inline unsigned __activemask() { return 0xffffffffu; }

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  return unsigned(mmcc_shim_meet_warp(mmcc::shim::WarpCall::Ballot, mask,
                                      predicate != 0, 0));
}
inline int __any_sync(unsigned mask, int predicate) {
  return int(
      mmcc_shim_meet_warp(mmcc::shim::WarpCall::Any, mask, predicate != 0, 0));
}
inline int __all_sync(unsigned mask, int predicate) {
  return int(
      mmcc_shim_meet_warp(mmcc::shim::WarpCall::All, mask, predicate != 0, 0));
}

#define MMCC_SHIM_REDUCE(name, type, call)                                     \
  inline type name(unsigned mask, type value) {                                \
    return type(mmcc_shim_meet_warp(mmcc::shim::WarpCall::call, mask,          \
                                    unsigned(value), 0));                      \
  }
MMCC_SHIM_REDUCE(__reduce_add_sync, int, Add)
MMCC_SHIM_REDUCE(__reduce_add_sync, unsigned, Add)
MMCC_SHIM_REDUCE(__reduce_min_sync, int, MinSigned)
MMCC_SHIM_REDUCE(__reduce_min_sync, unsigned, MinUnsigned)
MMCC_SHIM_REDUCE(__reduce_max_sync, int, MaxSigned)
MMCC_SHIM_REDUCE(__reduce_max_sync, unsigned, MaxUnsigned)
MMCC_SHIM_REDUCE(__reduce_and_sync, unsigned, And)
MMCC_SHIM_REDUCE(__reduce_or_sync, unsigned, Or)
MMCC_SHIM_REDUCE(__reduce_xor_sync, unsigned, Xor)
#undef MMCC_SHIM_REDUCE

namespace mmcc::shim {

/// Small integers become int, as CUDA has no shuffle of them.
template <typename T>
using Shuffled =
    std::conditional_t<std::is_integral_v<T> && (sizeof(T) < 4), int, T>;

template <typename T> T shuffle(unsigned mask, T value, unsigned source) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = mmcc_shim_meet_warp(WarpCall::Shuffle, mask, bits, source);
  std::memcpy(static_cast<void *>(&value), &bits, sizeof(T));
  return value;
}

/// The lanes of a warp are cut into segments of `width`.
inline unsigned firstLane(int width) {
  if (width < 1 || width > 32 || (width & (width - 1)))
    mmcc_shim_trap("a shuffle's width is no power of two up to 32");
  return mmcc_shim_thread->lane & ~unsigned(width - 1);
}

} // namespace mmcc::shim

template <typename T>
mmcc::shim::Shuffled<T> __shfl_sync(unsigned mask, T value, int source,
                                    int width = 32) {
  const unsigned first = mmcc::shim::firstLane(width);
  return mmcc::shim::shuffle<mmcc::shim::Shuffled<T>>(
      mask, value, first + (unsigned(source) & unsigned(width - 1)));
}
// A lane whose source is beyond its segment keeps its own value.
template <typename T>
mmcc::shim::Shuffled<T> __shfl_up_sync(unsigned mask, T value, unsigned delta,
                                       int width = 32) {
  const unsigned lane = mmcc_shim_thread->lane;
  const unsigned first = mmcc::shim::firstLane(width);
  return mmcc::shim::shuffle<mmcc::shim::Shuffled<T>>(
      mask, value, lane - first >= delta ? lane - delta : lane);
}
template <typename T>
mmcc::shim::Shuffled<T> __shfl_down_sync(unsigned mask, T value, unsigned delta,
                                         int width = 32) {
  const unsigned lane = mmcc_shim_thread->lane;
  const unsigned last = mmcc::shim::firstLane(width) + unsigned(width) - 1;
  return mmcc::shim::shuffle<mmcc::shim::Shuffled<T>>(
      mask, value, last - lane >= delta ? lane + delta : lane);
}
/// Segments before one's own may be read.
template <typename T>
mmcc::shim::Shuffled<T> __shfl_xor_sync(unsigned mask, T value, int lanes,
                                        int width = 32) {
  const unsigned lane = mmcc_shim_thread->lane;
  const unsigned last = mmcc::shim::firstLane(width) + unsigned(width) - 1;
  const unsigned source = lane ^ (unsigned(lanes) & 31);
  return mmcc::shim::shuffle<mmcc::shim::Shuffled<T>>(
      mask, value, source <= last ? source : lane);
}

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_THREADS_H
