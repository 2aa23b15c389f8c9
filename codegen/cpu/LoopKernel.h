//===- LoopKernel.h - The "loops" row ---------------------------*- C++ -*-===//
//
// A cell is `rows` flattened outer parallel indices times `columns` of the last
// one. Vectors run along one of two dimensions, whichever makes more of the
// memory accesses contiguous:
//
//   along columns     for each row
//                       for each vector of columns
//                         for each reduced index: accumulate, one column a lane
//                         finish, map: the same vector
//
//   along reduction   for each row
//                       for each column
//                         for each vector of the innermost reduced index:
//                           accumulate in several vectors, then across lanes
//                         finish: scalars; map: vectors again
//
// (NarrowColumns.cpp and TransposedTiles.cpp have forms of their own for
// kernels that read along the dimension before the columns.)
//
// A product's kernel may go over the rows of its cell once more when they are
// finished: the same blocks, over pieces of rows.
//
// Mean over tokens of [batch, tokens, channels], pooling with channels last and
// everything without a reduction take the first form; softmax and layer norm
// over the last dimension take the second.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_LOOPKERNEL_H
#define MMCC_CODEGEN_CPU_LOOPKERNEL_H

#include "codegen/cpu/BlockEmitter.h"
#include "codegen/cpu/LaneChoice.h"
#include "codegen/cpu/LoopBuilder.h"
#include "codegen/cpu/Reduction.h"
#include "codegen/cpu/Strip.h"
#include "codegen/cpu/kernels/Levels.h"

namespace mmcc::cpu {

class LoopKernel {
public:
  LoopKernel(llvm::IRBuilder<> &builder, MathLibrary &math,
             const KernelFrame &frame, const Level &level);

  /// For the blocks of a microkernel's kernel that run over pieces of rows.
  LoopKernel(llvm::IRBuilder<> &builder, MathLibrary &math,
             const KernelFrame &frame, const Level &level,
             llvm::ArrayRef<plan::BlockOp> blocks, mlir::AffineMap pieces);

  /// Emits the body of the kernel for grid cell `x`.
  mlir::LogicalResult emit(llvm::Value *x);

  struct Range {
    llvm::Value *begin, *count;
  };
  /// Emits the blocks for these rows of a batch and these pieces of each.
  mlir::LogicalResult emitPieces(llvm::Value *batch, Range rows, Range pieces);

private:
  LoopKernel(llvm::IRBuilder<> &builder, MathLibrary &math,
             const KernelFrame &frame, const Level &level,
             llvm::ArrayRef<plan::BlockOp> blocks, mlir::AffineMap extents,
             unsigned parallel);

  using Indices = llvm::SmallVector<llvm::Value *>;
  /// Points done at once: one a lane.
  struct Point {
    Indices parallel;
    Lanes lanes;
    /// Results of the reduce blocks so far.
    llvm::SmallVector<llvm::Value *> reduced;
  };

  LoopShape shape() const { return {blocks, extents, parallel, registerLanes}; }
  unsigned vectorWidth() const;

  mlir::LogicalResult checkBlocks();
  void emitSequential();
  void emitRow(llvm::Value *row, llvm::Value *begin, llvm::Value *count,
               uint64_t align);
  void emitColumns(const Indices &outer, llvm::Value *begin, llvm::Value *count,
                   uint64_t align);
  void emitNarrow(llvm::Value *first, llvm::Value *rows);
  void emitTransposed(llvm::Value *first, llvm::Value *rows, llvm::Value *begin,
                      llvm::Value *count, uint64_t align);
  void
  forEachRun(llvm::Value *first, llvm::Value *rows,
             llvm::function_ref<void(llvm::ArrayRef<llvm::Value *> outer,
                                     llvm::Value *begin, llvm::Value *size)>
                 run);
  void emitPoints(llvm::MutableArrayRef<Point> points);
  void emitReduce(llvm::ArrayRef<plan::BlockOp> group,
                  llvm::MutableArrayRef<Point> points);
  void emitMap(plan::BlockOp block, llvm::MutableArrayRef<Point> points);
  /// Runs `body` over the reduced dimensions from `dim` on, the last of them
  /// as a strip when vectors run along it.
  using ReducedBody = llvm::function_ref<Carried(
      llvm::ArrayRef<llvm::Value *> outer, llvm::ArrayRef<StripPart> parts,
      llvm::ArrayRef<llvm::Value *> carried)>;
  Carried overReduced(Indices &indices, unsigned copies, Carried init,
                      ReducedBody body);
  Partial yieldOf(plan::BlockOp block, const Reduction &reduction,
                  llvm::ArrayRef<llvm::Value *> indices, const Point &point,
                  const Lanes &lanes);
  Reduction reductionOf(plan::BlockOp block) const;

  llvm::IRBuilder<> &b;
  const KernelFrame &frame;
  AffineEmitter affine;
  BlockEmitter emitter;
  plan::KernelOp kernel;
  llvm::SmallVector<plan::BlockOp> blocks;
  llvm::SmallVector<llvm::Value *> extents;
  unsigned rank, parallel;
  unsigned registerLanes;
  unsigned width;
  bool columns;
};

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_LOOPKERNEL_H
