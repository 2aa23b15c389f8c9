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

/// The blocks of a product that neither operand of is a weight: on a GPU a cell
/// is a tile, whatever the sizes.
inline cpu::Blocks blocksFor(const Lowering &lowering,
                             const cpu::Blocks &onCpu) {
  return lowering.isCuda() ? cpu::Blocks{cuda::kProductTile, cuda::kProductTile}
                           : onCpu;
}

/// The blocks of rows times a weight of `columns`, in plain f32 or not. On a
/// CPU `onCpu`, but that blocks of any number of rows have a typical one.
inline cpu::Blocks linearBlocks(const Lowering &lowering, const Dim &rows,
                                const Dim &batch, int64_t columns, bool isF32,
                                cpu::Blocks onCpu) {
  if (lowering.isCuda()) {
    cuda::Cell cell = cuda::productCell(rows.getConstant().value_or(0), columns,
                                        typical(batch), !isF32);
    return {cell.rows, cell.columns};
  }
  if (!rows.getConstant())
    onCpu.m_block = kTypicalRows;
  return onCpu;
}

/// The blocks of a product on a GPU's tensor cores that has no panels of few
/// rows.
inline cpu::Blocks tensorBlocks(int64_t rows, int64_t columns, int64_t batch) {
  cuda::Cell cell =
      cuda::productCell(std::max<int64_t>(rows, cuda::kFewRows + 1), columns,
                        batch, /*onTensorCores=*/true);
  return {cell.rows, cell.columns};
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
