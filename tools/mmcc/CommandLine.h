//===- CommandLine.h - What mmcc was asked to do ----------------*- C++ -*-===//

#ifndef MMCC_TOOLS_MMCC_COMMANDLINE_H
#define MMCC_TOOLS_MMCC_COMMANDLINE_H

#include "compiler/pipeline/CompileOptions.h"
#include "compiler/pipeline/ExitCode.h"

namespace mmcc {

enum class Verb { compile, inspect, explain, doctor, diff, tune };

struct CommandLine {
  /// diff: the least signal to noise that is accepted, in decibels.
  std::optional<double> sqnr;
  Verb verb = Verb::compile;
  /// Of compile, explain, doctor and diff.
  CompileOptions compile;
  /// Of inspect and diff.
  std::string artifact;
  /// Of diff: the arrays to run on, and expected outputs if there are any.
  std::string inputs, reference;
  /// Of tune: which GPU; nothing: this processor.
  std::optional<int> gpu;
  /// Of inspect: as JSON, or with every command.
  bool json = false, commands = false;
};

/// Reads the arguments. Returns nothing when a verb is to run; otherwise help
/// (on standard output) or one message (on standard error) has been written,
/// and the process ends with the code.
std::optional<ExitCode> parseCommandLine(int argc, const char *const *argv,
                                         CommandLine &commandLine);

} // namespace mmcc

#endif // MMCC_TOOLS_MMCC_COMMANDLINE_H
