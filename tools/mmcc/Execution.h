//===- Execution.h - Runs an artifact on arrays -----------------*- C++ -*-===//

#ifndef MMCC_TOOLS_MMCC_EXECUTION_H
#define MMCC_TOOLS_MMCC_EXECUTION_H

#include "mmcc/runtime.hpp"
#include "tools/npz/Npz.h"
#include <string>
#include <vector>

namespace mmcc {

/// An artifact that has run; the outputs belong to its session.
struct Execution {
  Model model;
  Session session;
  std::vector<Tensor> outputs;
  std::vector<std::string> names;

  /// Null if there is no such output.
  const Tensor *find(const std::string &name) const;
};

/// Runs the entry `entry` of the artifact at `path`, or its only one, with one
/// array for each input. Returns a message on failure, else an empty string.
std::string execute(const std::string &path, const std::string &entry,
                    const std::vector<npz::Array> &arrays,
                    Execution &execution);

} // namespace mmcc

#endif // MMCC_TOOLS_MMCC_EXECUTION_H
