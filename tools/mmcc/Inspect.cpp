//===- Inspect.cpp - What is inside an artifact ---------------------------===//

#include "codegen/artifact/Printer.h"
#include "runtime/loader/Artifact.h"
#include "tools/mmcc/Verbs.h"
#include "llvm/Support/raw_ostream.h"

using namespace mmcc;

/// Threads that verify the file.
static constexpr unsigned kThreads = 2;

ExitCode mmcc::inspect(const CommandLine &commandLine) {
  runtime::Artifact file;
  runtime::Status status = file.open(commandLine.artifact.c_str(), kThreads);
  if (!status.ok()) {
    llvm::errs() << "mmcc: " << status.message() << "\n";
    bool environment = status.code() == runtime::Code::out_of_memory ||
                       status.code() == runtime::Code::io_error;
    return environment ? ExitCode::environment : ExitCode::input;
  }
  llvm::outs() << (commandLine.json
                       ? artifact::printJson(file.program(), file.name(),
                                             file.fileBytes())
                       : artifact::printText(file.program(), file.name(),
                                             file.fileBytes(),
                                             commandLine.commands));
  return ExitCode::done;
}
