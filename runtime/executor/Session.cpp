#include "runtime/executor/Session.h"

#include "runtime/core/DType.h"
#include "runtime/executor/InputBinding.h"
#include "runtime/loader/ProgramVerifier.h"

#include <algorithm>
#include <cstring>

namespace mmcc::runtime {

using namespace schema;

// Where tensors without elements point to.
alignas(64) static uint8_t no_bytes[64];

Status Session::withEntry(Status status) const {
  if (status.ok())
    return status;
  return {status.code(),
          "entry '" + program_.entry.name()->str() + "': " + status.message()};
}

ResolveContext Session::resolveContext() {
  return {program_, artifact_->variant(), artifact_->image(), values_,
          Span<const int64_t>(buffer_bytes_.data(), buffer_bytes_.size())};
}

Status Session::bind(Span<const mmcc_tensor> inputs, bool check_data) {
  ++call_;
  steps_ = launches_ = 0;
  MMCC_RETURN_IF_ERROR(bindInputs(program_.entry, inputs, check_data,
                                  state_ ? state_->length() : 0, symbols_,
                                  values_));
  for (size_t i = 0; i < inputs.size(); ++i)
    tensorBytes(DType(inputs[i].dtype), inputs[i].dims, inputs[i].rank,
                input_bytes_[i]);
  return {};
}

/// Makes the plan of `stage` for the current symbols its current one.
Status Session::findPlan(uint32_t stage) {
  Stage &state = stages_[stage];
  state.current = nullptr;
  StagePlan *oldest = nullptr;
  Span<const int64_t> symbols(symbols_.data(), symbols_.size());
  for (StagePlan &plan : state.plans) {
    if (plan.isFor(symbols)) {
      plan.last_used = call_;
      state.current = &plan;
      break;
    }
    if (!oldest || plan.last_used < oldest->last_used)
      oldest = &plan;
  }
  if (!state.current) {
    if (state.plans.size() < kPlansKept) {
      state.plans.emplace_back();
      oldest = &state.plans.back();
    }
    MMCC_RETURN_IF_ERROR(planner_.plan(
        resolveContext(), artifact_->program(), stage, symbols,
        Span<const int64_t>(input_bytes_.data(), input_bytes_.size()),
        buffer_bytes_, *oldest));
    oldest->last_used = call_;
    state.current = oldest;
  }
  for (uint32_t i = 0; i < buffer_bytes_.size(); ++i)
    if (program_.buffer_stages[i] == stage)
      buffer_bytes_[i] = state.current->buffer_bytes[i];
  return {};
}

Status Session::placeOutput(uint32_t index, const OutputShape &shape,
                            mmcc_tensor &output) {
  const Value &value = *program_.entry.outputs()->Get(index);
  auto name = [&] { return "output '" + value.name()->str() + "'"; };
  if (value.kind() != ValueKind::tensor)
    return {Code::unsupported,
            name() + " is of a kind that this runtime cannot give"};
  if (output.data) {
    if (output.bytes < uint64_t(shape.bytes))
      return {Code::invalid_argument, name() + " needs " +
                                          std::to_string(shape.bytes) +
                                          " bytes, but there is room for " +
                                          std::to_string(output.bytes)};
    if (!isAligned(output.data, value.dtype()))
      return {Code::invalid_argument,
              name() + " is not aligned to its elements"};
  } else {
    if (!output_memory_[index].reserve(uint64_t(shape.bytes)))
      return {Code::out_of_memory, "no memory for " + name() + " (" +
                                       std::to_string(shape.bytes) + " bytes)"};
    output.data = output_memory_[index].data();
    output.bytes = uint64_t(shape.bytes);
  }
  output.dtype = mmcc_dtype(value.dtype());
  output.rank = lengthOf(value.dims());
  std::copy(shape.dims, shape.dims + output.rank, output.dims);
  output_data_[index] = static_cast<uint8_t *>(output.data);
  return gpu_ ? gpu_->placeOutput(index, output, uint64_t(shape.bytes),
                                  output_data_[index])
              : Status();
}

Status Session::enterStage(uint32_t stage, Span<const mmcc_tensor> inputs,
                           Span<mmcc_tensor> outputs) {
  MMCC_RETURN_IF_ERROR(findPlan(stage));
  stage_ = stage;
  Stage &state = stages_[stage];
  const StagePlan &plan = *state.current;
  uint64_t arena_total = uint64_t(plan.arena_bytes);
  for (uint32_t i = 0; i < stage; ++i)
    arena_total += stages_[i].arena.bytes();
  int64_t tokens = state_ ? state_->length() + appended_ : 0;
  uint64_t kept = state_ ? state_->bytesFor(tokens) : 0;
  if (max_arena_bytes_ != 0 &&
      (kept > max_arena_bytes_ || arena_total > max_arena_bytes_ - kept))
    return {Code::out_of_memory,
            "the call needs an arena of " + std::to_string(arena_total) +
                " bytes" +
                (kept ? " and " + std::to_string(kept) + " of state" : "") +
                ", the limit is " + std::to_string(max_arena_bytes_)};
  if (state_)
    MMCC_RETURN_IF_ERROR(state_->reserve(tokens));
  uint8_t *arena = nullptr;
  if (gpu_) {
    MMCC_RETURN_IF_ERROR(
        gpu_->placeArena(stage, uint64_t(plan.arena_bytes), arena));
  } else if (state.arena.reserve(uint64_t(plan.arena_bytes))) {
    arena = state.arena.data();
  } else {
    return {Code::out_of_memory, "no memory for an arena of " +
                                     std::to_string(plan.arena_bytes) +
                                     " bytes"};
  }
  for (uint32_t i = 0; i < outputs.size(); ++i)
    if (program_.output_stages[i] == stage)
      MMCC_RETURN_IF_ERROR(placeOutput(i, plan.outputs[i], outputs[i]));
  MMCC_RETURN_IF_ERROR(placeBuffers(stage, plan, arena, inputs));
  return reserveScratch(plan.scratch_bytes);
}

Status Session::placeBuffers(uint32_t stage, const StagePlan &plan,
                             uint8_t *arena, Span<const mmcc_tensor> inputs) {
  for (uint32_t i = 0; i < buffers_.size(); ++i) {
    if (program_.buffer_stages[i] != stage)
      continue;
    const Buffer &buffer = *program_.entry.buffers()->Get(i);
    if (buffer.kind() == BufferKind::arena)
      buffers_[i] = arena + plan.buffer_offsets[i];
    else if (buffer.kind() == BufferKind::input && gpu_)
      MMCC_RETURN_IF_ERROR(gpu_->placeInput(
          buffer.index(), inputs[buffer.index()],
          uint64_t(input_bytes_[buffer.index()]), buffers_[i]));
    else if (buffer.kind() == BufferKind::input)
      buffers_[i] = static_cast<uint8_t *>(inputs[buffer.index()].data);
    else if (buffer.kind() == BufferKind::output)
      buffers_[i] = output_data_[buffer.index()];
    else if (buffer.kind() == BufferKind::state)
      buffers_[i] = state_->table(buffer.index());
    if (!buffers_[i])
      buffers_[i] = no_bytes;
  }
  return {};
}

/// Of each member of the team; kernels on a GPU have their own.
Status Session::reserveScratch(int64_t bytes) {
  if (gpu_)
    return {};
  uint64_t stride = (uint64_t(bytes) + 4095) / 4096 * 4096;
  scratch_stride_ = std::max(scratch_stride_, stride);
  if (!scratch_.reserve(scratch_stride_ * team_->size()))
    return {Code::out_of_memory, "no memory for the kernels' scratch"};
  return {};
}

Status Session::executeRun(const Run &run) {
  LaunchList *list = &varying_;
  if (run.varies) {
    MMCC_RETURN_IF_ERROR(varying_.resolve(resolveContext(), run));
    MMCC_RETURN_IF_ERROR(reserveScratch(varying_.scratchBytes()));
  } else {
    list = &stages_[run.stage].current->runs[run.slot];
  }
  MMCC_RETURN_IF_ERROR(spend(list->cells()));
  launches_ += list->launchCount();
  list->place(buffers_.data());
  return gpu_ ? executeOnGpu(run, *list) : executeOnTeam(run, *list);
}

Status Session::executeOnTeam(const Run &run, const LaunchList &list) {
  if (observer_) {
    list.executeObserved(scratch_.data(),
                         [&](const Launch &launch, void *const *buffers) {
                           (void)observe(run, launch, buffers);
                         });
    return {};
  }
  if (profiling_)
    times_.assign(run.count, {});
  list.execute(*team_, scratch_.data(), scratch_stride_,
               profiling_ ? times_.data() : nullptr,
               has_timeline_ ? &timeline_ : nullptr);
  if (profiling_)
    recordProfile(run, list);
  if (has_timeline_)
    recordTimeline(run, list);
  return {};
}

Status Session::executeOnGpu(const Run &run, const LaunchList &list) {
  if (observer_)
    return gpu_->executeObserved(
        run, list, [&](const Launch &launch, void *const *buffers) {
          return observe(run, launch, buffers);
        });
  if (!profiling_ && !has_timeline_)
    return gpu_->execute(run, list);
  uint64_t began = nowNanoseconds();
  std::vector<LaunchInterval> intervals;
  MMCC_RETURN_IF_ERROR(
      gpu_->execute(run, list, &intervals, /*alone=*/profiling_));
  recordIntervals(run, list, intervals, began);
  return {};
}

Status Session::spend(uint64_t steps) {
  steps_ += steps;
  if (max_steps_ == 0 || steps_ <= max_steps_)
    return {};
  return {Code::out_of_memory,
          "the call takes more than " + std::to_string(max_steps_) + " steps"};
}

Status Session::readOperand(const Operand &operand, void *into, int64_t bytes) {
  int64_t offset = 0;
  if ((operand.offset() >= 0 &&
       !values_.get(uint32_t(operand.offset()), offset)) ||
      offset < 0 || offset > buffer_bytes_[operand.buffer()] ||
      bytes > buffer_bytes_[operand.buffer()] - offset)
    return {Code::invalid_file, "a value is read outside of its buffer"};
  const uint8_t *from = buffers_[operand.buffer()] + offset;
  if (gpu_)
    return gpu_->read(into, from, uint64_t(bytes));
  std::memcpy(into, from, size_t(bytes));
  return {};
}

Status Session::executeDefine(const DefineSymbol &define,
                              Span<const mmcc_tensor> inputs,
                              Span<mmcc_tensor> outputs) {
  int64_t value = 0;
  if (define.dtype() == DType::i32) {
    int32_t narrow = 0;
    MMCC_RETURN_IF_ERROR(readOperand(*define.source(), &narrow, 4));
    value = narrow;
  } else {
    MMCC_RETURN_IF_ERROR(readOperand(*define.source(), &value, 8));
  }
  const Symbol &symbol = *program_.entry.symbols()->Get(define.symbol());
  if (value < symbol.lo() || (symbol.hi() >= 0 && value > symbol.hi()) ||
      (value - symbol.lo()) % symbol.step() != 0)
    return checkSymbol(symbol, value, "the data");
  symbols_[define.symbol()] = value;
  values_.forget();
  return enterStage(stage_ + 1, inputs, outputs);
}

Status Session::executeLoop(const Loop &loop, Span<const mmcc_tensor> inputs,
                            Span<mmcc_tensor> outputs) {
  int64_t trips = INT64_MAX;
  if (loop.trips() >= 0 && !values_.get(uint32_t(loop.trips()), trips))
    return {Code::invalid_file, "a loop's trip count overflows"};
  for (int64_t turn = 0; turn < trips; ++turn) {
    if (loop.condition()) {
      uint8_t condition = 0;
      MMCC_RETURN_IF_ERROR(readOperand(*loop.condition(), &condition, 1));
      if (!condition)
        break;
    }
    if (loop.index_symbol() >= 0) {
      symbols_[size_t(loop.index_symbol())] = turn;
      values_.forget();
    }
    MMCC_RETURN_IF_ERROR(spend(1));
    MMCC_RETURN_IF_ERROR(executeBlock(loop.body(), inputs, outputs));
  }
  if (loop.index_symbol() >= 0) {
    symbols_[size_t(loop.index_symbol())] = 0;
    values_.forget();
  }
  return {};
}

Status Session::executeBlock(uint32_t block, Span<const mmcc_tensor> inputs,
                             Span<mmcc_tensor> outputs) {
  for (const Step &step : program_.blocks[block]) {
    if (step.kind == Step::run) {
      MMCC_RETURN_IF_ERROR(executeRun(program_.runs[step.index]));
      continue;
    }
    const Command &command = program_.command(block, step.index);
    Status status;
    if (step.kind == Step::define) {
      status = executeDefine(*command.body_as_DefineSymbol(), inputs, outputs);
    } else if (step.kind == Step::loop) {
      status = executeLoop(*command.body_as_Loop(), inputs, outputs);
    } else {
      const Branch &branch = *command.body_as_Branch();
      uint8_t condition = 0;
      status = readOperand(*branch.condition(), &condition, 1);
      int64_t chosen =
          condition ? int64_t(branch.then_block()) : branch.else_block();
      if (status.ok() && chosen >= 0)
        status = executeBlock(uint32_t(chosen), inputs, outputs);
    }
    if (!status.ok())
      return {status.code(),
              program_.nameOf(command, step.index) + ": " + status.message()};
  }
  return {};
}

Status Session::createState(uint64_t batch, uint64_t capacity,
                            std::unique_ptr<State> &state) const {
  return State::create(artifact_, program_.entry,
                       gpu_ ? gpu_->program()->device() : nullptr, batch,
                       capacity, max_arena_bytes_, state);
}

template <typename Function>
Status Session::withState(State *state, Function function) {
  if (!state == (lengthOf(program_.entry.states()) > 0))
    return {Code::invalid_argument,
            state ? "the entry keeps no state, but one was given"
                  : "the entry keeps state: run it with one"};
  if (!state)
    return function();
  std::lock_guard<std::mutex> lock(state->mutex);
  MMCC_RETURN_IF_ERROR(
      state->checkFits(*artifact_, program_.entry,
                       gpu_ ? gpu_->program()->device().get() : nullptr));
  state_ = state;
  Status status = function();
  state_ = nullptr;
  return status;
}

Status Session::checkState() {
  appended_ = 0;
  const Entry &entry = program_.entry;
  if (!state_)
    return {};
  for (uint32_t i = 0; i < lengthOf(entry.states()); ++i) {
    const schema::State &each = *entry.states()->Get(i);
    int64_t batch = 0, appended = 0;
    if (!values_.get(each.dims()->Get(0), batch) ||
        !values_.get(each.appended(), appended) ||
        (i > 0 && appended != appended_))
      return {Code::invalid_file, "its states do not agree"};
    if (batch != state_->batch())
      return {Code::invalid_argument,
              "the state is for a batch of " + std::to_string(state_->batch()) +
                  ", the call's is " + std::to_string(batch)};
    appended_ = appended;
  }
  return state_->checkRoom(appended_);
}

Status Session::run(State *state, Span<const mmcc_tensor> inputs,
                    Span<mmcc_tensor> outputs) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (outputs.size() != output_data_.size())
    return withEntry({Code::invalid_argument,
                      "the entry has " + std::to_string(output_data_.size()) +
                          " outputs, but " + std::to_string(outputs.size()) +
                          " were given"});
  Alternative *alternative = nullptr;
  Status status = findAlternative(inputs, alternative);
  last_run_ = alternative ? alternative->session.get() : this;
  if (alternative)
    return last_run_->run(state, alternative->inputs, outputs);
  if (has_timeline_) {
    timeline_rows_.clear();
    run_began_ = nowNanoseconds();
  }
  if (status.ok())
    status = withState(state, [&] { return runWithState(inputs, outputs); });
  return withEntry(std::move(status));
}

