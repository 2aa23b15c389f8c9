//===- Strip.h - A run of elements cut into vectors -------------*- C++ -*-===//
//
//     count = 197, width 16, copies 4
//
//     [64][64][64]        main loop: 4 vectors at once, which hides latency
//                 [.]     single vectors (none here)
//                    [5]  one vector with the last lanes masked off
//
// Parts that a constant count leaves empty are not emitted.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_STRIP_H
#define MMCC_CODEGEN_CPU_STRIP_H

#include "codegen/cpu/AffineEmitter.h"
#include "codegen/cpu/LoopBuilder.h"

namespace mmcc::cpu {

struct StripShape {
  /// Lanes of a vector, and vectors in the main loop.
  unsigned width = 1;
  unsigned copies = 1;
  /// The block index that the lanes run along.
  int dim = -1;
  /// Divides the first index.
  uint64_t align = 1;
};

/// One vector of a strip.
struct StripPart {
  llvm::Value *first;
  Lanes lanes;
};

/// Runs `body` over [begin, begin + count). It gets the vectors to do, `copies`
/// of them or one, and the carried values.
Carried emitStrip(llvm::IRBuilder<> &b, llvm::Value *begin, llvm::Value *count,
                  const StripShape &shape, llvm::ArrayRef<llvm::Value *> init,
                  llvm::function_ref<Carried(llvm::ArrayRef<StripPart>,
                                             llvm::ArrayRef<llvm::Value *>)>
                      body);

/// Fewer copies where a constant count does not fill them.
unsigned fittingCopies(llvm::Value *count, unsigned width, unsigned copies);

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_STRIP_H
