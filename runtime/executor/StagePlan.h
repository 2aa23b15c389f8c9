//===- StagePlan.h - What follows from the symbols' values ------*- C++ -*-===//

#ifndef MMCC_RUNTIME_EXECUTOR_STAGEPLAN_H
#define MMCC_RUNTIME_EXECUTOR_STAGEPLAN_H

#include "runtime/executor/ArenaPacker.h"
#include "runtime/executor/LaunchList.h"

#include <cstdint>
#include <vector>

namespace mmcc::runtime {

struct OutputShape {
  int64_t dims[16];
  int64_t bytes;
};

/// Places of the buffers and resolved runs of one stage, for one assignment of
/// values to symbols. Objects are reused for other values, so that a new shape
/// allocates little and an old one nothing.
struct StagePlan {
  bool valid = false;
  std::vector<int64_t> symbols;
  uint64_t last_used = 0;
  int64_t arena_bytes = 0;
  int64_t scratch_bytes = 0;
  /// By buffer, for those of this stage; offsets for arena buffers only.
  std::vector<int64_t> buffer_bytes, buffer_offsets;
  /// By output, for those of this stage.
  std::vector<OutputShape> outputs;
  std::vector<LaunchList> runs;

  bool isFor(Span<const int64_t> values) const;
};

/// Fills plans in; keeps its working memory.
class StagePlanner {
public:
  /// `input_bytes` and `constant sizes` belong to buffers of stage 0.
  /// `session_buffer_bytes` has one element a buffer: those of earlier stages
  /// are read, those of this stage written.
  Status plan(const ResolveContext &context, const schema::Program &program,
              uint32_t stage, Span<const int64_t> symbols,
              Span<const int64_t> input_bytes,
              Span<int64_t> session_buffer_bytes, StagePlan &plan);

private:
  Status outputs(const ResolveContext &context, uint32_t stage,
                 StagePlan &plan);
  Status arena(const ResolveContext &context, uint32_t stage, StagePlan &plan);

  ArenaPacker packer_;
  std::vector<ArenaBuffer> to_pack_;
  std::vector<uint32_t> packed_ids_;
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_EXECUTOR_STAGEPLAN_H
