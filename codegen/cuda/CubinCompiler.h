//===- CubinCompiler.h - nvcc, and what it has made before ------*- C++ -*-===//

#ifndef MMCC_CODEGEN_CUDA_CUBINCOMPILER_H
#define MMCC_CODEGEN_CUDA_CUBINCOMPILER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace mmcc::cuda {

enum class Output { cubin, ptx };

/// Compiles .cu files for one architecture, each once: what has been made of
/// the same text, templates and compiler is taken from a folder.
///
/// The compiler is $MMCC_NVCC, else nvcc in $PATH, else that of
/// /usr/local/cuda. The folder is $MMCC_CACHE ("off": none), else
/// $XDG_CACHE_HOME/mmcc, else $HOME/.cache/mmcc; where none can be made,
/// nothing is kept.
class CubinCompiler {
public:
  /// Finds the compiler and asks its version, or says what is missing.
  static llvm::Expected<CubinCompiler> find(llvm::StringRef architecture);

  /// The code of each source, in order; `threads` compilers run at once. The
  /// error has what nvcc says of the first source that fails.
  llvm::Expected<std::vector<std::string>>
  compile(llvm::ArrayRef<std::string> sources, Output output,
          unsigned threads) const;

private:
  CubinCompiler() = default;
  llvm::Expected<std::string> compileOne(const std::string &source,
                                         Output output,
                                         const std::string &folder,
                                         size_t number) const;
  /// Where code of `source` is kept; empty: nowhere.
  std::string cachedPath(const std::string &source, Output output) const;

  std::string nvcc, version, architecture, cache;
};

} // namespace mmcc::cuda

#endif // MMCC_CODEGEN_CUDA_CUBINCOMPILER_H
