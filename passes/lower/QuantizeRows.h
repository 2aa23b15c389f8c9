//===- QuantizeRows.h - Rows as bytes, where they are made ------*- C++ -*-===//

#ifndef MMCC_PASSES_LOWER_QUANTIZEROWS_H
#define MMCC_PASSES_LOWER_QUANTIZEROWS_H

#include "passes/lower/Kernel.h"

namespace mmcc::lower {

/// The mm.quantize_rows of `value`, if there is one alone.
mm::QuantizeRowsOp rowsOf(mlir::Value value);
/// The one that can be part of the kernel that computes `chain` over whole
/// rows: a scale for each, and no operation between that moves elements.
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

/// An elementwise value that is stored, and its rows as bytes, in one kernel.
void lowerRowsWithBytes(Lowering &lowering, mlir::Value value,
                        const View &target, mm::QuantizeRowsOp op);

} // namespace mmcc::lower

#endif // MMCC_PASSES_LOWER_QUANTIZEROWS_H
