//===- GpuExecutor.h - Carries commands out on a GPU ------------*- C++ -*-===//
//
// A session on a GPU resolves its commands to launches as one on a CPU does
// (LaunchList); here they go into the driver's queues. What has run once is
// launched as a CUDA graph from then on, whose kernels are told what is
// different: other addresses, other sizes, as in each step of a decoder.
//
// Tensors of the caller may lie on the host, and are copied to the GPU and
// back, or on the GPU, where they are used in place.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_EXECUTOR_GPUEXECUTOR_H
#define MMCC_RUNTIME_EXECUTOR_GPUEXECUTOR_H

#include "runtime/device/cuda/Graph.h"
#include "runtime/device/cuda/TensorMap.h"
#include "runtime/executor/EntryProgram.h"
#include "runtime/executor/GpuProgram.h"
#include "runtime/executor/LaunchList.h"
#include "runtime/include/mmcc/runtime.h"

#include <map>
#include <memory>
#include <vector>

namespace mmcc::runtime {

/// When a launch ran, since the list began.
struct LaunchInterval {
  uint64_t begin, end; // nanoseconds
};

class GpuExecutor {
public:
  GpuExecutor(std::shared_ptr<const GpuProgram> gpu,
              const EntryProgram &program);
  ~GpuExecutor();

  /// Once, before anything else.
  Status start();
  /// Before each call, by the thread that calls.
  Status begin() const { return gpu_->device()->makeCurrent(); }

  const std::shared_ptr<const GpuProgram> &program() const { return gpu_; }
  uint8_t *constant(const schema::Buffer &buffer) const {
    return gpu_->constant(buffer);
  }
  /// Arena of a stage, of at least so many bytes.
  Status placeArena(uint32_t stage, uint64_t bytes, uint8_t *&address);
  /// Where kernels find input `index`, which is copied unless it is there.
  Status placeInput(uint32_t index, const mmcc_tensor &tensor, uint64_t bytes,
                    uint8_t *&address);
  /// Where kernels leave output `index`, which is to be in `tensor`.
  Status placeOutput(uint32_t index, const mmcc_tensor &tensor, uint64_t bytes,
                     uint8_t *&address);

  /// Puts the launches of `run`, which `list` holds, into the queues. Unless
  /// null, `times` becomes the intervals of all launches, each by itself if
  /// `alone`; this waits for them.
  Status execute(const Run &run, const LaunchList &list,
                 std::vector<LaunchInterval> *times = nullptr,
                 bool alone = false);
  /// Executes launch after launch; `after` is called when one is done, and may
  /// read().
  template <typename After>
  Status executeObserved(const Run &run, const LaunchList &list, After after);
  /// Whether the library did a launch of the last run that was timed.
  bool wasByLibrary(size_t launch) const { return by_library_[launch]; }
  /// Waits until `bytes` bytes at `address` are computed, and copies them.
  Status read(void *into, const uint8_t *address, uint64_t bytes);

  /// Copies outputs to the caller and waits for everything.
  Status finish();
  /// Waits after a failure: nothing of the caller's is read or written later.
  void abandon();

private:
  struct Output {
    cuda::Memory memory;
    void *host = nullptr; // null: it is on the GPU
    uint8_t *address = nullptr;
    uint64_t bytes = 0;
  };
  /// A run's launches as one.
  struct Recorded {
    bool has_run = false;
    std::unique_ptr<cuda::KernelGraph> graph;
  };

