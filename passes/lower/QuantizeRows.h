//===- QuantizeRows.h - Rows as bytes, where they are made ------*- C++ -*-===//

#ifndef MMCC_PASSES_LOWER_QUANTIZEROWS_H
#define MMCC_PASSES_LOWER_QUANTIZEROWS_H

#include "codegen/cpu/kernels/Blocking.h"
#include "passes/lower/Kernel.h"

namespace mmcc::lower {

/// The mm.quantize_rows of `value`, if there is one alone.
mm::QuantizeRowsOp rowsOf(mlir::Value value);
/// The one whose rows are those of the anchor: no operation of `chain` moves
/// elements.
mm::QuantizeRowsOp rowsOfChain(mlir::Value anchorResult, const Chain &chain);
/// Likewise with one scale for each row.
mm::QuantizeRowsOp wholeRowsOf(mlir::Value anchorResult, const Chain &chain);

/// Where the bytes of an mm.quantize_rows and their scales go, and the blocks
/// of a kernel that write them.
class RowBytes {
public:
  RowBytes(Lowering &lowering, mm::QuantizeRowsOp op);

  /// Blocks behind those that compute the rows. `domain` has the numbers of a
  /// scale as its reduced dimensions, `known` are the results of the
  /// reductions so far, `at` is the index of the row's elements, `scaleAt`
  /// that of its scale, and `element` computes or loads one of them.
  void emit(Kernel &kernel, const Domain &domain,
            llvm::ArrayRef<mlir::Type> known,
            llvm::ArrayRef<mlir::AffineExpr> at,
            llvm::ArrayRef<mlir::AffineExpr> scaleAt,
            llvm::function_ref<mlir::Value(Element &)> element) const;
  /// Records that both are stored.
  void stored();

private:
  Lowering &lowering;
  mm::QuantizeRowsOp op;
  View values, scales;
};

/// The mm.quantize_rows behind a product, as part of its kernel: a cell that
/// has all columns of a scale quantizes its rows when it has computed them.
class CellRows {
public:
  /// For the chain of `result`, rows [batch, rows, columns] of depth K. Where
  /// it is worth it, changes `blocks` so that cells have whole scales.
  CellRows(Lowering &lowering, mlir::Value result, Chain &chain,
           llvm::ArrayRef<Dim> extents, int64_t depth, cpu::Blocks &blocks);

  /// Before the post block: the chain's end stays with the cell if nothing else
  /// reads it. Returns the scratch that the kernel needs beside `scratch`.
  int64_t begin(Kernel &kernel, int64_t scratch);
  /// Behind the post block.
  void finish(Kernel &kernel);
  /// Records what is stored.
  void stored();

private:
  Lowering &lowering;
  Chain &chain;
  Shape extents;
  std::optional<RowBytes> bytes;
  /// Columns of a scale; rows and columns of a cell.
  int64_t block = 0, mBlock = 0, nBlock = 0;
  bool isStored = true;
};

/// An elementwise value that is stored, and its rows as bytes, in one kernel.
void lowerRowsWithBytes(Lowering &lowering, mlir::Value value,
                        const View &target, mm::QuantizeRowsOp op);

} // namespace mmcc::lower

#endif // MMCC_PASSES_LOWER_QUANTIZEROWS_H