Status Session::runWithState(Span<const mmcc_tensor> inputs,
                             Span<mmcc_tensor> outputs) {
  MMCC_RETURN_IF_ERROR(bind(inputs, true));
  MMCC_RETURN_IF_ERROR(checkState());
  auto execute = [&]() -> Status {
    MMCC_RETURN_IF_ERROR(enterStage(0, inputs, outputs));
    return executeBlock(0, inputs, outputs);
  };
  if (!gpu_) {
    MMCC_RETURN_IF_ERROR(execute());
  } else {
    MMCC_RETURN_IF_ERROR(gpu_->begin());
    Status status = execute();
    if (status.ok())
      status = gpu_->finish();
    else
      gpu_->abandon();
    MMCC_RETURN_IF_ERROR(std::move(status));
  }
  if (state_)
    state_->advance(appended_);
  return {};
}

Status Session::outputShapes(State *state, Span<const mmcc_tensor> inputs,
                             Span<mmcc_tensor> outputs) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (outputs.size() != output_data_.size())
    return withEntry({Code::invalid_argument, "wrong number of outputs"});
  Alternative *alternative = nullptr;
  MMCC_RETURN_IF_ERROR(withEntry(findAlternative(inputs, alternative)));
  if (alternative)
    return alternative->session->outputShapes(state, alternative->inputs,
                                              outputs);
  return withEntry(
      withState(state, [&] { return shapesWithState(inputs, outputs); }));
}

Status Session::shapesWithState(Span<const mmcc_tensor> inputs,
                                Span<mmcc_tensor> outputs) {
  MMCC_RETURN_IF_ERROR(bind(inputs, false));
  MMCC_RETURN_IF_ERROR(checkState());
  MMCC_RETURN_IF_ERROR(findPlan(0));
  for (uint32_t i = 0; i < outputs.size(); ++i) {
    const Value &value = *program_.entry.outputs()->Get(i);
    if (program_.output_stages[i] != 0)
      return {Code::unsupported, "the shape of output '" + value.name()->str() +
                                     "' depends on what the inputs hold"};
    const OutputShape &shape = stages_[0].current->outputs[i];
    outputs[i].dtype = mmcc_dtype(value.dtype());
    outputs[i].rank = lengthOf(value.dims());
    std::copy(shape.dims, shape.dims + outputs[i].rank, outputs[i].dims);
    outputs[i].bytes = uint64_t(shape.bytes);
  }
  return {};
}

} // namespace mmcc::runtime
