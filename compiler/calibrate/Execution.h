//===- Execution.h - Runs an artifact on arrays -----------------*- C++ -*-===//

#ifndef MMCC_COMPILER_CALIBRATE_EXECUTION_H
#define MMCC_COMPILER_CALIBRATE_EXECUTION_H

#include "compiler/calibrate/Samples.h"
#include "mmcc/runtime.hpp"
#include "tools/npz/Npz.h"
#include <string>
#include <vector>

namespace mmcc {

/// An artifact that runs; the outputs belong to its session, and last until
/// its next run.
struct Execution {
  Model model;
  Session session;
  std::vector<Tensor> outputs;
  std::vector<std::string> names;

  /// Loads the entry `entry` of the artifact at `path`, or its only one.
  /// Returns a message on failure, else an empty string.
  std::string open(const std::string &path, const std::string &entry);
  /// Loads, of the entries whose inputs `sample` has, the one with most inputs;
  /// none that keeps state.
  std::string openFor(const std::string &path, const Sample &sample);
  /// Runs it with one array for each input, found by name; further arrays are
  /// left alone. Returns a message on failure, else an empty string.
  std::string run(const std::vector<npz::Array> &arrays);
  /// Null if there is no such output.
  const Tensor *find(const std::string &name) const;

private:
  void listOutputs();
};

/// Opens the artifact at `path` and runs it once.
std::string execute(const std::string &path, const std::string &entry,
                    const std::vector<npz::Array> &arrays,
                    Execution &execution);

} // namespace mmcc

#endif // MMCC_COMPILER_CALIBRATE_EXECUTION_H