  bool isOnDevice(const void *data) const;
  Status issue(const Run &run, const LaunchList &list, size_t launch,
               uint32_t stream);
  /// `around(launch, stream, function)` calls function() between what it does.
  template <typename Around>
  Status issueAll(const Run &run, const LaunchList &list, bool one_stream,
                  Around around);
  Status issueInOrder(const Run &run, const LaunchList &list);
  /// What a launch of a kernel is, its parameters at the end of `parameters`.
  Status describe(const LaunchList &list, size_t launch,
                  const schema::Dispatch &dispatch, cuda::Function &function,
                  cuda::Grid &grid, std::vector<uint64_t> &parameters);
  /// Arguments in codegen/cuda/kernels/Abi.cuh: addresses, then sizes, of which
  /// there is always one, then maps if there are any.
  void appendParameters(const schema::Dispatch &dispatch,
                        Span<void *const> pointers, Span<const int64_t> sizes,
                        std::vector<uint64_t> &parameters);
  /// How the library does a launch, its arguments at the end of `arguments`;
  /// null: it is the kernel's.
  Status findMatmul(const LaunchList &list, size_t launch,
                    const schema::Dispatch &dispatch, uint32_t stream,
                    cuda::Matmul *&matmul, std::vector<uint64_t> &arguments);
  /// Forgets what is known of products when there are too many of them.
  void limitMatmuls();
  /// Launches a graph if the run can be one; false: it was not.
  Status replay(const Run &run, const LaunchList &list, bool &done);
  /// All launches of kernels; false if there are others.
  Status collect(const Run &run, const LaunchList &list, bool &all);
  /// Adds the commands that may be meant to what a wait has found.
  Status described(Status status) const;

  std::shared_ptr<const GpuProgram> gpu_;
  const EntryProgram &program_;
  cuda::Queue queue_;
  std::vector<cuda::Memory> arenas_, inputs_;
  std::vector<Output> outputs_;
  std::map<cuda::MatmulProblem, std::unique_ptr<cuda::Matmul>> matmuls_;
  std::vector<cuda::Memory> workspaces_; // by stream
  std::vector<uint8_t> by_library_;      // launches that were not the kernel's
  std::vector<Recorded> graphs_;         // by run
  std::vector<uint64_t> parameters_;     // of one launch
  std::vector<uint8_t> recorded_now_;    // events, in the current run
  cuda::KernelList kernels_;             // of a run
  cuda::TensorMaps maps_;                // by schema::TensorMap
  std::vector<uint32_t> last_, event_kernels_;
  const Run *last_run_ = nullptr;
  bool waits_each_ = false, has_graphs_ = true;
};

//===----------------------------------------------------------------------===//

template <typename Around>
Status GpuExecutor::issueAll(const Run &run, const LaunchList &list,
                             bool one_stream, Around around) {
  last_run_ = &run;
  by_library_.assign(list.launches().size(), 0);
  std::fill(recorded_now_.begin(), recorded_now_.end(), 0);
  if (!one_stream)
    MMCC_RETURN_IF_ERROR(queue_.fork());
  size_t launch = 0;
  for (uint32_t i = run.first; i < run.first + run.count; ++i) {
    const schema::Command &command = program_.command(run.block, i);
    uint32_t stream = one_stream ? 0 : command.stream();
    Status status;
    if (const schema::EventRecord *body = command.body_as_EventRecord()) {
      recorded_now_[body->event()] = 1;
      if (!one_stream)
        status = queue_.record(stream, body->event());
    } else if (const schema::EventWait *body = command.body_as_EventWait()) {
      // What was recorded in an earlier run is over.
      if (!one_stream && recorded_now_[body->event()])
        status = queue_.wait(stream, body->event());
    } else {
      size_t index = launch++;
      status = around(index, stream,
                      [&] { return issue(run, list, index, stream); });
      if (status.ok() && waits_each_)
        status = queue_.synchronize();
    }
    if (!status.ok())
      return {status.code(),
              program_.nameOf(command, i) + ": " + status.message()};
  }
  return one_stream ? Status() : queue_.join();
}

template <typename After>
Status GpuExecutor::executeObserved(const Run &run, const LaunchList &list,
                                    After after) {
  return issueAll(run, list, /*one_stream=*/true,
                  [&](size_t launch, uint32_t, auto issueOne) -> Status {
                    MMCC_RETURN_IF_ERROR(issueOne());
                    MMCC_RETURN_IF_ERROR(queue_.synchronize());
                    return after(list.launches()[launch],
                                 list.pointersOf(launch).data());
                  });
}

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_EXECUTOR_GPUEXECUTOR_H
