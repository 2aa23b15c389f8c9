//===- TemporaryArtifact.h - An artifact that nobody keeps ------*- C++ -*-===//

#ifndef MMCC_TOOLS_MMCC_TEMPORARYARTIFACT_H
#define MMCC_TOOLS_MMCC_TEMPORARYARTIFACT_H

#include "compiler/pipeline/Compilation.h"
#include "llvm/ADT/SmallString.h"
#include <string>

namespace mmcc {

/// A compiled model in a temporary file, which goes with this object. Who has
/// mapped it may still use it then.
class TemporaryArtifact {
public:
  TemporaryArtifact() = default;
  TemporaryArtifact(const TemporaryArtifact &) = delete;
  TemporaryArtifact &operator=(const TemporaryArtifact &) = delete;
  ~TemporaryArtifact();

  /// Once. `options.output` is not used; reports failures on standard error.
  ExitCode compile(CompileOptions options);
  std::string path() const { return file.str().str(); }

private:
  llvm::SmallString<128> file;
};

} // namespace mmcc

#endif // MMCC_TOOLS_MMCC_TEMPORARYARTIFACT_H
