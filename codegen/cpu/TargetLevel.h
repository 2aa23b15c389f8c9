//===- TargetLevel.h - The instruction sets that code is made for ---------===//

#ifndef MMCC_CODEGEN_CPU_TARGETLEVEL_H
#define MMCC_CODEGEN_CPU_TARGETLEVEL_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Target/TargetMachine.h"

#include <memory>

namespace mmcc::cpu {

struct TargetLevel {
  llvm::StringRef name;
  /// LLVM's name of the processor, and the features beyond it.
  llvm::StringRef processor;
  llvm::StringRef features;
  /// 32-bit lanes of a vector register.
  unsigned lanes;
};

/// Null when there is no such level.
const TargetLevel *findLevel(llvm::StringRef name);

/// Of the machine code of `level`: position-independent, small code model.
std::unique_ptr<llvm::TargetMachine>
createTargetMachine(const TargetLevel &level, unsigned optLevel);

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_TARGETLEVEL_H
