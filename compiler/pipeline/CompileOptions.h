//===- CompileOptions.h - What a compilation is asked for -------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_COMPILEOPTIONS_H
#define MMCC_COMPILER_PIPELINE_COMPILEOPTIONS_H

#include "compiler/import/Import.h"
#include "compiler/pipeline/Stage.h"
#include "passes/quantize/QuantizeRequest.h"
#include <optional>
#include <string>
#include <vector>

namespace mmcc {

struct CompileOptions {
  /// ONNX models, each an entry point named after its file's stem, or, with
  /// `from`, one file of printed IR.
  std::vector<std::string> inputs;
  /// The artifact to write; unused with `stopAfter`.
  std::string output;
  /// As parseTargets() gives them.
  std::vector<std::string> targets;
  std::vector<import::DimBinding> dims;
  /// The IR in `input` is what this stage printed: compilation goes on with
  /// the next one.
  std::optional<Stage> from;
  /// Print the IR after this stage instead of writing an artifact.
  std::optional<Stage> stopAfter;
  /// False (-O0): only what lowering needs.
  bool optimize = true;
  /// How many tokens each encoder layer merges (MergeSchedule.h); empty: none;
  /// "auto": as many as `maxDrop` allows on the samples.
  std::string tome;
  /// Give the token that each original token became part of as an output.
  bool tomeMap = false;
  /// How many image tokens a decoder gets (PruneRequest.h); empty: all.
  std::string prune;
  /// Give the places of the image tokens that stay as an output.
  bool pruneMap = false;
  /// Limits on attention (AttentionPattern.h).
  std::vector<std::string> attention;
  /// The type in which entries with state keep keys and values (passes/state);
  /// "off": there are no such entries.
  std::string kv = "f32";
  /// What weights, and what layers and attention read, may be stored in: f32,
  /// bf16, f16 or auto; or tf32, in which a GPU may multiply them.
  std::string precision = "f32";
  /// Narrow weights and activations; nothing: none.
  std::optional<QuantizeRequest> quantize;
  /// Record of timings (TuningRecord.h) that `quantize` chooses by, and adds
  /// to; empty: a model decides.
  std::string tuning;
  /// Folder of samples to measure accuracy on; empty: none.
  std::string calibrate;
  /// Points of accuracy (Accuracy.h) that may be lost.
  std::optional<double> maxDrop;
  /// Recorded in the artifact for people: what was measured.
  std::vector<std::pair<std::string, std::string>> notes;
  /// Fail with a contract error if an attention stays in pieces.
  bool strict = false;
  /// Print seconds and peak memory by stage to standard error.
  bool time = false;
  /// Folder for the generated code as text; empty: none.
  std::string dumpCode;
  /// HTML page to write about the artifact; empty: none.
  std::string report;
  /// Add every value that leaves a node of the model as an output, named
  /// "tap:" and the node's name.
  bool taps = false;
  /// Report also why what looked like a pattern was left as it is.
  bool explain = false;
  /// Recorded in the artifact: the options as the user wrote them, without
  /// paths, so that the folder does not change the bytes.
  std::string recorded;
};

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_COMPILEOPTIONS_H
