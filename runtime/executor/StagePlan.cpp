#include "runtime/executor/StagePlan.h"

#include "runtime/core/CheckedMath.h"
#include "runtime/executor/InputBinding.h"
#include "runtime/loader/ProgramVerifier.h"

#include <algorithm>

namespace mmcc::runtime {

using namespace schema;

bool StagePlan::isFor(Span<const int64_t> values) const {
  return valid && symbols.size() == values.size() &&
         std::equal(symbols.begin(), symbols.end(), values.begin());
}

static Status impossible(uint32_t buffer, const char *what) {
  return {Code::invalid_file,
          "buffer " + std::to_string(buffer) + " has an impossible " + what};
}

Status StagePlanner::outputs(const ResolveContext &context, uint32_t stage,
                             StagePlan &plan) {
  const Entry &entry = context.program.entry;
  plan.outputs.resize(lengthOf(entry.outputs()));
  for (uint32_t i = 0; i < plan.outputs.size(); ++i) {
    if (context.program.output_stages[i] != stage)
      continue;
    const Value &output = *entry.outputs()->Get(i);
    OutputShape &shape = plan.outputs[i];
    uint32_t rank = lengthOf(output.dims());
    bool known = true;
    for (uint32_t d = 0; d < rank; ++d)
      known &= context.values.get(output.dims()->Get(d), shape.dims[d]);
    if (!known || !tensorBytes(output.dtype(), shape.dims, rank, shape.bytes))
      return {Code::invalid_argument,
              "output '" + output.name()->str() +
                  "' would have an impossible shape for these inputs"};
  }
  return {};
}

Status StagePlanner::arena(const ResolveContext &context, uint32_t stage,
                           StagePlan &plan) {
  const Entry &entry = context.program.entry;
  to_pack_.clear();
  packed_ids_.clear();
  int64_t fixed_end = 0;
  for (uint32_t i = 0; i < plan.buffer_bytes.size(); ++i) {
    const Buffer &buffer = *entry.buffers()->Get(i);
    if (buffer.kind() != BufferKind::arena ||
        context.program.buffer_stages[i] != stage)
      continue;
    int64_t bytes = 0, offset = 0, end = 0;
    if (!context.values.get(buffer.size(), bytes) || bytes < 0)
      return impossible(i, "size");
    plan.buffer_bytes[i] = bytes;
    if (buffer.offset() < 0) {
      to_pack_.push_back({bytes, int64_t(buffer.align()),
                          buffer.first_command(), buffer.last_command(), 0,
                          context.program.buffer_streams[i]});
      packed_ids_.push_back(i);
      continue;
    }
    if (!context.values.get(uint32_t(buffer.offset()), offset) || offset < 0 ||
        offset % int64_t(buffer.align()) != 0 ||
        !checkedAdd(offset, bytes, end))
      return impossible(i, "offset");
    plan.buffer_offsets[i] = offset;
    fixed_end = std::max(fixed_end, end);
  }
  if (!checkedAlign(fixed_end, 4096, fixed_end) ||
      !packer_.pack(to_pack_, fixed_end, plan.arena_bytes))
    return {Code::out_of_memory, "the arena exceeds 64 bits"};
  for (uint32_t i = 0; i < packed_ids_.size(); ++i)
    plan.buffer_offsets[packed_ids_[i]] = to_pack_[i].offset;
  return {};
}

Status StagePlanner::plan(const ResolveContext &context, const Program &program,
                          uint32_t stage, Span<const int64_t> symbols,
                          Span<const int64_t> input_bytes,
                          Span<int64_t> session_buffer_bytes, StagePlan &plan) {
  const Entry &entry = context.program.entry;
  plan.valid = false;
  plan.buffer_bytes.assign(session_buffer_bytes.size(), 0);
  plan.buffer_offsets.assign(session_buffer_bytes.size(), 0);
  MMCC_RETURN_IF_ERROR(outputs(context, stage, plan));
  MMCC_RETURN_IF_ERROR(arena(context, stage, plan));
  for (uint32_t i = 0; i < session_buffer_bytes.size(); ++i) {
    const Buffer &buffer = *entry.buffers()->Get(i);
    if (context.program.buffer_stages[i] != stage)
      continue;
    if (buffer.kind() == BufferKind::input)
      plan.buffer_bytes[i] = input_bytes[buffer.index()];
    else if (buffer.kind() == BufferKind::output)
      plan.buffer_bytes[i] = plan.outputs[buffer.index()].bytes;
    else if (buffer.kind() == BufferKind::constant)
      plan.buffer_bytes[i] =
          int64_t(program.constants()->Get(buffer.index())->bytes());
    session_buffer_bytes[i] = plan.buffer_bytes[i];
  }
  plan.scratch_bytes = 0;
  plan.runs.resize(context.program.runs_in_stage[stage]);
  for (const Run &run : context.program.runs) {
    if (run.stage != stage || run.varies)
      continue;
    LaunchList &list = plan.runs[run.slot];
    MMCC_RETURN_IF_ERROR(list.resolve(context, run));
    plan.scratch_bytes = std::max(plan.scratch_bytes, list.scratchBytes());
  }
  plan.symbols.assign(symbols.begin(), symbols.end());
  plan.valid = true;
  return {};
}

} // namespace mmcc::runtime
