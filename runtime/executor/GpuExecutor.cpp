#include "runtime/executor/GpuExecutor.h"

#include "runtime/loader/ProgramVerifier.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace mmcc::runtime {

using namespace schema;

GpuExecutor::GpuExecutor(std::shared_ptr<const GpuProgram> gpu,
                         const EntryProgram &program)
    : gpu_(std::move(gpu)), program_(program),
      queue_(gpu_->device(), std::max(program.entry.stream_count(), 1u),
             program.entry.event_count()),
      recorded_now_(program.entry.event_count(), 0) {
  for (uint32_t i = 0; i < program.stage_count; ++i)
    arenas_.emplace_back(gpu_->device());
  for (uint32_t i = 0; i < std::max(program.entry.stream_count(), 1u); ++i)
    workspaces_.emplace_back(gpu_->device());
  for (uint32_t i = 0; i < lengthOf(program.entry.inputs()); ++i)
    inputs_.emplace_back(gpu_->device());
  outputs_.resize(lengthOf(program.entry.outputs()));
  for (Output &output : outputs_)
    output.memory = cuda::Memory(gpu_->device());
  graphs_.resize(program.runs.size());
}

GpuExecutor::~GpuExecutor() {
  if (begin().ok())
    graphs_.clear();
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
  cuda::Matmul *matmul = nullptr;
  parameters_.clear();
  MMCC_RETURN_IF_ERROR(
      findMatmul(list, index, dispatch, stream, matmul, parameters_));
  by_library_[index] = matmul != nullptr;
  if (matmul)
    return matmul->run(parameters_.data(), queue_.stream(stream));
  cuda::Function function;
  cuda::Grid grid;
  MMCC_RETURN_IF_ERROR(
      describe(list, index, dispatch, function, grid, parameters_));
  return queue_.launch(stream, function, grid,
                       {parameters_.data(), parameters_.size()});
}

void GpuExecutor::appendParameters(const Dispatch &dispatch,
                                   Span<void *const> pointers,
                                   Span<const int64_t> sizes,
                                   std::vector<uint64_t> &parameters) {
  const size_t begin = parameters.size();
  for (uint32_t i = 0; i < lengthOf(dispatch.operands()); ++i)
    parameters.push_back(reinterpret_cast<uint64_t>(pointers[i]));
  const uint32_t size_count = lengthOf(dispatch.sizes());
  for (uint32_t i = 0; i < size_count; ++i)
    parameters.push_back(uint64_t(sizes[i]));
  if (size_count == 0)
    parameters.push_back(0);
  const uint32_t map_count = lengthOf(dispatch.maps());
  if (map_count == 0)
    return;
  const size_t are_mapped = parameters.size();
  parameters.push_back(1);
  constexpr size_t words = sizeof(cuda::TensorMap) / sizeof(uint64_t),
                   aligned = alignof(cuda::TensorMap) / sizeof(uint64_t);
  parameters.resize(begin + (parameters.size() - begin + aligned - 1) /
                                aligned * aligned);
  // The last of what a launch has.
  constexpr size_t each = kMapValues;
  const int64_t *values = sizes.data() + sizes.size() - map_count * each;
  for (uint32_t i = 0; i < map_count; ++i) {
    const TensorMap &map = *dispatch.maps()->Get(i);
    const cuda::TensorMap *made = maps_.find(
        *gpu_->device(), &map,
        {static_cast<uint8_t *>(pointers[map.operand()]), values[0], values[1],
         values[2], values[3], values[4], values[5], map.box_rows()});
    values += each;
    if (made)
      parameters.insert(parameters.end(), made->words, made->words + words);
    else
      parameters.resize(parameters.size() + words);
    if (!made)
      parameters[are_mapped] = 0;
  }
}

Status GpuExecutor::describe(const LaunchList &list, size_t index,
                             const Dispatch &dispatch, cuda::Function &function,
                             cuda::Grid &grid,
                             std::vector<uint64_t> &parameters) {
  appendParameters(dispatch, list.pointersOf(index), list.sizesOf(index),
                   parameters);
  const Launch &launch = list.launches()[index];
  const GpuProgram::Function &kernel = gpu_->function(dispatch.kernel());
  function = kernel.handle;
  grid = {launch.grid_x, launch.grid_y,
          launch.cells / launch.grid_x / launch.grid_y, kernel.threads,
          kernel.shared_bytes};
  return grid.check();
}

