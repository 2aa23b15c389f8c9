//===- mmcc.cpp - The compiler's command line -----------------------------===//

#include "compiler/pipeline/Compilation.h"
#include "tools/mmcc/Verbs.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <new>

using namespace mmcc;

static ExitCode run(const CommandLine &commandLine) {
  switch (commandLine.verb) {
  case Verb::compile:
    return compile(commandLine.compile, llvm::outs(), llvm::errs());
  case Verb::inspect:
    return inspect(commandLine);
  case Verb::explain:
    return explain(commandLine);
  case Verb::doctor:
    return doctor(commandLine);
  case Verb::diff:
    return diff(commandLine);
  case Verb::tune:
    return tune(commandLine);
  }
  llvm_unreachable("all verbs are above");
}

[[noreturn]] static void reportNoMemory() {
  static const char message[] = "mmcc: out of memory\n";
  std::fwrite(message, 1, sizeof message - 1, stderr);
  std::_Exit(static_cast<int>(ExitCode::environment));
}

int main(int argc, char **argv) {
  std::set_new_handler(reportNoMemory);
  llvm::install_bad_alloc_error_handler(
      [](void *, const char *, bool) { reportNoMemory(); });
  CommandLine commandLine;
  std::optional<ExitCode> over = parseCommandLine(argc, argv, commandLine);
  ExitCode code = over ? *over : run(commandLine);
  llvm::outs().flush();
  if (llvm::outs().has_error()) {
    llvm::errs() << "mmcc: cannot write to standard output: "
                 << llvm::outs().error().message() << "\n";
    llvm::outs().clear_error();
    code = ExitCode::environment;
  }
  // The IR of a large model takes long to take down, and nobody needs it.
  std::fflush(nullptr);
  std::_Exit(static_cast<int>(code));
}
