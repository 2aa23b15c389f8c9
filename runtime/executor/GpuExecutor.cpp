#include "runtime/executor/GpuExecutor.h"

#include "runtime/loader/ProgramVerifier.h"

#include <algorithm>
#include <cstdlib>

namespace mmcc::runtime {

using namespace schema;

/// Lists that keep a graph, and how often addresses may change before a list is
/// launched as it is.
static constexpr size_t kGraphsKept = 16;
static constexpr unsigned kMostChanges = 3;

GpuExecutor::GpuExecutor(std::shared_ptr<const GpuProgram> gpu,
                         const EntryProgram &program)
    : gpu_(std::move(gpu)), program_(program),
      queue_(gpu_->device(), std::max(program.entry.stream_count(), 1u),
             program.entry.event_count()),
      recorded_now_(program.entry.event_count(), 0) {
  for (uint32_t i = 0; i < program.stage_count; ++i)
    arenas_.emplace_back(gpu_->device());
  for (uint32_t i = 0; i < lengthOf(program.entry.inputs()); ++i)
    inputs_.emplace_back(gpu_->device());
  outputs_.resize(lengthOf(program.entry.outputs()));
  for (Output &output : outputs_)
    output.memory = cuda::Memory(gpu_->device());
  graphs_.reserve(kGraphsKept);
}

GpuExecutor::~GpuExecutor() {
  if (begin().ok())
    for (Recorded &recorded : graphs_)
      forget(recorded);
}

/// Whether the environment has `name` as 1.
static bool isSet(const char *name) {
  const char *value = std::getenv(name);
  return value && value[0] == '1' && value[1] == '\0';
}

Status GpuExecutor::start() {
  waits_each_ = isSet("MMCC_CUDA_SYNC");
  has_graphs_ = !waits_each_ && !isSet("MMCC_CUDA_NO_GRAPHS");
  return queue_.start();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Status GpuExecutor::placeArena(uint32_t stage, uint64_t bytes,
                               uint8_t *&address) {
  MMCC_RETURN_IF_ERROR(arenas_[stage].reserve(bytes, "an arena"));
  address = arenas_[stage].data();
  return {};
}

bool GpuExecutor::isOnDevice(const void *data) const {
  unsigned type = 0;
  // An address that the driver has not given out is an error to it.
  return data &&
         gpu_->device()->driver().pointerAttribute(
             &type, cuda::kPointerMemoryType,
             reinterpret_cast<cuda::Address>(data)) == cuda::kSuccess &&
         type == cuda::kMemoryTypeDevice;
}

Status GpuExecutor::placeInput(uint32_t index, const mmcc_tensor &tensor,
                               uint64_t bytes, uint8_t *&address) {
  if (isOnDevice(tensor.data)) {
    address = static_cast<uint8_t *>(tensor.data);
    return {};
  }
  MMCC_RETURN_IF_ERROR(inputs_[index].reserve(bytes, "an input"));
  address = inputs_[index].data();
  return queue_.copyIn(0, address, tensor.data, bytes);
}

Status GpuExecutor::placeOutput(uint32_t index, const mmcc_tensor &tensor,
                                uint64_t bytes, uint8_t *&address) {
  Output &output = outputs_[index];
  output.bytes = bytes;
  output.host = isOnDevice(tensor.data) ? nullptr : tensor.data;
  output.address = static_cast<uint8_t *>(tensor.data);
  if (output.host) {
    MMCC_RETURN_IF_ERROR(output.memory.reserve(bytes, "an output"));
    output.address = output.memory.data();
  }
  address = output.address;
  return {};
}

Status GpuExecutor::read(void *into, const uint8_t *address, uint64_t bytes) {
  MMCC_RETURN_IF_ERROR(queue_.copyOut(0, into, address, bytes));
  return described(queue_.synchronize());
}

Status GpuExecutor::finish() {
  for (const Output &output : outputs_)
    if (output.host)
      MMCC_RETURN_IF_ERROR(
          queue_.copyOut(0, output.host, output.address, output.bytes));
  return described(queue_.synchronize());
}

void GpuExecutor::abandon() { (void)queue_.synchronize(); }

Status GpuExecutor::described(Status status) const {
  if (status.ok() || !last_run_ || last_run_->count == 0)
    return status;
  uint32_t last = last_run_->first + last_run_->count - 1;
  auto nameOf = [&](uint32_t index) {
    return program_.nameOf(program_.command(last_run_->block, index), index);
  };
  return {status.code(), status.message() + "; it was one of " +
                             nameOf(last_run_->first) + " to " + nameOf(last) +
                             " or before, and MMCC_CUDA_SYNC=1 tells which"};
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

Status GpuExecutor::issue(const Run &run, const LaunchList &list, size_t index,
                          uint32_t stream) {
  const Launch &launch = list.launches()[index];
  if (launch.cells == 0)
    return {};
  const Command &command = program_.command(run.block, launch.command);
  Span<void *const> pointers = list.pointersOf(index);
  Span<const int64_t> sizes = list.sizesOf(index);
  auto address = [&](size_t i) { return static_cast<uint8_t *>(pointers[i]); };
  if (command.body_type() == CommandBody::Copy)
    return queue_.copyWithin(stream, address(1), address(0),
                             uint64_t(sizes[0]));
  if (command.body_type() == CommandBody::Fill)
    return queue_.fill(stream, address(0), uint64_t(sizes[0]),
                       uint64_t(sizes[1]), uint32_t(sizes[2]));
  const Dispatch &dispatch = *command.body_as_Dispatch();
  // Arguments in codegen/cuda/kernels/Abi.cuh: addresses, then sizes, of which
  // there is always one.
  parameters_.assign(pointers.size() + std::max<size_t>(sizes.size(), 1), 0);
  for (size_t i = 0; i < pointers.size(); ++i)
    parameters_[i] = reinterpret_cast<uint64_t>(pointers[i]);
  for (size_t i = 0; i < sizes.size(); ++i)
    parameters_[pointers.size() + i] = uint64_t(sizes[i]);
  const GpuProgram::Function &function = gpu_->function(dispatch.kernel());
  cuda::Grid grid = {launch.grid_x, launch.grid_y,
                     launch.cells / launch.grid_x / launch.grid_y,
                     function.threads, function.shared_bytes};
  return queue_.launch(stream, function.handle, grid,
                       {parameters_.data(), parameters_.size()});
}

Status GpuExecutor::issueInOrder(const Run &run, const LaunchList &list) {
  return issueAll(run, list, /*one_stream=*/false,
                  [](size_t, uint32_t, auto issueOne) { return issueOne(); });
}

Status GpuExecutor::execute(const Run &run, const LaunchList &list,
                            std::vector<LaunchInterval> *times, bool alone) {
  if (!times) {
    bool done = false;
    if (has_graphs_ && !run.varies)
      MMCC_RETURN_IF_ERROR(replay(run, list, done));
    return done ? Status() : issueInOrder(run, list);
  }
  // A point before everything, then two for each launch.
  cuda::Clock clock(queue_);
  MMCC_RETURN_IF_ERROR(clock.mark(0, 0));
  MMCC_RETURN_IF_ERROR(
      issueAll(run, list, alone,
               [&](size_t launch, uint32_t stream, auto issueOne) -> Status {
                 MMCC_RETURN_IF_ERROR(clock.mark(stream, 2 * launch + 1));
                 MMCC_RETURN_IF_ERROR(issueOne());
                 return clock.mark(stream, 2 * launch + 2);
               }));
  MMCC_RETURN_IF_ERROR(described(queue_.synchronize()));
  times->resize(list.launches().size());
  for (size_t i = 0; i < times->size(); ++i) {
    LaunchInterval &interval = (*times)[i];
    MMCC_RETURN_IF_ERROR(clock.nanoseconds(0, 2 * i + 1, interval.begin));
    MMCC_RETURN_IF_ERROR(clock.nanoseconds(0, 2 * i + 2, interval.end));
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

void GpuExecutor::forget(Recorded &recorded) {
  if (recorded.exec)
    (void)gpu_->device()->driver().graphExecDestroy(recorded.exec);
  recorded.exec = nullptr;
}

/// What is kept for the list, or a place for it, where an old one was.
GpuExecutor::Recorded &GpuExecutor::recordedOf(const LaunchList &list) {
  Recorded *oldest = nullptr;
  for (Recorded &each : graphs_) {
    if (each.generation == list.generation())
      return each;
    if (!oldest || each.generation < oldest->generation)
      oldest = &each;
  }
  if (graphs_.size() < kGraphsKept)
    oldest = &graphs_.emplace_back();
  forget(*oldest);
  *oldest = {};
  oldest->generation = list.generation();
  return *oldest;
}

Status GpuExecutor::replay(const Run &run, const LaunchList &list, bool &done) {
  if (list.launchCount() < 2)
    return {};
  Recorded &recorded = recordedOf(list);
  if (recorded.changes > kMostChanges)
    return {};
  if (recorded.pointers != list.pointers()) {
    // Seen for the first time: it runs as it is, which also loads its code.
    forget(recorded);
    ++recorded.changes;
    recorded.pointers = list.pointers();
    return {};
  }
  if (!recorded.exec)
    MMCC_RETURN_IF_ERROR(record(run, list, recorded));
  last_run_ = &run;
  done = true;
  return gpu_->device()->check(
      gpu_->device()->driver().graphLaunch(recorded.exec, queue_.stream(0)),
      "launching a graph");
}

Status GpuExecutor::record(const Run &run, const LaunchList &list,
                           Recorded &recorded) {
  const cuda::Device &device = *gpu_->device();
  MMCC_RETURN_IF_ERROR(queue_.beginCapture());
  Status status = issueInOrder(run, list);
  // Ends also where something failed, or the stream stays unusable.
  cuda::Graph graph = nullptr;
  Status ended = queue_.endCapture(graph);
  if (status.ok())
    status = ended;
  if (status.ok())
    status =
        device.check(device.driver().graphInstantiate(&recorded.exec, graph, 0),
                     "making a graph");
  if (graph)
    (void)device.driver().graphDestroy(graph);
  return status;
}

} // namespace mmcc::runtime
