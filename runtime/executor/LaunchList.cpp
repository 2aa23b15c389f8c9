#include "runtime/executor/LaunchList.h"

#include "runtime/core/CheckedMath.h"
#include "runtime/loader/ProgramVerifier.h"

#include <algorithm>
#include <cstring>

namespace mmcc::runtime {

using namespace schema;

namespace {

// Copies and fills are kernels of the runtime's own, a cell each so many bytes.
constexpr int64_t kMoveBytes = 256 << 10;

/// buffers: source, target; sizes: bytes.
void copyCell(const KernelArgs *args, int64_t x, int64_t, int64_t) {
  int64_t begin = x * kMoveBytes;
  std::memcpy(static_cast<char *>(args->buffers[1]) + begin,
              static_cast<const char *>(args->buffers[0]) + begin,
              size_t(std::min(kMoveBytes, args->sizes[0] - begin)));
}

/// buffers: target; sizes: bytes, pattern, pattern_bytes.
void fillCell(const KernelArgs *args, int64_t x, int64_t, int64_t) {
  int64_t begin = x * kMoveBytes;
  int64_t bytes = std::min(kMoveBytes, args->sizes[0] - begin);
  char *target = static_cast<char *>(args->buffers[0]) + begin;
  const int64_t *pattern = &args->sizes[1];
  int64_t step = args->sizes[2];
  for (int64_t i = 0; i < bytes; i += step)
    std::memcpy(target + i, pattern, size_t(step));
}

Status invalid(const char *what) { return {Code::invalid_file, what}; }

} // namespace

Status LaunchList::operand(const ResolveContext &context,
                           const Operand &operand, int64_t bytes) {
  int64_t offset = 0, available = context.buffer_bytes[operand.buffer()];
  if (operand.offset() >= 0 &&
      !context.values.get(uint32_t(operand.offset()), offset))
    return invalid("an offset overflows");
  if (bytes < 0) {
    bytes = 0;
    if (operand.bytes() >= 0 &&
        !context.values.get(uint32_t(operand.bytes()), bytes))
      return invalid("a length overflows");
  }
  if (offset < 0 || bytes < 0 || offset > available ||
      bytes > available - offset)
    return {Code::invalid_file,
            "an operand leaves its buffer: " + std::to_string(bytes) +
                " bytes at " + std::to_string(offset) + " of buffer " +
                std::to_string(operand.buffer()) + ", which has " +
                std::to_string(available)};
  addresses_.push_back({operand.buffer(), offset});
  return {};
}

/// A rough estimate for one thread: 16 GFLOP/s and 16 GB/s. Where the compiler
/// does not tell the work, four operations a byte of operands are assumed.
double LaunchList::nanosecondsOf(const ResolveContext &context,
                                 const Dispatch &dispatch) {
  constexpr double per_nanosecond = 16;
  double traffic = 0;
  for (uint32_t i = 0; i < lengthOf(dispatch.operands()); ++i) {
    const Operand &operand = *dispatch.operands()->Get(i);
    int64_t bytes = context.buffer_bytes[operand.buffer()];
    if (operand.bytes() >= 0)
      (void)context.values.get(uint32_t(operand.bytes()), bytes);
    traffic += double(bytes);
  }
  double work = 4 * traffic;
  int64_t known = 0;
  if (dispatch.bytes() >= 0 &&
      context.values.get(uint32_t(dispatch.bytes()), known))
    traffic = double(known);
  if (dispatch.flops() >= 0 &&
      context.values.get(uint32_t(dispatch.flops()), known))
    work = double(known);
  return std::max(work, traffic) / per_nanosecond;
}

Status LaunchList::dispatch(const ResolveContext &context,
                            const Dispatch &dispatch, Launch &launch) {
  const Kernel &kernel = *context.variant.kernels()->Get(dispatch.kernel());
  launch.kernel = reinterpret_cast<KernelFn>(
      reinterpret_cast<uintptr_t>(context.image) + kernel.entry_offset());
  int64_t grid_z = 0;
  if (!context.values.get(dispatch.grid_x(), launch.grid_x) ||
      !context.values.get(dispatch.grid_y(), launch.grid_y) ||
      !context.values.get(dispatch.grid_z(), grid_z))
    return invalid("the grid overflows");
  constexpr int64_t max_cells = int64_t(1) << 40;
  if (launch.grid_x < 0 || launch.grid_y < 0 || grid_z < 0 ||
      !checkedMul(launch.grid_x, launch.grid_y, launch.cells) ||
      !checkedMul(launch.cells, grid_z, launch.cells) ||
      launch.cells > max_cells)
    return invalid("the grid is impossible");
  for (uint32_t i = 0; i < lengthOf(dispatch.operands()); ++i)
    MMCC_RETURN_IF_ERROR(operand(context, *dispatch.operands()->Get(i), -1));
  for (uint32_t i = 0; i < lengthOf(dispatch.sizes()); ++i) {
    int64_t size = 0;
    if (!context.values.get(dispatch.sizes()->Get(i), size))
      return invalid("a size overflows");
    addSize(size);
  }
  if (dispatch.library())
    MMCC_RETURN_IF_ERROR(library(context, *dispatch.library(), launch));
  for (uint32_t i = 0; i < lengthOf(dispatch.maps()); ++i)
    for (uint32_t id : valuesOf(*dispatch.maps()->Get(i))) {
      int64_t value = 0;
      if (!context.values.get(id, value))
        return invalid("a map's extent overflows");
      addSize(value);
    }
  constexpr int64_t max_scratch = int64_t(1) << 30;
  int64_t scratch = 0;
  if (dispatch.scratch() >= 0 &&
      !context.values.get(uint32_t(dispatch.scratch()), scratch))
    return invalid("the scratch overflows");
  scratch = std::max(scratch, int64_t(kernel.scratch_bytes()));
  if (scratch > max_scratch)
    return invalid("the kernel asks for too much scratch memory");
  scratch_bytes_ = std::max(scratch_bytes_, scratch);
  // What a barrier costs, and more when members have gone to sleep.
  constexpr double worth_sharing = 3000;
  launch.nanoseconds = nanosecondsOf(context, dispatch);
  launch.shared = launch.cells > 1 && launch.nanoseconds > worth_sharing;
  return {};
}

static Status moved(const ResolveContext &context, uint32_t expression,
                    Launch &launch, int64_t &bytes) {
  if (!context.values.get(expression, bytes) || bytes < 0)
    return invalid("its length is impossible");
  launch.grid_x = launch.cells = bytes / kMoveBytes + (bytes % kMoveBytes != 0);
  launch.grid_y = 1;
  launch.shared = launch.cells > 1;
  launch.nanoseconds = double(bytes) / 16;
  return {};
}

Status LaunchList::copy(const ResolveContext &context, const Copy &copy,
                        Launch &launch) {
  int64_t bytes = 0;
  MMCC_RETURN_IF_ERROR(moved(context, copy.bytes(), launch, bytes));
  launch.kernel = copyCell;
  MMCC_RETURN_IF_ERROR(operand(context, *copy.source(), bytes));
  MMCC_RETURN_IF_ERROR(operand(context, *copy.target(), bytes));
  const Address &source = addresses_[addresses_.size() - 2];
  const Address &target = addresses_.back();
  if (source.buffer == target.buffer && source.offset < target.offset + bytes &&
      target.offset < source.offset + bytes)
    return invalid("source and target overlap");
  addSize(bytes);
  return {};
}

Status LaunchList::fill(const ResolveContext &context, const Fill &fill,
                        Launch &launch) {
  int64_t bytes = 0;
  MMCC_RETURN_IF_ERROR(moved(context, fill.bytes(), launch, bytes));
  if (bytes % int64_t(fill.pattern_bytes()) != 0)
    return invalid("its length is not a multiple of the pattern's");
  launch.kernel = fillCell;
  MMCC_RETURN_IF_ERROR(operand(context, *fill.target(), bytes));
  addSize(bytes);
  addSize(int64_t(fill.pattern()));
  addSize(int64_t(fill.pattern_bytes()));
  return {};
}

void LaunchList::chooseBarriers(const ResolveContext &context, const Run &run) {
  // Launches that are not shared need no barrier among themselves.
  // An independent launch may still depend on what came before the command
  // that it is independent of: where that command's barrier was left out, the
  // launch gets it.
  bool others_at_work = false, left_out = false;
  single_ = true;
  for (Launch &launch : launches_) {
    const Command &command = context.program.command(run.block, launch.command);
    bool independent = command.flags() & uint32_t(CommandFlag::independent);
    bool shared = launch.shared, first = &launch == launches_.data();
    if (independent)
      launch.barrier = !first && shared && left_out;
    else
      launch.barrier = !first && (shared || others_at_work);
    if (launch.barrier)
      others_at_work = left_out = false;
    else
      left_out |= !independent && !first;
    others_at_work |= shared;
    single_ &= !shared;
  }
}

Status LaunchList::resolve(const ResolveContext &context, const Run &run) {
  launches_.clear();
  lanes_.clear();
  addresses_.clear();
  sizes_.clear();
  scratch_bytes_ = 0;
  cells_ = launch_count_ = 0;
  for (uint32_t i = run.first; i < run.first + run.count; ++i) {
    const Command &command = context.program.command(run.block, i);
    if (const EventRecord *record = command.body_as_EventRecord()) {
      lanes_.record(*record, command.stream());
      continue;
    }
    if (const EventWait *wait = command.body_as_EventWait()) {
      lanes_.wait(*wait, command.stream());
      continue;
    }
    Launch launch = {};
    launch.command = i;
    launch.first_pointer = uint32_t(addresses_.size());
    launch.first_size = uint32_t(sizes_.size());
    Status status;
    if (const Dispatch *body = command.body_as_Dispatch())
      status = dispatch(context, *body, launch);
    else if (const Copy *body = command.body_as_Copy())
      status = copy(context, *body, launch);
    else
      status = fill(context, *command.body_as_Fill(), launch);
    if (!status.ok())
      return {status.code(),
              context.program.nameOf(command, i) + ": " + status.message()};
    lanes_.add(command.stream(), uint32_t(launches_.size()), launch.nanoseconds,
               launch.cells > 0, launch.shared);
    launches_.push_back(launch);
    cells_ += uint64_t(launch.cells); // 2^40 each, 2^24 commands at most
    launch_count_ += launch.cells > 0;
  }
  pointers_.resize(addresses_.size());
  progress_ = std::make_unique<Progress[]>(launches_.size());
  lanes_.finish();
  chooseBarriers(context, run);
  return {};
}

/// Launches' shares lie one behind the other.
template <typename T>
static Span<const T> shareOf(const std::vector<T> &all,
                             const std::vector<Launch> &launches, size_t index,
                             uint32_t Launch::*first) {
  size_t begin = launches[index].*first;
  size_t end =
      index + 1 < launches.size() ? launches[index + 1].*first : all.size();
  return {all.data() + begin, end - begin};
}

Span<void *const> LaunchList::pointersOf(size_t launch) const {
  return shareOf(pointers_, launches_, launch, &Launch::first_pointer);
}

Span<const int64_t> LaunchList::sizesOf(size_t launch) const {
  return shareOf(sizes_, launches_, launch, &Launch::first_size);
}

void LaunchList::place(uint8_t *const *buffers) {
  for (size_t i = 0; i < addresses_.size(); ++i)
    // Written only if it is another, so that the other members keep theirs.
    if (void *address = buffers[addresses_[i].buffer] + addresses_[i].offset;
        pointers_[i] != address)
      pointers_[i] = address;
}

void runCells(const Launch &launch, const KernelArgs &args, int64_t begin,
              int64_t end) {
  if (begin >= end)
    return;
  int64_t x = begin % launch.grid_x, rest = begin / launch.grid_x;
  int64_t y = rest % launch.grid_y, z = rest / launch.grid_y;
  for (int64_t cell = begin; cell < end; ++cell) {
    launch.kernel(&args, x, y, z);
    if (++x == launch.grid_x) {
      x = 0;
      if (++y == launch.grid_y) {
        y = 0;
        ++z;
      }
    }
  }
}

/// Adds the time since `started` to launch i and starts anew.
static void recordTime(CommandTime *times, size_t i, uint64_t &started) {
  uint64_t now = nowNanoseconds();
  ++times[i].runs;
  times[i].nanoseconds += now - started;
  started = now;
}

void LaunchList::runPart(size_t index, int64_t begin, int64_t end,
                         Worker &worker) const {
  const Launch &launch = launches_[index];
  worker.args.buffers = pointers_.data() + launch.first_pointer;
  worker.args.sizes = sizes_.data() + launch.first_size;
  if (!worker.timeline) {
    runCells(launch, worker.args, begin, end);
    return;
  }
  uint64_t started = nowNanoseconds();
  runCells(launch, worker.args, begin, end);
  worker.timeline->add(worker.member, uint32_t(index), end - begin, started);
}

void LaunchList::executeAlone(const Execution &execution) const {
  Worker worker(execution, 0);
  uint64_t started = execution.times ? nowNanoseconds() : 0;
  for (size_t i = 0; i < launches_.size(); ++i) {
    runPart(i, 0, launches_[i].cells, worker);
    if (execution.times)
      recordTime(execution.times, i, started);
  }
}

void LaunchList::executeObserved(
    uint8_t *scratch,
    const std::function<void(const Launch &, void *const *)> &after) const {
  KernelArgs args;
  args.scratch = scratch;
  for (const Launch &launch : launches_) {
    args.buffers = pointers_.data() + launch.first_pointer;
    args.sizes = sizes_.data() + launch.first_size;
    runCells(launch, args, 0, launch.cells);
    after(launch, args.buffers);
  }
}

void LaunchList::waitFor(size_t launch) const {
  for (unsigned count = 0;
       progress_[launch].finished.load(std::memory_order_acquire) <
       launches_[launch].cells;
       ++count)
    ThreadTeam::pause(count);
}

int64_t LaunchList::Progress::claim(int64_t cells, unsigned members,
                                    int64_t &first) {
  first = claimed.load(std::memory_order_relaxed);
  int64_t count;
  do {
    if (first >= cells)
      return 0;
    count = std::max<int64_t>((cells - first) / (2 * int64_t(members)), 1);
  } while (!claimed.compare_exchange_weak(first, first + count,
                                          std::memory_order_relaxed));
  return count;
}

void LaunchList::executeMember(const Execution &execution,
                               unsigned member) const {
  Worker worker(execution, member);
  bool timed = execution.times && member == 0;
  uint64_t started = timed ? nowNanoseconds() : 0;
  // Launches before this one are finished.
  size_t finished = 0;
  for (size_t i = 0; i < launches_.size(); ++i) {
    const Launch &launch = launches_[i];
    if (launch.barrier || execution.times)
      for (; finished < i; ++finished)
        waitFor(finished);
    if (timed)
      execution.opened.store(i + 1, std::memory_order_release);
    else if (execution.times)
      for (unsigned count = 0;
           execution.opened.load(std::memory_order_acquire) <= i; ++count)
        ThreadTeam::pause(count);
    Progress &progress = progress_[i];
    if (launch.shared) {
      uint64_t begin = worker.timeline ? nowNanoseconds() : 0;
      int64_t mine = 0, cell;
      worker.args.buffers = pointers_.data() + launch.first_pointer;
      worker.args.sizes = sizes_.data() + launch.first_size;
      while (int64_t count =
                 progress.claim(launch.cells, execution.members, cell)) {
        runCells(launch, worker.args, cell, cell + count);
        mine += count;
      }
      if (mine && worker.timeline)
        worker.timeline->add(member, uint32_t(i), mine, begin);
      if (mine)
        progress.finished.fetch_add(mine, std::memory_order_release);
    } else if (member == 0) {
      runPart(i, 0, launch.cells, worker);
      progress.finished.store(launch.cells, std::memory_order_release);
    }
    if (timed) {
      waitFor(i);
      recordTime(execution.times, i, started);
    }
  }
  if (member == 0)
    for (; finished < launches_.size(); ++finished)
      waitFor(finished);
}

void LaunchList::execute(ThreadTeam &team, uint8_t *scratch,
                         uint64_t scratch_stride, CommandTime *times,
                         Timeline *timeline) const {
  bool in_lanes = lanes_.lanes().size() > 1 && !times;
  bool alone = single_ && !(in_lanes && lanes_.worthSharing());
  unsigned members = alone ? 1 : team.size();
  Execution execution = {*this,   scratch, scratch_stride,
                         members, times,   timeline};
  if (timeline)
    timeline->clear(members, launches_.size());
  auto function = [](void *context, unsigned member) {
    const Execution &execution = *static_cast<const Execution *>(context);
    if (execution.members == 1)
      execution.list.executeAlone(execution);
    else if (execution.list.lanes_.lanes().size() > 1 && !execution.times)
      execution.list.executeLanes(execution, member);
    else
      execution.list.executeMember(execution, member);
  };
  if (members == 1) {
    team.runAlone(function, &execution);
    return;
  }
  auto reset = [&](size_t launch) {
    progress_[launch].claimed.store(0, std::memory_order_relaxed);
    progress_[launch].finished.store(0, std::memory_order_relaxed);
  };
  if (in_lanes) {
    for (const LaunchLanes::Lane &lane : lanes_.lanes())
      for (size_t link = 0; link < lane.links.size(); ++link)
        reset(lane.head(link));
  } else {
    for (size_t i = 0; i < launches_.size(); ++i)
      reset(i);
  }
  team.run(function, &execution);
}

} // namespace mmcc::runtime
