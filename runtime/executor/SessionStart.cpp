// What a session does once, and what it tells about itself.

#include "runtime/core/Expression.h"
#include "runtime/executor/InputBinding.h"
#include "runtime/executor/Session.h"
#include "runtime/loader/ProgramVerifier.h"

#include <algorithm>

namespace mmcc::runtime {

using namespace schema;

static std::vector<ValueDescription>
describe(const Entry &entry,
         const flatbuffers::Vector<flatbuffers::Offset<Value>> *values) {
  std::vector<int64_t> lo, hi;
  for (uint32_t i = 0; i < lengthOf(entry.symbols()); ++i) {
    lo.push_back(entry.symbols()->Get(i)->lo());
    hi.push_back(entry.symbols()->Get(i)->hi());
  }
  std::vector<ValueDescription> result(lengthOf(values));
  for (uint32_t i = 0; i < result.size(); ++i) {
    const Value &value = *values->Get(i);
    ValueDescription &description = result[i];
    mmcc_value_info &info = description.info;
    info = {};
    info.name = value.name()->c_str();
    info.dtype = mmcc_dtype(value.dtype());
    info.rank = lengthOf(value.dims());
    info.optional = value.optional();
    for (uint32_t d = 0; d < info.rank; ++d) {
      uint32_t expression = value.dims()->Get(d);
      boundsOf(expressionOf(entry, expression), lo.data(), hi.data(),
               info.dim_lo[d], info.dim_hi[d]);
      info.dims[d] = info.dim_lo[d] == info.dim_hi[d] ? info.dim_lo[d] : -1;
      description.dim_texts.push_back(dimensionText(entry, expression));
    }
    for (uint32_t d = 0; d < info.rank; ++d)
      info.dim_text[d] = description.dim_texts[d].c_str();
  }
  return result;
}

static std::vector<ValueDescription> describeStates(const Entry &entry) {
  std::vector<ValueDescription> result(lengthOf(entry.states()));
  for (uint32_t i = 0; i < result.size(); ++i) {
    const schema::State &state = *entry.states()->Get(i);
    ValueDescription &description = result[i];
    mmcc_value_info &info = description.info;
    info = {};
    info.name = state.name()->c_str();
    info.dtype = mmcc_dtype(state.dtype());
    info.rank = 4;
    std::string tokens = "tokens";
    for (uint32_t s = 0; s < lengthOf(entry.symbols()); ++s)
      if (entry.symbols()->Get(s)->origin() == SymbolOrigin::state_length)
        tokens = entry.symbols()->Get(s)->name()->str();
    for (uint32_t d = 0; d < 4; ++d) {
      info.dims[d] = info.dim_hi[d] = -1;
      description.dim_texts.push_back(tokens);
      if (d == 2)
        continue;
      uint32_t expression = state.dims()->Get(d == 3 ? 2 : d);
      Span<const int64_t> code = expressionOf(entry, expression);
      if (code.size() == 2 && code[0] == int64_t(ExprOp::constant))
        info.dims[d] = info.dim_lo[d] = info.dim_hi[d] = code[1];
      description.dim_texts[d] = dimensionText(entry, expression);
    }
    for (uint32_t d = 0; d < 4; ++d)
      info.dim_text[d] = description.dim_texts[d].c_str();
  }
  return result;
}

Session::Session(std::shared_ptr<const Artifact> artifact,
                 std::shared_ptr<const GpuProgram> gpu, const Entry &entry,
                 uint64_t max_arena_bytes, uint64_t max_steps)
    : artifact_(std::move(artifact)), program_(entry),
      gpu_(gpu ? std::make_unique<GpuExecutor>(std::move(gpu), program_)
               : nullptr),
      max_arena_bytes_(max_arena_bytes), max_steps_(max_steps),
      inputs_(describe(entry, entry.inputs())),
      outputs_(describe(entry, entry.outputs())),
      states_(describeStates(entry)), symbols_(lengthOf(entry.symbols()), 0),
      values_(entry, symbols_.data()),
      input_bytes_(lengthOf(entry.inputs()), 0),
      buffer_bytes_(lengthOf(entry.buffers()), 0),
      buffers_(lengthOf(entry.buffers()), nullptr),
      output_data_(lengthOf(entry.outputs()), nullptr),
      stages_(program_.stage_count), output_memory_(lengthOf(entry.outputs())) {
  for (Stage &stage : stages_)
    stage.plans.reserve(kPlansKept);
  for (uint32_t i = 0; i < buffers_.size(); ++i) {
    const Buffer &buffer = *entry.buffers()->Get(i);
    // Kernels only read through it, the verifier has seen to that.
    if (buffer.kind() == BufferKind::constant && gpu_)
      buffers_[i] = gpu_->constant(buffer);
    else if (buffer.kind() == BufferKind::constant)
      buffers_[i] = const_cast<uint8_t *>(artifact_->constantData(
          *artifact_->program().constants()->Get(buffer.index())));
  }
}

Status Session::start(unsigned threads) {
  team_ = std::make_shared<ThreadTeam>();
  MMCC_RETURN_IF_ERROR(team_->start(gpu_ ? 1 : threads));
  if (gpu_)
    MMCC_RETURN_IF_ERROR(gpu_->start());
  return startAlternatives();
}

uint64_t Session::arenaBytes() {
  std::lock_guard<std::mutex> lock(mutex_);
  uint64_t total = 0;
  for (const Stage &stage : stages_) {
    uint64_t largest = 0;
    for (const StagePlan &plan : stage.plans)
      largest = std::max(largest, uint64_t(plan.arena_bytes));
    total += largest;
  }
  for (Alternative &alternative : alternatives_)
    total += alternative.session->arenaBytes();
  return total;
}

const char *Session::nodeOf(const Command &command) const {
  if (command.node() < 0)
    return "";
  return program_.entry.node_names()->Get(uint32_t(command.node()))->c_str();
}

const char *Session::kernelOf(const Command &command) const {
  if (const Dispatch *dispatch = command.body_as_Dispatch())
    return artifact_->variant()
        .kernels()
        ->Get(dispatch->kernel())
        ->name()
        ->c_str();
  return command.body_type() == CommandBody::Copy ? "copy" : "fill";
}

const char *Session::doerOf(const Command &command, size_t launch) const {
  return gpu_ && gpu_->wasByLibrary(launch) ? kMatmulFunction
                                            : kernelOf(command);
}

void Session::setProfiling(bool on) {
  std::lock_guard<std::mutex> lock(mutex_);
  profiling_ = on;
  profile_.clear();
  for (Alternative &alternative : alternatives_)
    alternative.session->setProfiling(on);
}

void Session::setTimeline(bool on) {
  std::lock_guard<std::mutex> lock(mutex_);
  has_timeline_ = on;
  timeline_rows_.clear();
  for (Alternative &alternative : alternatives_)
    alternative.session->setTimeline(on);
}

void Session::setObserver(mmcc_observer observer, void *context) {
  std::lock_guard<std::mutex> lock(mutex_);
  observer_ = observer;
  observer_context_ = context;
  for (Alternative &alternative : alternatives_)
    alternative.session->setObserver(observer, context);
}

Status Session::observe(const Run &run, const Launch &launch,
                        void *const *buffers) {
  const Command &command = program_.command(run.block, launch.command);
  mmcc_observation observation = {nodeOf(command), kernelOf(command), nullptr,
                                  0};
  auto report = [&](const Operand &operand, const void *data) -> Status {
    int64_t offset = 0, bytes = 0;
    if (operand.offset() >= 0 &&
        !values_.get(uint32_t(operand.offset()), offset))
      return {};
    if (operand.bytes() < 0)
      bytes = buffer_bytes_[operand.buffer()] - offset;
    else if (!values_.get(uint32_t(operand.bytes()), bytes))
      return {};
    observation.data = data;
    observation.bytes = uint64_t(bytes);
    if (gpu_) {
      observed_.resize(observation.bytes);
      observation.data = observed_.data();
      MMCC_RETURN_IF_ERROR(gpu_->read(observed_.data(),
                                      static_cast<const uint8_t *>(data),
                                      observation.bytes));
    }
    observer_(&observation, observer_context_);
    return {};
  };
  const Dispatch *dispatch = command.body_as_Dispatch();
  if (!dispatch)
    return {};
  for (uint32_t i = 0; i < lengthOf(dispatch->operands()); ++i) {
    const Operand &operand = *dispatch->operands()->Get(i);
    // What a state's kernel is given are addresses.
    bool kept = program_.entry.buffers()->Get(operand.buffer())->kind() ==
                BufferKind::state;
    if (!kept && (operand.access() & uint32_t(Access::write)))
      MMCC_RETURN_IF_ERROR(report(operand, buffers[i]));
  }
  return {};
}

double Session::flopsOf(const Command &command) {
  const Dispatch *dispatch = command.body_as_Dispatch();
  int64_t value = 0;
  if (!dispatch || dispatch->flops() < 0 ||
      !values_.get(uint32_t(dispatch->flops()), value))
    return 0;
  return double(value);
}

void Session::recordTimeline(const Run &run, const LaunchList &list) {
  timeline_.forEach([&](uint32_t member, const Timeline::Slice &slice) {
    const Launch &launch = list.launches()[slice.launch];
    const Command &command = program_.command(run.block, launch.command);
    double all = flopsOf(command);
    timeline_rows_.push_back(
        {run.block, launch.command, member, slice.begin - run_began_,
         slice.end - run_began_, slice.cells, launch.cells,
         launch.cells ? all * double(slice.cells) / double(launch.cells) : 0,
         kernelOf(command)});
  });
}

/// A GPU's launches; a stream takes the place of a member.
void Session::recordIntervals(const Run &run, const LaunchList &list,
                              const std::vector<LaunchInterval> &intervals,
                              uint64_t began) {
  if (profiling_) {
    times_.assign(run.count, {});
    for (size_t i = 0; i < intervals.size(); ++i)
      times_[i] = {1, intervals[i].end - intervals[i].begin};
    recordProfile(run, list);
  }
  if (!has_timeline_)
    return;
  for (size_t i = 0; i < intervals.size(); ++i) {
    const Launch &launch = list.launches()[i];
    if (launch.cells == 0)
      continue;
    const Command &command = program_.command(run.block, launch.command);
    uint64_t before = began - run_began_;
    timeline_rows_.push_back(
        {run.block, launch.command, profiling_ ? 0 : command.stream(),
         before + intervals[i].begin, before + intervals[i].end, launch.cells,
         launch.cells, flopsOf(command), doerOf(command, i)});
  }
}

size_t Session::timelineSize() {
  std::lock_guard<std::mutex> lock(mutex_);
  return last_run_ == this ? timeline_rows_.size() : last_run_->timelineSize();
}

bool Session::timelineSlice(size_t index, mmcc_timeline_slice &slice) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (last_run_ != this)
    return last_run_->timelineSlice(index, slice);
  if (index >= timeline_rows_.size())
    return false;
  const TimelineRow &from = timeline_rows_[index];
  const Command &command = program_.command(from.block, from.command);
  slice.node = nodeOf(command);
  slice.kernel = from.kernel;
  slice.block = from.block;
  slice.command = from.command;
  slice.thread = from.member;
  slice.begin_ns = from.begin;
  slice.end_ns = from.end;
  slice.flops = from.flops;
  slice.stream = command.stream();
  slice.cells = uint64_t(from.cells);
  slice.all_cells = uint64_t(from.all_cells);
  return true;
}

