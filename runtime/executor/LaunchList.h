//===- LaunchList.h - A run of commands, ready to execute -------*- C++ -*-===//
//
// Everything that depends on shapes is worked out when the list is resolved:
// grids, sizes, addresses relative to buffers, barriers. What is left for a
// call is to turn buffer-relative addresses into pointers.
//
// Cells of a grid are split over the team into contiguous, equal shares, so
// which member computes a cell depends on nothing but the grid and the team's
// size; and cells do not depend on one another, so results do not depend on
// the team's size either. A launch that takes less time than members need to
// meet stays on member 0.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_EXECUTOR_LAUNCHLIST_H
#define MMCC_RUNTIME_EXECUTOR_LAUNCHLIST_H

#include "runtime/core/Span.h"
#include "runtime/device/cpu/KernelAbi.h"
#include "runtime/device/cpu/ThreadTeam.h"
#include "runtime/executor/EntryProgram.h"
#include "runtime/executor/LaunchLanes.h"
#include "runtime/executor/Timeline.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace mmcc::runtime {

struct Launch {
  KernelFn kernel;
  uint32_t first_pointer;
  uint32_t first_size;
  int64_t grid_x, grid_y;
  int64_t cells;
  bool shared;        // split over the team, else all of it on member 0
  bool barrier;       // wait for all launches before it
  bool library;       // there is a form for a library, whose pointers and sizes
                      // follow the kernel's
  double nanoseconds; // on one thread, roughly
  uint32_t command;
};

/// What resolving needs to know of the session.
struct ResolveContext {
  const EntryProgram &program;
  const schema::Variant &variant;
  const uint8_t *image;
  ExpressionValues &values;
  Span<const int64_t> buffer_bytes;
};

struct CommandTime {
  uint64_t runs = 0;
  uint64_t nanoseconds = 0;
};

/// Runs cells begin to end (excluded), x fastest.
void runCells(const Launch &launch, const KernelArgs &args, int64_t begin,
              int64_t end);

class LaunchList {
public:
  /// Replaces the list by the commands of `run`. Memory is kept for the next
  /// resolution.
  Status resolve(const ResolveContext &context, const Run &run);

  /// Turns buffer-relative addresses into pointers.
  void place(uint8_t *const *buffers);

  /// Executes the launches on the team. `scratch` holds `scratch_stride` bytes
  /// for each member. Adds to `times[i]` for launch i unless null, which runs
  /// launches one after the other; `timeline`, unless null, gets what each
  /// member does and leaves the order as it is.
  void execute(ThreadTeam &team, uint8_t *scratch, uint64_t scratch_stride,
               CommandTime *times, Timeline *timeline) const;

  /// Executes them one by one on the calling thread; `after` is called behind
  /// each with the addresses of its operands.
  void executeObserved(
      uint8_t *scratch,
      const std::function<void(const Launch &, void *const *)> &after) const;

  /// Of the most demanding kernel.
  int64_t scratchBytes() const { return scratch_bytes_; }
  /// Calls of kernels.
  uint64_t cells() const { return cells_; }
  /// Launches that have cells.
  uint64_t launchCount() const { return launch_count_; }
  const std::vector<Launch> &launches() const { return launches_; }
  /// What place() has made of a launch's operands.
  Span<void *const> pointersOf(size_t launch) const;
  /// Its sizes, and behind them the values of its maps (valuesOf).
  Span<const int64_t> sizesOf(size_t launch) const;

private:
  struct Address {
    uint32_t buffer;
    int64_t offset;
  };
  struct Execution {
    const LaunchList &list;
    uint8_t *scratch;
    uint64_t scratch_stride;
    unsigned members;
    CommandTime *times;
    Timeline *timeline;
    /// With `times`: launches that member 0 has come to. The others do not run
    /// ahead of its clock.
    mutable std::atomic<size_t> opened{0};
  };
  /// A member at work.
  struct Worker {
    KernelArgs args;
    Timeline *timeline;
    unsigned member;

    Worker(const Execution &execution, unsigned member)
        : timeline(execution.timeline), member(member) {
      args.scratch = execution.scratch + member * execution.scratch_stride;
    }
  };
  enum class LaneState { over, waiting, working };
  /// How far a launch is. Whoever is free takes the next cells: neighbours, as
  /// long as there are many, since a product fetches the weights of the cell
  /// behind its own; one by one at the end (guided self-scheduling;
  /// Polychronopoulos and Kuck, 1987). Which member runs a cell does not change
  /// its result.
  struct Progress {
    std::atomic<int64_t> claimed{0};
    std::atomic<int64_t> finished{0};

    /// Takes cells from `first` on; how many, or 0 if there are none left.
    int64_t claim(int64_t cells, unsigned members, int64_t &first);
  };

  Status dispatch(const ResolveContext &context,
                  const schema::Dispatch &dispatch, Launch &launch);
  static double nanosecondsOf(const ResolveContext &context,
                              const schema::Dispatch &dispatch);
  // LibraryCalls.cpp
  Status library(const ResolveContext &context, const schema::LibraryCall &call,
                 Launch &launch);
  Status copy(const ResolveContext &context, const schema::Copy &copy,
              Launch &launch);
  Status fill(const ResolveContext &context, const schema::Fill &fill,
              Launch &launch);
  Status operand(const ResolveContext &context, const schema::Operand &operand,
                 int64_t bytes);
  void addSize(int64_t size) { sizes_.push_back(size); }
  void chooseBarriers(const ResolveContext &context, const Run &run);
  void executeAlone(const Execution &execution) const;
  void executeMember(const Execution &execution, unsigned member) const;
  void waitFor(size_t launch) const;
  // LaunchLanes.cpp
  void executeLanes(const Execution &execution, unsigned member) const;
  LaneState advance(const LaunchLanes::Lane &lane, uint32_t &next, bool all,
                    Worker &worker) const;
  bool isFinished(uint32_t head) const;
  /// Cells begin to end of a launch.
  void runPart(size_t index, int64_t begin, int64_t end, Worker &worker) const;

  std::vector<Launch> launches_;
  LaunchLanes lanes_;
  std::vector<Address> addresses_;
  std::vector<void *> pointers_; // parallel to addresses_
  std::vector<int64_t> sizes_;
  std::unique_ptr<Progress[]> progress_; // parallel to launches_
  int64_t scratch_bytes_ = 0;
  uint64_t cells_ = 0;
  uint64_t launch_count_ = 0;
  bool single_ = true; // no launch is shared
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_EXECUTOR_LAUNCHLIST_H
