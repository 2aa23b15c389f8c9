//===- Tables.h - Embedding tables ------------------------------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_TABLES_H
#define MMCC_PASSES_QUANTIZE_TABLES_H

#include "dialects/mm/MM.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseSet.h"

namespace mmcc::quantize {

/// Whether a gather reads rows of a constant f32 matrix that is large enough to
/// be worth it.
bool isTable(mm::GatherOp op);

/// `matrix` with its dimensions swapped.
mlir::Value transposed(mlir::OpBuilder &builder, mlir::Location loc,
                       mlir::Value matrix);

/// Calls work(weight), with the table as the weight of the layer that it might
/// be tied to.
template <typename Work> auto asWeight(mm::GatherOp op, Work work) {
  mlir::OpBuilder builder(op);
  mlir::Value weight = transposed(builder, op.getLoc(), op.getInput());
  auto result = work(weight);
  if (weight.use_empty())
    weight.getDefiningOp()->erase();
  return result;
}

/// The tables of a module that can be quantized, as weights (keyOf()).
llvm::DenseSet<mlir::Attribute> tableKeys(mlir::ModuleOp module);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_TABLES_H