void Session::recordProfile(const Run &run, const LaunchList &list) {
  for (size_t i = 0; i < list.launches().size(); ++i) {
    uint32_t command_index = list.launches()[i].command;
    auto row = std::find_if(
        profile_.begin(), profile_.end(), [&](const ProfileRow &row) {
          return row.block == run.block && row.command == command_index;
        });
    if (row == profile_.end()) {
      profile_.emplace_back();
      row = profile_.end() - 1;
      row->block = run.block;
      row->command = command_index;
    }
    row->time.runs += times_[i].runs;
    row->time.nanoseconds += times_[i].nanoseconds;
    const Command &command = program_.command(run.block, command_index);
    row->kernel = doerOf(command, i);
    row->flops += flopsOf(command) * double(times_[i].runs);
    const Dispatch *dispatch = command.body_as_Dispatch();
    int64_t value = 0;
    if (dispatch && dispatch->bytes() >= 0 &&
        values_.get(uint32_t(dispatch->bytes()), value))
      row->bytes += double(value) * double(times_[i].runs);
  }
}

size_t Session::profileSize() {
  std::lock_guard<std::mutex> lock(mutex_);
  return last_run_ == this ? profile_.size() : last_run_->profileSize();
}

bool Session::profileRow(size_t index, mmcc_profile_row &row) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (last_run_ != this)
    return last_run_->profileRow(index, row);
  if (index >= profile_.size())
    return false;
  const ProfileRow &from = profile_[index];
  const Command &command = program_.command(from.block, from.command);
  row.node = nodeOf(command);
  row.kernel = from.kernel;
  row.runs = from.time.runs;
  row.nanoseconds = from.time.nanoseconds;
  row.flops = from.flops;
  row.bytes = from.bytes;
  row.block = from.block;
  row.command = from.command;
  return true;
}

} // namespace mmcc::runtime
