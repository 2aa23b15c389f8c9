//===- MathLibrary.h - Elementary functions for generated code --*- C++ -*-===//
//
// The kernels' bitcode has scalar functions mmk_<name>_f32 and _f64 that do not
// branch. For vectors they are *widened*: every instruction is copied with
// vector types. A function that cannot be widened (loops, memory) is called
// lane by lane.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_MATHLIBRARY_H
#define MMCC_CODEGEN_CPU_MATHLIBRARY_H

#include "llvm/ADT/StringMap.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

namespace mmcc::cpu {

class MathLibrary {
public:
  /// `library` is the kernels' bitcode, `module` where code is generated.
  MathLibrary(llvm::Module &library, llvm::Module &module)
      : library(library), module(module) {}

  /// Calls mmk_<name>_<type> on f32 or f64 values, scalars or vectors alike.
  /// Null when there is no such function.
  llvm::Value *call(llvm::IRBuilder<> &b, llvm::StringRef name,
                    llvm::ArrayRef<llvm::Value *> args);

  bool contains(llvm::StringRef name, llvm::Type *type) const;

  /// Attributes that say for which processor the library was compiled; callers
  /// must carry them to have its functions inlined.
  llvm::AttrBuilder targetAttributes() const;

private:
  llvm::Function *declare(llvm::Function *original);
  llvm::Function *widen(llvm::Function *original, unsigned width);

  llvm::Module &library;
  llvm::Module &module;
  /// By name and width; null: cannot be widened.
  llvm::StringMap<llvm::Function *> widened;
};

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_MATHLIBRARY_H
