//===- EntryProgram.h - An entry, arranged for execution --------*- C++ -*-===//
//
// A *run* is a stretch of commands without control flow: dispatches, copies and
// fills. It is resolved to a flat list of launches once per shape. Between runs
// stand *steps* that the calling thread carries out itself.
//
// A *stage* begins at the call (stage 0) and after each DefineSymbol. What is
// known at a stage (symbols, sizes, places in memory) stays fixed until the
// call ends. Most entries have one stage only.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_EXECUTOR_ENTRYPROGRAM_H
#define MMCC_RUNTIME_EXECUTOR_ENTRYPROGRAM_H

#include "runtime/core/Span.h"
#include "runtime/core/Status.h"
#include "runtime/schema/program_generated.h"

#include <cstdint>
#include <string>
#include <vector>

namespace mmcc::runtime {

constexpr uint32_t kSeveralStreams = ~uint32_t(0);

struct Step {
  enum Kind : uint8_t { run, define, branch, loop };
  Kind kind;
  uint32_t index; // of the run, or of the command in its block
};

struct Run {
  uint32_t block, first, count; // commands
  uint32_t stage;
  bool varies;   // depends on a loop's index: resolved in each turn
  uint32_t slot; // among the runs of its stage that do not vary
};

struct EntryProgram {
  /// `entry` is verified and outlives this.
  explicit EntryProgram(const schema::Entry &entry);

  const schema::Command &command(uint32_t block, uint32_t index) const {
    return *entry.blocks()->Get(block)->commands()->Get(index);
  }
  /// "command 3 ('MatMul_7')", for messages.
  std::string nameOf(const schema::Command &command, uint32_t index) const;

  const schema::Entry &entry;
  std::vector<std::vector<Step>> blocks;
  std::vector<Run> runs;
  uint32_t stage_count = 1;
  std::vector<uint32_t> runs_in_stage; // that do not vary
  std::vector<uint32_t> symbol_stages;
  std::vector<uint32_t> expression_stages;
  std::vector<uint32_t> buffer_stages;
  std::vector<uint32_t> output_stages;
  /// The stream of all commands that use the buffer, or kSeveralStreams.
  std::vector<uint32_t> buffer_streams;

private:
  void arrange(uint32_t block, uint32_t &stage,
               const std::vector<uint8_t> &varying_expressions);
};

/// Values of expressions at the current symbols, each computed once.
class ExpressionValues {
public:
  ExpressionValues(const schema::Entry &entry, const int64_t *symbols);

  /// To be called when a symbol has changed.
  void forget() { ++epoch_; }
  /// False on overflow or division by zero.
  bool get(uint32_t id, int64_t &value);

private:
  const schema::Entry &entry_;
  const int64_t *symbols_;
  uint64_t epoch_ = 1;
  std::vector<int64_t> values_;
  std::vector<uint64_t> known_; // epoch of the value
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_EXECUTOR_ENTRYPROGRAM_H
