#include "runtime/executor/LaunchLanes.h"

#include "runtime/executor/LaunchList.h"
#include "runtime/loader/ProgramVerifier.h"

#include <algorithm>

namespace mmcc::runtime {

void LaunchLanes::clear() {
  lanes_.clear();
  first_wait_.clear();
  waits_.clear();
  recorded_.clear();
  pending_.clear();
}

void LaunchLanes::add(uint32_t stream, uint32_t index, double nanoseconds,
                      bool has_cells) {
  first_wait_.push_back(uint32_t(waits_.size()));
  if (!has_cells)
    return;
  auto lane = std::find_if(lanes_.begin(), lanes_.end(), [&](const Lane &each) {
    return each.stream == stream;
  });
  if (lane == lanes_.end())
    lane = lanes_.insert(lane, {stream, 0, {}});
  lane->nanoseconds += nanoseconds;
  lane->launches.push_back(index);
  for (const Pending &pending : pending_)
    if (pending.stream == stream)
      waits_.push_back(pending.launch);
  pending_.erase(std::remove_if(pending_.begin(), pending_.end(),
                                [&](const Pending &pending) {
                                  return pending.stream == stream;
                                }),
                 pending_.end());
}

void LaunchLanes::record(const schema::EventRecord &record, uint32_t stream) {
  // Without launches of this run before it the event has happened already.
  for (const Lane &lane : lanes_)
    if (lane.stream == stream)
      recorded_.push_back({record.event(), lane.launches.back()});
}

void LaunchLanes::wait(const schema::EventWait &wait, uint32_t stream) {
  for (const Pending &event : recorded_)
    if (event.stream == wait.event())
      pending_.push_back({stream, event.launch});
}

void LaunchLanes::finish() { first_wait_.push_back(uint32_t(waits_.size())); }

bool LaunchLanes::worthSharing() const {
  // That another member takes a lane up costs some microseconds.
  constexpr double worth = 10000;
  size_t long_ones =
      size_t(std::count_if(lanes_.begin(), lanes_.end(), [](const Lane &lane) {
        return lane.nanoseconds > worth;
      }));
  return long_ones > 1;
}

bool LaunchList::isReady(uint32_t launch, uint32_t before) const {
  auto isFinished = [&](uint32_t other) {
    return progress_[other].finished.load(std::memory_order_acquire) >=
           launches_[other].cells;
  };
  return (before == launch || isFinished(before)) &&
         lanes_.allWaits(launch, isFinished);
}

/// Runs cells of the lane's next launch, all that are left or one, if it is
/// ready. `position` is moved past launches that are dealt out.
LaunchList::LaneState LaunchList::advance(size_t lane, uint32_t &position,
                                          bool all, KernelArgs &args) const {
  const std::vector<uint32_t> &order = lanes_.lane(lane);
  auto isDealt = [&](uint32_t index) {
    return progress_[index].claimed.load(std::memory_order_relaxed) >=
           launches_[index].cells;
  };
  while (position < order.size() && isDealt(order[position]))
    ++position;
  if (position == order.size())
    return LaneState::over;
  uint32_t index = order[position];
  if (!isReady(index, position ? order[position - 1] : index))
    return LaneState::waiting;
  const Launch &launch = launches_[index];
  Progress &progress = progress_[index];
  args.buffers = pointers_.data() + launch.first_pointer;
  args.sizes = sizes_.data() + launch.first_size;
  int64_t step = launch.shared ? 1 : launch.cells, mine = 0;
  do {
    int64_t cell = progress.claimed.fetch_add(step, std::memory_order_relaxed);
    if (cell >= launch.cells)
      break;
    runCells(launch, args, cell, cell + step);
    mine += step;
  } while (all);
  if (mine)
    progress.finished.fetch_add(mine, std::memory_order_release);
  return LaneState::working;
}

void LaunchList::executeLanes(const Execution &execution,
                              unsigned member) const {
  KernelArgs args;
  args.scratch = execution.scratch + member * execution.scratch_stride;
  size_t count = lanes_.count();
  uint32_t positions[kMaxStreams] = {};
  size_t own = member % count;
  for (unsigned idle = 0;;) {
    bool over = true, worked = false;
    for (size_t i = 0; i < count && !worked; ++i) {
      size_t lane = (own + i) % count;
      LaneState state = advance(lane, positions[lane], i == 0, args);
      over &= state == LaneState::over;
      worked = state == LaneState::working;
    }
    if (over)
      break;
    if (worked)
      idle = 0;
    else
      ThreadTeam::pause(idle++);
  }
  // The last launch of a lane ends after all before it.
  if (member == 0)
    for (size_t i = 0; i < count; ++i)
      waitFor(lanes_.lane(i).back());
}

} // namespace mmcc::runtime
