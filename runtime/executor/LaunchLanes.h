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
// So short launches stay on one member without meeting at each of them, and
// the cells of long ones fill the time in which a lane would wait.
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
  void clear();
  /// Launch `index`, the next one, belongs to `stream` and takes `nanoseconds`,
  /// roughly. One without cells is finished from the start, so that nothing may
  /// take it for the end of what is before it: it is in no lane.
  void add(uint32_t stream, uint32_t index, double nanoseconds, bool has_cells);
  void record(const schema::EventRecord &record, uint32_t stream);
  void wait(const schema::EventWait &wait, uint32_t stream);
  /// To be called after the last add().
  void finish();

  /// Whether it pays to use several members although no launch is shared.
  bool worthSharing() const;
  size_t count() const { return lanes_.size(); }
  const std::vector<uint32_t> &lane(size_t index) const {
    return lanes_[index].launches;
  }
  /// Calls `visit` with the launches of other lanes that `index` waits for.
  template <typename Visit> bool allWaits(uint32_t index, Visit visit) const {
    for (uint32_t i = first_wait_[index]; i < first_wait_[index + 1]; ++i)
      if (!visit(waits_[i]))
        return false;
    return true;
  }

private:
  struct Lane {
    uint32_t stream;
    double nanoseconds;
    std::vector<uint32_t> launches;
  };
  struct Pending {
    uint32_t stream, launch;
  };

  std::vector<Lane> lanes_;
  std::vector<uint32_t> first_wait_; // by launch, and the end
  std::vector<uint32_t> waits_;
  std::vector<Pending> recorded_; // event, last launch before it
  std::vector<Pending> pending_;  // stream whose next launch waits
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_EXECUTOR_LAUNCHLANES_H
