//===- ModuleCompiler.h - LLVM module to object file ------------*- C++ -*-===//

#ifndef MMCC_CODEGEN_CPU_MODULECOMPILER_H
#define MMCC_CODEGEN_CPU_MODULECOMPILER_H

#include "codegen/cpu/TargetMachine.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/IR/Module.h"

#include <string>

namespace mmcc::cpu {

/// Links the scalar functions that `module` needs of `library` (which is
/// consumed), makes everything but `exported` internal, optimises what was
/// generated, and emits an object file, which calls microkernels by name. On
/// failure `error` says why. When `dumpPath` is not empty, writes dumpPath +
/// ".ll", ".s" and ".o".
bool compileModule(llvm::Module &module, std::unique_ptr<llvm::Module> library,
                   const llvm::StringSet<> &exported, const Level &level,
                   unsigned optLevel, llvm::StringRef dumpPath,
                   llvm::SmallVectorImpl<char> &object, std::string &error);

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_MODULECOMPILER_H
