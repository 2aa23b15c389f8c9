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

LaunchLanes::Lane *LaunchLanes::find(uint32_t stream) {
  for (Lane &lane : lanes_)
    if (lane.stream == stream)
      return &lane;
  return nullptr;
}

void LaunchLanes::add(uint32_t stream, uint32_t index, double nanoseconds,
                      bool has_cells, bool shared) {
  first_wait_.push_back(uint32_t(waits_.size()));
  if (!has_cells)
    return;
  Lane *lane = find(stream);
  if (!lane) {
    lanes_.emplace_back();
    lane = &lanes_.back();
    lane->stream = stream;
  }
  lane->nanoseconds += nanoseconds;
  for (const Pending &pending : pending_)
    if (pending.stream == stream)
      waits_.push_back(pending.head);
  pending_.erase(std::remove_if(pending_.begin(), pending_.end(),
                                [&](const Pending &pending) {
                                  return pending.stream == stream;
                                }),
                 pending_.end());
  uint32_t position = uint32_t(lane->launches.size());
  bool waits = waits_.size() > first_wait_.back();
  if (shared || waits || lane->link_is_over)
    lane->links.push_back({position, position});
  lane->links.back().end = position + 1;
  lane->link_is_over = shared;
  lane->launches.push_back(index);
}

void LaunchLanes::record(const schema::EventRecord &record, uint32_t stream) {
  // Without launches of this run before it the event has happened already.
  if (Lane *lane = find(stream)) {
    recorded_.push_back({record.event(), lane->head(lane->links.size() - 1)});
    lane->link_is_over = true;
  }
}

void LaunchLanes::wait(const schema::EventWait &wait, uint32_t stream) {
  for (const Recorded &recorded : recorded_)
    if (recorded.event == wait.event())
      pending_.push_back({stream, recorded.head});
}

void LaunchLanes::finish() {
  first_wait_.push_back(uint32_t(waits_.size()));
  // Member 0, which is there from the start, prefers the first.
  std::stable_sort(lanes_.begin(), lanes_.end(),
                   [](const Lane &a, const Lane &b) {
                     return a.nanoseconds > b.nanoseconds;
                   });
}

bool LaunchLanes::worthSharing() const {
  // That another member takes a lane up costs some microseconds.
  constexpr double worth = 10000;
  size_t long_ones =
      size_t(std::count_if(lanes_.begin(), lanes_.end(), [](const Lane &lane) {
        return lane.nanoseconds > worth;
      }));
  return long_ones > 1;
}

/// What is dealt of the link that a launch is the head of: cells, or all of it.
static int64_t piecesOf(const Launch &head) {
  return head.shared ? head.cells : 1;
}

bool LaunchList::isFinished(uint32_t head) const {
  return progress_[head].finished.load(std::memory_order_acquire) >=
         piecesOf(launches_[head]);
}

/// Runs cells of the lane's next link, all that are left or one, if it is
/// ready. `next` is moved past links that are dealt out.
LaunchList::LaneState LaunchList::advance(const LaunchLanes::Lane &lane,
                                          uint32_t &next, bool all,
                                          Worker &worker) const {
  auto isDealt = [&](uint32_t head) {
    return progress_[head].claimed.load(std::memory_order_relaxed) >=
           piecesOf(launches_[head]);
  };
  while (next < lane.links.size() && isDealt(lane.head(next)))
    ++next;
  if (next == lane.links.size())
    return LaneState::over;
  uint32_t head = lane.head(next);
  auto finished = [&](uint32_t other) { return isFinished(other); };
  if ((next > 0 && !isFinished(lane.head(next - 1))) ||
      !lanes_.allWaits(head, finished))
    return LaneState::waiting;
  Progress &progress = progress_[head];
  int64_t pieces = piecesOf(launches_[head]), mine = 0;
  do {
    int64_t piece = progress.claimed.fetch_add(1, std::memory_order_relaxed);
    if (piece >= pieces)
      break;
    ++mine;
    if (launches_[head].shared) {
      runPart(head, piece, piece + 1, worker);
      continue;
    }
    LaunchLanes::Link link = lane.links[next];
    for (uint32_t i = link.begin; i < link.end; ++i)
      runPart(lane.launches[i], 0, launches_[lane.launches[i]].cells, worker);
  } while (all);
  if (mine)
    progress.finished.fetch_add(mine, std::memory_order_release);
  return LaneState::working;
}

void LaunchList::executeLanes(const Execution &execution,
                              unsigned member) const {
  Worker worker(execution, member);
  const std::vector<LaunchLanes::Lane> &lanes = lanes_.lanes();
  uint32_t next[kMaxStreams] = {};
  size_t own = member % lanes.size();
  for (unsigned idle = 0;;) {
    bool over = true, worked = false;
    for (size_t i = 0; i < lanes.size() && !worked; ++i) {
      size_t lane = (own + i) % lanes.size();
      LaneState state = advance(lanes[lane], next[lane], i == 0, worker);
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
  // The last link of a lane ends after all before it.
  for (size_t i = 0; member == 0 && i < lanes.size(); ++i)
    for (unsigned count = 0;
         !isFinished(lanes[i].head(lanes[i].links.size() - 1)); ++count)
      ThreadTeam::pause(count);
}

} // namespace mmcc::runtime
