//===- TemporaryArtifact.cpp - An artifact that nobody keeps --------------===//

#include "tools/mmcc/TemporaryArtifact.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <unistd.h>

using namespace mmcc;

TemporaryArtifact::~TemporaryArtifact() {
  if (!file.empty())
    llvm::sys::fs::remove(file);
}

ExitCode TemporaryArtifact::compile(CompileOptions options) {
  int descriptor;
  if (std::error_code failure = llvm::sys::fs::createTemporaryFile(
          "mmcc-diff", "mmcc", descriptor, file)) {
    llvm::errs() << "mmcc diff: cannot make a temporary file: "
                 << failure.message() << "\n";
    return ExitCode::environment;
  }
  ::close(descriptor);
  options.output = path();
  return mmcc::compile(options, llvm::nulls(), llvm::errs());
}
