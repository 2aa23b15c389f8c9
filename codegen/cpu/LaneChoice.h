//===- LaneChoice.h - Which dimension vectors run along ---------*- C++ -*-===//

#ifndef MMCC_CODEGEN_CPU_LANECHOICE_H
#define MMCC_CODEGEN_CPU_LANECHOICE_H

#include "codegen/cpu/AffineEmitter.h"
#include "dialects/plan/Plan.h"

namespace mmcc::cpu {

/// A loops kernel, as far as the choice depends on it.
struct LoopShape {
  llvm::ArrayRef<plan::BlockOp> blocks;
  llvm::ArrayRef<llvm::Value *> extents;
  unsigned parallel;
  /// Of a vector register.
  unsigned lanes;
};

/// Stride, in elements, of an access along the block index `position`; none
/// when it is not constant.
std::optional<int64_t> strideAlong(mlir::AffineMap map,
                                   mlir::ValueRange indices, unsigned position,
                                   unsigned lanes);

/// True: vectors run along the last parallel dimension, false: along the last
/// reduced one.
bool prefersColumns(const LoopShape &shape);

/// Columns so few that they leave most lanes idle.
constexpr unsigned kNarrowColumns = 8;

/// True when the kernel has few columns and reads mostly along the dimension
/// before them, as when the channels of an image move to the end.
bool prefersRows(const LoopShape &shape);

/// True for an access that is contiguous along the dimension before
/// `columnDim`, and neither contiguous nor constant along `columnDim`.
bool readsAcross(mlir::AffineMap map, mlir::ValueRange indices,
                 unsigned columnDim, unsigned lanes);

/// True when the kernel has loads of this kind and may read a tile ahead.
bool readsAcross(const LoopShape &shape);

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_LANECHOICE_H
