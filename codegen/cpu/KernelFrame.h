//===- KernelFrame.h - A kernel's operands inside one function --*- C++ -*-===//

#ifndef MMCC_CODEGEN_CPU_KERNELFRAME_H
#define MMCC_CODEGEN_CPU_KERNELFRAME_H

#include "dialects/plan/Plan.h"

#include "llvm/IR/IRBuilder.h"

namespace mmcc::cpu {

/// Base addresses and symbols of a kernel, loaded from KernelArgs at the
/// start of a function, and what is known about aliasing: an operand that is
/// written does not overlap another, except where an elementwise kernel works
/// in place, and then reads each element before it writes it. Every operand
/// has its own alias scope.
class KernelFrame {
public:
  /// `args` points to KernelArgs; code is inserted at `b`. Without `withLocal`
  /// the address of the cell's own memory is not among its buffers.
  KernelFrame(llvm::IRBuilder<> &b, plan::KernelOp kernel, llvm::Value *args,
              bool withLocal = false);

  plan::KernelOp kernel;
  llvm::Value *args;
  llvm::SmallVector<llvm::Value *> symbols;
  llvm::SmallVector<llvm::Value *> buffers;

  /// Says of a load or store that it accesses operand `operand`.
  void annotate(llvm::Instruction *access, unsigned operand) const;

private:
  /// Per operand: its own scope, and the scopes it does not alias.
  llvm::SmallVector<llvm::MDNode *> scopes;
  llvm::SmallVector<llvm::MDNode *> others;
};

/// Loads element `index` of an array of `type` that does not change while a
/// kernel runs.
llvm::Value *loadInvariant(llvm::IRBuilder<> &b, llvm::Type *type,
                           llvm::Value *array, uint64_t index);

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELFRAME_H
