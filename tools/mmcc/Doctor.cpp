//===- Doctor.cpp - Everything that keeps a model from compiling ----------===//

#include "compiler/pipeline/Compilation.h"
#include "tools/mmcc/Verbs.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mmcc;

ExitCode mmcc::doctor(const CommandLine &commandLine) {
  // Import lists all that it refuses; what it lets pass may still have no
  // kernel, which lowering lists.
  CompileOptions options = commandLine.compile;
  options.targets.resize(1);
  Compilation compilation(options, llvm::errs());
  ExitCode code = compilation.run(Stage::schedule);
  if (code == ExitCode::done)
    llvm::outs() << llvm::join(options.inputs, ", ")
                 << ": nothing keeps it from being compiled\n";
  return code;
}
