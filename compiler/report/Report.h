//===- Report.h - One page of what was compiled -----------------*- C++ -*-===//
//
// The page shows an artifact at work: its regions and what each costs beside
// what this machine could do, a run thread by thread, the arena over time, the
// kinds of attention, tokens by layer, and which patches of an image became one
// token. It is one HTML file that needs nothing else: facts as JSON, and the
// script that draws them (page/, a file a picture).
//
//     module after `optimize` ─ AttentionFacts ──┐
//     artifact ─ ProgramFacts ───────────────────┤
//     artifact, run here ─ Measurement, roof ────┼─► JSON ─► page
//     artifact with the source map ─ Patches ────┘
//
// A size that depends on the call has one value on the page: that of the first
// sample, or its bound, or its least. Where the machine cannot run the artifact
// the page shows what is known without a run. Names come from a stranger's
// model: they are data in the JSON, in which no "<" is left, and text on the
// page.
//
// What a report shows was measured on the machine that compiled. It is not part
// of the artifact, whose bytes it does not change.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_COMPILER_REPORT_REPORT_H
#define MMCC_COMPILER_REPORT_REPORT_H

#include "compiler/report/AttentionFacts.h"
#include "tools/npz/Npz.h"
#include <optional>
#include <string>
#include <vector>

namespace mmcc {

/// Seconds and peak megabytes of a stage.
struct StageCost {
  std::string stage;
  double seconds, peakMegabytes;
};

struct ReportInput {
  /// The artifact that was written.
  std::string artifact;
  std::vector<AttentionFacts> attention;
  std::vector<StageCost> stages;
  /// The sample that entries are run on, and its file's name; without one they
  /// are run on zeros (integers: ones).
  std::optional<std::vector<npz::Array>> sample;
  std::string sampleName;
  /// The same program with the source map of merged tokens as an output; empty:
  /// no tokens merge.
  std::string mapArtifact;
};

/// Writes the page to `path`, all of it or nothing. Returns a message on
/// failure, else an empty string.
std::string writeReport(const ReportInput &input, const std::string &path);

} // namespace mmcc

#endif // MMCC_COMPILER_REPORT_REPORT_H
