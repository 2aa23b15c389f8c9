//===- ArenaPlanner.h - Offsets for buffers with lifetimes ------*- C++ -*-===//
//
// The problem is two-dimensional packing with one dimension fixed: a buffer is
// a rectangle, lifetime wide and size high; only its height above the floor is
// free.
//
//     bytes
//     ^   ┌────┐
//     │   │ c  ├─────┐       a and d share offset 0,
//     │ ┌─┴──┬─┘  b  │       c and b stand on what is live below them
//     │ │ a  │ ┌─────┴─┐
//     └─┴────┴─┴── d ──┴─> commands
//
// Best fit in order of size is within a few percent of the lower bound on
// networks (Pisarchyk and Lee, 2020); other orders are tried because each is
// cheap and none always wins.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_SCHEDULE_ARENAPLANNER_H
#define MMCC_PASSES_SCHEDULE_ARENAPLANNER_H

#include <cstdint>
#include <vector>

namespace mmcc::schedule {

/// A buffer that holds data from command `first` through command `last`.
struct Lifetime {
  int64_t bytes;
  int64_t first, last;
  /// Buffers of different streams never share memory: what runs side by side
  /// has no order. -1, used in several streams, shares with none.
  int64_t stream = 0;
};

struct ArenaPlan {
  /// One offset a buffer, multiples of 64.
  std::vector<int64_t> offsets;
  int64_t bytes = 0;
  /// Largest sum of the (rounded) sizes live at one command.
  int64_t lowerBound = 0;
};

ArenaPlan planArena(const std::vector<Lifetime> &buffers);

} // namespace mmcc::schedule

#endif // MMCC_PASSES_SCHEDULE_ARENAPLANNER_H
