//===- TargetMachine.h - LLVM's description of a level ----------*- C++ -*-===//

#ifndef MMCC_CODEGEN_CPU_TARGETMACHINE_H
#define MMCC_CODEGEN_CPU_TARGETMACHINE_H

#include "codegen/cpu/kernels/Levels.h"
#include "llvm/Target/TargetMachine.h"

#include <memory>

namespace mmcc::cpu {

/// Of the generated code of `level`, which is its base's: position-independent,
/// small code model.
std::unique_ptr<llvm::TargetMachine> createTargetMachine(const Level &level,
                                                         unsigned optLevel);

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_TARGETMACHINE_H
