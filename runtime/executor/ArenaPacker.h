//===- ArenaPacker.h - Places buffers whose sizes are new -------*- C++ -*-===//
//
// Buffers that are alive at the same time must not overlap; others may. The
// largest is placed first; each goes into the smallest gap, between buffers
// placed before it that live at the same time, that holds it, or else on top.
//
// Worked example, sizes and lifetimes in brackets, alignment 64:
//
//     a 256 [0, 1]    b 192 [1, 2]    c 128 [2, 3]
//
//     a at 0; b meets a: at 256; c meets only b, and [0, 256) is free: at 0.
//     Total 448 instead of 576.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_EXECUTOR_ARENAPACKER_H
#define MMCC_RUNTIME_EXECUTOR_ARENAPACKER_H

#include "runtime/core/Span.h"

#include <cstdint>
#include <vector>

namespace mmcc::runtime {

struct ArenaBuffer {
  int64_t bytes;
  int64_t align; // power of two
  uint32_t first, last;
  int64_t offset; // result
  /// Buffers of different streams never share memory: what runs side by side
  /// has no order. ~0, used in several, shares with none.
  uint32_t stream = 0;
};

/// Keeps its memory between calls.
class ArenaPacker {
public:
  /// Fills in the offsets, from `base` on; `total` is the end of the highest
  /// buffer. False on overflow.
  bool pack(Span<ArenaBuffer> buffers, int64_t base, int64_t &total);

private:
  std::vector<uint32_t> order_;
  std::vector<uint32_t> placed_; // by offset
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_EXECUTOR_ARENAPACKER_H
