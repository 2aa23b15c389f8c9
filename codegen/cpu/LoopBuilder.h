//===- LoopBuilder.h - Counted loops and conditions in LLVM IR --*- C++ -*-===//
//
// Loops carry their state as values, the way scf.for does, so that accumulators
// stay in registers without any help of the optimiser. Loops whose trip count
// is known to be zero or one leave no branch behind.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_LOOPBUILDER_H
#define MMCC_CODEGEN_CPU_LOOPBUILDER_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/IRBuilder.h"

namespace mmcc::cpu {

using Carried = llvm::SmallVector<llvm::Value *, 8>;

/// for (iv = begin; iv < end; iv += step); end - begin must be a multiple of
/// step. `body` returns the carried values' next state; the result is their
/// last.
Carried emitLoop(
    llvm::IRBuilder<> &b, llvm::Value *begin, llvm::Value *end, uint64_t step,
    llvm::ArrayRef<llvm::Value *> init,
    llvm::function_ref<Carried(llvm::Value *iv, llvm::ArrayRef<llvm::Value *>)>
        body);

/// Runs `body` when `condition` holds; otherwise `init` is the result.
Carried emitIf(llvm::IRBuilder<> &b, llvm::Value *condition,
               llvm::ArrayRef<llvm::Value *> init,
               llvm::function_ref<Carried()> body);

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_LOOPBUILDER_H
