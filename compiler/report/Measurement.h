//===- Measurement.h - A program at work on this machine --------*- C++ -*-===//

#ifndef MMCC_COMPILER_REPORT_MEASUREMENT_H
#define MMCC_COMPILER_REPORT_MEASUREMENT_H

#include "mmcc/runtime.hpp"
#include "tools/npz/Npz.h"
#include "llvm/Support/JSON.h"

namespace mmcc {

/// Inputs of an entry, and what they are.
struct RunInputs {
  std::vector<npz::Array> arrays;
  std::vector<Tensor> tensors;
  /// "the sample 000.npz", or that they are zeros.
  std::string origin;
};

/// The sample's arrays, if it has one for each input; else floats that are 0
/// and integers that are 1, with sizes that depend on the call at their bound,
/// or at their least where they have none. Returns a message on failure.
std::string makeInputs(const Session &session,
                       const std::vector<npz::Array> *sample,
                       const std::string &sampleName, RunInputs &inputs);

/// Runs the entry: {ms, fastest_ms, first_ms, runs, origin, threads,
/// profile: [{command, ns, flops}], timeline: [[thread, command, begin ns, end
/// ns, cells]], arena_bytes}, or {message} when a run fails. `profile` has the
/// time of each command alone, the median of several runs; `timeline` is one
/// run as it is, of median length among several.
llvm::json::Object measure(Session &session, const RunInputs &inputs);

} // namespace mmcc

#endif // MMCC_COMPILER_REPORT_MEASUREMENT_H
