//===- Architectures.h - The GPUs that code is made for ---------*- C++ -*-===//

#ifndef MMCC_CODEGEN_CUDA_ARCHITECTURES_H
#define MMCC_CODEGEN_CUDA_ARCHITECTURES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace mmcc::cuda {

/// As nvcc's -arch takes them, oldest first. Code of sm_90a runs on that one
/// alone; of the others, on later ones of the same major version, too.
inline constexpr llvm::StringLiteral kArchitectures[] = {
    "sm_80", "sm_86", "sm_89", "sm_90a", "sm_100"};

inline bool isArchitecture(llvm::StringRef name) {
  for (llvm::StringRef known : kArchitectures)
    if (known == name)
      return true;
  return false;
}

} // namespace mmcc::cuda

#endif // MMCC_CODEGEN_CUDA_ARCHITECTURES_H
