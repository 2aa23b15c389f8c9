//===- Timeline.h - Who ran what, and when ----------------------*- C++ -*-===//
//
// Each member of the team writes what it runs of a launch into a list of its
// own, so that recording needs no lock and changes no order:
//
//     member 0   |gemm 1   |gemm 2 |softmax|
//     member 1     |gemm 1 |gemm 2   |
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
    uint64_t begin, end;
  };

  void clear(unsigned members) {
    by_member_.resize(members);
    for (std::vector<Slice> &slices : by_member_)
      slices.clear();
  }
  /// Cells that follow each other closely are one slice.
  void add(unsigned member, uint32_t launch, uint64_t begin, uint64_t end) {
    constexpr uint64_t close = 1000;
    std::vector<Slice> &slices = by_member_[member];
    if (!slices.empty() && slices.back().launch == launch &&
        begin - slices.back().end < close)
      slices.back().end = end;
    else
      slices.push_back({launch, begin, end});
  }
  const std::vector<std::vector<Slice>> &byMember() const { return by_member_; }

private:
  std::vector<std::vector<Slice>> by_member_;
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_EXECUTOR_TIMELINE_H
