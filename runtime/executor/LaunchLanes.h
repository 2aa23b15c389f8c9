//===- LaunchLanes.h - Streams of launches side by side ---------*- C++ -*-===//
//
// Each stream of a run is a lane: its launches follow each other, and a launch
// may wait for one of another lane. Every member of the team has a lane that it
// prefers and, while nothing there is ready, takes cells of the others:
//
//     lane 0   A1 ── A2 ── A3 ── A4 ┐
//                                   ├─ C1 ── C2      C1 waits for B3
//     lane 1   B1 ── B2 ── B3 ──────┘
//
// Launches that are not shared and follow each other are one *link*, which one
// member runs without meeting another; a shared launch is a link, whose cells
// fill the time in which another lane would wait.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_EXECUTOR_LAUNCHLANES_H
#define MMCC_RUNTIME_EXECUTOR_LAUNCHLANES_H

#include "runtime/schema/program_generated.h"

#include <cstdint>
#include <vector>

namespace mmcc::runtime {

class LaunchLanes {
public:
  /// Positions in a lane's list of launches, `end` excluded.
  struct Link {
    uint32_t begin, end;
  };
  struct Lane {
    uint32_t stream = 0;
    double nanoseconds = 0;
    std::vector<uint32_t> launches;
    std::vector<Link> links;
    bool link_is_over = true;

    /// The first launch of a link stands for it.
    uint32_t head(size_t link) const { return launches[links[link].begin]; }
  };

  void clear();
  /// Launch `index`, the next one, belongs to `stream` and takes `nanoseconds`,
  /// roughly. One without cells is finished from the start, so that nothing may
  /// take it for the end of what is before it: it is in no lane.
  void add(uint32_t stream, uint32_t index, double nanoseconds, bool has_cells,
           bool shared);
  void record(const schema::EventRecord &record, uint32_t stream);
  void wait(const schema::EventWait &wait, uint32_t stream);
  /// To be called after the last add().
  void finish();

  /// Whether it pays to use several members although no launch is shared.
  bool worthSharing() const;
  /// The longest first.
  const std::vector<Lane> &lanes() const { return lanes_; }
  /// Whether `visit` is true for the heads of all links that the link of the
  /// head `index` waits for.
  template <typename Visit> bool allWaits(uint32_t index, Visit visit) const {
    for (uint32_t i = first_wait_[index]; i < first_wait_[index + 1]; ++i)
      if (!visit(waits_[i]))
        return false;
    return true;
  }

private:
  struct Recorded {
    uint32_t event, head; // of the link that ends there
  };
  struct Pending {
    uint32_t stream, head; // the stream's next launch waits for it
  };

  Lane *find(uint32_t stream);

  std::vector<Lane> lanes_;
  std::vector<uint32_t> first_wait_; // by launch, and the end
  std::vector<uint32_t> waits_;
  std::vector<Recorded> recorded_;
  std::vector<Pending> pending_;
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_EXECUTOR_LAUNCHLANES_H
