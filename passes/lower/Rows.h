//===- Rows.h - The rows that a linear layer multiplies ---------*- C++ -*-===//

#ifndef MMCC_PASSES_LOWER_ROWS_H
#define MMCC_PASSES_LOWER_ROWS_H

#include "codegen/cpu/kernels/Blocking.h"
#include "codegen/cuda/kernels/Blocking.cuh"
#include "passes/lower/Kernel.h"

namespace mmcc::lower {

/// What a symbolic extent is taken for when work is cut.
constexpr int64_t kTypicalRows = 112;

inline int64_t typical(const Dim &dim) {
  return dim.getConstant().value_or(kTypicalRows);
}

inline bool hasAvx512(llvm::StringRef level) {
  return level.contains("x86-64-v4");
}

/// The blocks of a product: on a GPU a cell is a tile, whatever the sizes.
inline cpu::Blocks blocksFor(const Lowering &lowering,
                             const cpu::Blocks &onCpu) {
  return lowering.isCuda() ? cpu::Blocks{cuda::kProductTile, cuda::kProductTile}
                           : onCpu;
}

/// The rows of a linear layer's input, one stride a batch and one a row.
struct RowInput {
  View view;
  Dim batch, rows, batchStride, rowStride;
};

/// `input` [..., in] as rows of contiguous elements, where it lies if it can be
/// seen so; emits what computes or copies it.
RowInput rowsOf(Lowering &lowering, mlir::Value input);

/// The post block of a product [batch, rows, columns]: adds `bias`, if there is
/// one, and stores the chain that begins with `result`.
void postRows(Kernel &kernel, const Chain &chain, mlir::Value result,
              mlir::Value bias, llvm::ArrayRef<Dim> extents);

} // namespace mmcc::lower

#endif // MMCC_PASSES_LOWER_ROWS_H
