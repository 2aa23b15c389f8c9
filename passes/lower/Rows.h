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

/// The blocks of a product without panels for few rows: on a GPU tiles, of
/// tensor cores or not.
inline cpu::Blocks blocksFor(const Lowering &lowering, int64_t rows,
                             int64_t columns, int64_t batch, bool onTensorCores,
                             const cpu::Blocks &onCpu) {
  if (!lowering.isCuda())
    return onCpu;
  cuda::Cell cell = cuda::tileCell(rows, columns, batch, onTensorCores);
  return {cell.rows, cell.columns};
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
