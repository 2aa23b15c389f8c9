//===- LoopsWriter.h - The "loops" row as CUDA C++ --------------*- C++ -*-===//
//
// A cell of the grid is a block of threads, which cuts the cell's points among
// teams (kernels/Team.cuh). Who is a team follows from the accesses:
//
//     thread   no reduction, or memory runs along the points: lanes are points
//     warp     memory runs along the reduction
//     block    likewise, and rows are long
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_LOOPSWRITER_H
#define MMCC_CODEGEN_CUDA_LOOPSWRITER_H

#include "codegen/cuda/BlockWriter.h"

namespace mmcc::cuda {

enum class TeamKind { thread, warp, block };

/// Who goes over the reduced dimensions of a loops kernel.
TeamKind chooseTeam(plan::KernelOp kernel);

/// Writes the body of a loops kernel of `threads` threads: statements that use
/// its operands x0, x1, ... and symbols s0, s1, ...
mlir::LogicalResult writeLoops(plan::KernelOp kernel, unsigned threads,
                               llvm::raw_ostream &out);

} // namespace mmcc::cuda

#endif // MMCC_CODEGEN_CUDA_LOOPSWRITER_H
