//===- Session.h - Runs one entry -------------------------------*- C++ -*-===//

#ifndef MMCC_RUNTIME_EXECUTOR_SESSION_H
#define MMCC_RUNTIME_EXECUTOR_SESSION_H

#include "runtime/device/cpu/Slab.h"
#include "runtime/device/cpu/ThreadTeam.h"
#include "runtime/executor/GpuExecutor.h"
#include "runtime/executor/StagePlan.h"
#include "runtime/executor/State.h"
#include "runtime/include/mmcc/runtime.h"
#include "runtime/loader/Artifact.h"

#include <memory>
#include <mutex>
#include <vector>

namespace mmcc::runtime {

/// What mmcc_session_input and mmcc_session_output tell.
struct ValueDescription {
  std::vector<std::string> dim_texts;
  mmcc_value_info info;
};

struct ProfileRow {
  uint32_t block = 0, command = 0;
  const char *kernel = nullptr;
  CommandTime time;
  double flops = 0, bytes = 0;
};

/// What one thread ran of one command.
struct TimelineRow {
  uint32_t block, command, member;
  uint64_t begin, end; // nanoseconds since the run began
  int64_t cells, all_cells;
  double flops; // of these cells
  const char *kernel;
};

class Session {
public:
  /// `entry` belongs to the artifact's chosen variant, which `gpu` has loaded;
  /// null: it runs on this CPU. A limit of 0 is none.
  Session(std::shared_ptr<const Artifact> artifact,
          std::shared_ptr<const GpuProgram> gpu, const schema::Entry &entry,
          uint64_t max_arena_bytes, uint64_t max_steps);

  /// Once, before anything else.
  Status start(unsigned threads);

  /// `state` is null if and only if the entry keeps none.
  Status run(State *state, Span<const mmcc_tensor> inputs,
             Span<mmcc_tensor> outputs);
  Status outputShapes(State *state, Span<const mmcc_tensor> inputs,
                      Span<mmcc_tensor> outputs);
  Status createState(uint64_t batch, uint64_t capacity,
                     std::unique_ptr<State> &state) const;

  const std::vector<ValueDescription> &inputs() const { return inputs_; }
  const std::vector<ValueDescription> &outputs() const { return outputs_; }
  const std::vector<ValueDescription> &states() const { return states_; }
  unsigned threads() const { return team_->size(); }
  uint64_t arenaBytes();
  uint64_t launches();

  void setProfiling(bool on);
  void setTimeline(bool on);
  void setObserver(mmcc_observer observer, void *context);
  size_t timelineSize();
  bool timelineSlice(size_t index, mmcc_timeline_slice &slice);
  size_t profileSize();
  bool profileRow(size_t index, mmcc_profile_row &row);

private:
  static constexpr size_t kPlansKept = 8;

  struct Stage {
    std::vector<StagePlan> plans;
    StagePlan *current = nullptr;
    Slab arena;
  };

  /// Runs a call that leaves inputs out, with the same threads.
  struct Alternative {
    std::vector<uint8_t> absent; // of our inputs, which are left out
    std::vector<uint32_t> taken; // of our inputs, which it takes, in its order
    std::vector<mmcc_tensor> inputs;
    std::unique_ptr<Session> session;
  };

  Status startAlternatives();
  /// The alternative that leaves out what the call does; null: none is needed.
  Status findAlternative(Span<const mmcc_tensor> inputs,
                         Alternative *&alternative);
  std::string describeAbsent(const std::vector<uint8_t> &absent) const;
  Status bind(Span<const mmcc_tensor> inputs, bool check_data);
  /// Whether the call's state fits the inputs, which are bound.
  Status checkState();
  /// Calls `function` with `state` as the call's.
  template <typename Function>
  Status withState(State *state, Function function);
  Status runWithState(Span<const mmcc_tensor> inputs,
                      Span<mmcc_tensor> outputs);
  /// Shapes of stage 0's outputs.
  Status shapesWithState(Span<const mmcc_tensor> inputs,
                         Span<mmcc_tensor> outputs);
  Status findPlan(uint32_t stage);
  Status enterStage(uint32_t stage, Span<const mmcc_tensor> inputs,
                    Span<mmcc_tensor> outputs);
  Status placeOutput(uint32_t index, const OutputShape &shape,
                     mmcc_tensor &output);
  Status executeBlock(uint32_t block, Span<const mmcc_tensor> inputs,
                      Span<mmcc_tensor> outputs);
  Status placeBuffers(uint32_t stage, const StagePlan &plan, uint8_t *arena,
                      Span<const mmcc_tensor> inputs);
  Status reserveScratch(int64_t bytes);
  Status executeRun(const Run &run);
  Status executeOnTeam(const Run &run, const LaunchList &list);
  Status executeOnGpu(const Run &run, const LaunchList &list);
  Status executeDefine(const schema::DefineSymbol &define,
                       Span<const mmcc_tensor> inputs,
                       Span<mmcc_tensor> outputs);
  Status executeLoop(const schema::Loop &loop, Span<const mmcc_tensor> inputs,
                     Span<mmcc_tensor> outputs);
  /// Reads `bytes` bytes at the operand.
  Status readOperand(const schema::Operand &operand, void *into, int64_t bytes);
  const char *nodeOf(const schema::Command &command) const;
  const char *kernelOf(const schema::Command &command) const;
  /// The kernel, or what a library has done in its place.
  const char *doerOf(const schema::Command &command, size_t launch) const;
  double flopsOf(const schema::Command &command);
  void recordProfile(const Run &run, const LaunchList &list);
  void recordTimeline(const Run &run, const LaunchList &list);
  void recordIntervals(const Run &run, const LaunchList &list,
                       const std::vector<LaunchInterval> &intervals,
                       uint64_t began);
  Status observe(const Run &run, const Launch &launch, void *const *buffers);
  /// Counts what the call does against max_steps.
  Status spend(uint64_t steps);
  ResolveContext resolveContext();
  Status withEntry(Status status) const;

  std::shared_ptr<const Artifact> artifact_;
  EntryProgram program_;
  std::unique_ptr<GpuExecutor> gpu_; // null on a CPU
  uint64_t max_arena_bytes_;
  uint64_t max_steps_;
  std::mutex mutex_;
  std::shared_ptr<ThreadTeam> team_;
  std::vector<Alternative> alternatives_;
  Session *last_run_ = this;
  std::vector<ValueDescription> inputs_, outputs_, states_;

  // The current call.
  std::vector<int64_t> symbols_;
  ExpressionValues values_;
  std::vector<int64_t> input_bytes_;
  std::vector<int64_t> buffer_bytes_;
  std::vector<uint8_t *> buffers_;
  std::vector<uint8_t *> output_data_;
  State *state_ = nullptr;
  int64_t appended_ = 0; // tokens that the call adds to it
  uint32_t stage_ = 0;
  uint64_t steps_ = 0;
  uint64_t launches_ = 0;
  uint64_t call_ = 0;

  std::vector<Stage> stages_;
  StagePlanner planner_;
  LaunchList varying_;
  std::vector<Slab> output_memory_;
  Slab scratch_;
  std::vector<uint8_t> observed_; // from a GPU
  uint64_t scratch_stride_ = 0;

  mmcc_observer observer_ = nullptr;
  void *observer_context_ = nullptr;
  bool profiling_ = false;
  std::vector<CommandTime> times_;
  std::vector<ProfileRow> profile_;
  bool has_timeline_ = false;
  uint64_t run_began_ = 0;
  Timeline timeline_;
  std::vector<TimelineRow> timeline_rows_;
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_EXECUTOR_SESSION_H