Status GpuExecutor::issueInOrder(const Run &run, const LaunchList &list) {
  return issueAll(run, list, /*one_stream=*/false,
                  [](size_t, uint32_t, auto issueOne) { return issueOne(); });
}

Status GpuExecutor::execute(const Run &run, const LaunchList &list,
                            std::vector<LaunchInterval> *times, bool alone) {
  limitMatmuls();
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

Status GpuExecutor::collect(const Run &run, const LaunchList &list, bool &all) {
  constexpr uint32_t none = ~uint32_t(0);
  kernels_.clear();
  // The last kernel of each stream, and what each event is behind; `waits` are
  // for the next kernel of a stream.
  last_.assign(std::max(program_.entry.stream_count(), 1u), none);
  event_kernels_.assign(program_.entry.event_count(), none);
  std::vector<std::pair<uint32_t, uint32_t>> waits; // stream, kernel
  all = true;
  size_t launch = 0;
  for (uint32_t i = run.first; i < run.first + run.count; ++i) {
    const Command &command = program_.command(run.block, i);
    uint32_t stream = command.stream();
    if (const EventRecord *body = command.body_as_EventRecord()) {
      // An event of what is still to be waited for: streams can say that.
      for (const auto &wait : waits)
        all &= wait.first != stream;
      event_kernels_[body->event()] = last_[stream];
      continue;
    }
    if (const EventWait *body = command.body_as_EventWait()) {
      if (event_kernels_[body->event()] != none)
        waits.push_back({stream, event_kernels_[body->event()]});
      continue;
    }
    size_t index = launch++;
    if (list.launches()[index].cells == 0)
      continue;
    const Dispatch *dispatch = command.body_as_Dispatch();
    if (!dispatch) {
      all = false;
      return {};
    }
    cuda::KernelList::Kernel kernel = {};
    kernel.command = i;
    kernel.parameters_begin = uint32_t(kernels_.parameters.size());
    Status status = findMatmul(list, index, *dispatch, stream, kernel.matmul,
                               kernels_.parameters);
    if (status.ok() && !kernel.matmul)
      status = describe(list, index, *dispatch, kernel.function, kernel.grid,
                        kernels_.parameters);
    if (!status.ok())
      return {status.code(),
              program_.nameOf(command, i) + ": " + status.message()};
    // The library, too, loads code the first time.
    if (kernel.matmul && !kernel.matmul->has_run) {
      all = false;
      return {};
    }
    kernel.parameters_end = uint32_t(kernels_.parameters.size());
    kernel.dependencies_begin = uint32_t(kernels_.dependencies.size());
    if (last_[stream] != none)
      kernels_.dependencies.push_back(last_[stream]);
    auto mine =
        std::partition(waits.begin(), waits.end(),
                       [&](const auto &wait) { return wait.first != stream; });
    for (auto wait = mine; wait != waits.end(); ++wait)
      if (wait->second != last_[stream])
        kernels_.dependencies.push_back(wait->second);
    waits.erase(mine, waits.end());
    kernel.dependencies_end = uint32_t(kernels_.dependencies.size());
    last_[stream] = uint32_t(kernels_.kernels.size());
    kernels_.kernels.push_back(kernel);
  }
  return {};
}

Status GpuExecutor::replay(const Run &run, const LaunchList &list, bool &done) {
  Recorded &recorded = graphs_[size_t(&run - program_.runs.data())];
  // The first time it runs as it is, which also loads its code.
  if (list.launchCount() < 2 || !recorded.has_run) {
    recorded.has_run = true;
    return {};
  }
  bool all = false;
  MMCC_RETURN_IF_ERROR(collect(run, list, all));
  if (!all)
    return {};
  if (!recorded.graph)
    recorded.graph = std::make_unique<cuda::KernelGraph>(*gpu_->device());
  last_run_ = &run;
  done = true;
  Status status = recorded.graph->launch(kernels_, queue_.stream(0));
  const uint32_t *failed = status.ok() ? nullptr : recorded.graph->failedAt();
  if (!failed)
    return status;
  return {status.code(),
          program_.nameOf(program_.command(run.block, *failed), *failed) +
              ": " + status.message()};
}

} // namespace mmcc::runtime
