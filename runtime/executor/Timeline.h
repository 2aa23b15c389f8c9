//===- Timeline.h - Who ran what, and when ----------------------*- C++ -*-===//
//
// Each member of the team writes what it runs of a launch into a list of its
// own, so that recording needs no lock and changes no order:
//
//     member 0   |gemm 1   |gemm 2 |softmax|
//     member 1     |gemm 1 |gemm 2   |
//
// Cells of a launch that follow each other, without another launch's between
// them, are one slice. A member leaves cells of a launch to others only for a
// link of lanes that has become ready (LaunchLanes.h), and each becomes ready
// once: no list of launches makes more than kSlicesPerLaunch slices a launch
// and member. There is room for all of them before the first begins.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_EXECUTOR_TIMELINE_H
#define MMCC_RUNTIME_EXECUTOR_TIMELINE_H

#include <chrono>
#include <cstdint>
#include <vector>

namespace mmcc::runtime {

/// Of a clock that only goes forward.
inline uint64_t nowNanoseconds() {
  return uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(
                      std::chrono::steady_clock::now().time_since_epoch())
                      .count());
}

class Timeline {
public:
  struct Slice {
    uint32_t launch; // index in the list
    int64_t cells;
    uint64_t begin, end;
  };
  static constexpr size_t kSlicesPerLaunch = 3;

  /// Before a list of `launches` launches: room for their slices.
  void clear(unsigned members, size_t launches) {
    by_member_.resize(members);
    for (Track &track : by_member_) {
      track.slices.clear();
      track.slices.reserve(kSlicesPerLaunch * launches + 1);
    }
  }
  /// `member` has run `cells` cells since `begin`.
  void add(unsigned member, uint32_t launch, int64_t cells, uint64_t begin) {
    std::vector<Slice> &slices = by_member_[member].slices;
    uint64_t end = nowNanoseconds();
    if (!slices.empty() && slices.back().launch == launch) {
      slices.back().cells += cells;
      slices.back().end = end;
    } else if (slices.size() < slices.capacity()) {
      slices.push_back({launch, cells, begin, end});
    }
  }
  /// Calls `visit` with each member and slice, member by member.
  template <typename Visit> void forEach(Visit visit) const {
    for (uint32_t member = 0; member < by_member_.size(); ++member)
      for (const Slice &slice : by_member_[member].slices)
        visit(member, slice);
  }

private:
  // No two members write to one cache line.
  struct alignas(64) Track {
    std::vector<Slice> slices;
  };
  std::vector<Track> by_member_;
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_EXECUTOR_TIMELINE_H
