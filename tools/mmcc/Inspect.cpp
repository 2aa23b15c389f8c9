//===- Inspect.cpp - What is inside an artifact ----------------------------===//

#include "tools/mmcc/Verbs.h"
#include "llvm/Support/raw_ostream.h"

using namespace mmcc;

ExitCode mmcc::inspect(const CommandLine &commandLine) {
  llvm::errs() << "mmcc: no printer yet\n";
  return ExitCode::bug;
}
