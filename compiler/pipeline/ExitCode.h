//===- ExitCode.h - How a command ends --------------------------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_EXITCODE_H
#define MMCC_COMPILER_PIPELINE_EXITCODE_H

namespace mmcc {

/// What a command line tool gives back. Every value but `done` comes with one
/// message on standard error.
enum class ExitCode : int {
  done = 0,
  input = 1,       ///< the model, the IR or the arrays are at fault
  commandLine = 2, ///< an option is unknown, malformed or not supported yet
  contract = 3,    ///< accuracy, strictness or a comparison failed
  environment = 4, ///< no device, no memory, no disk
  bug = 70,        ///< our fault: invalid IR from a pass
};

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_EXITCODE_H
