//===- ConstantGraph.h - Values to compute at compile time ------*- C++ -*-===//

#ifndef MMCC_COMPILER_EVALUATE_CONSTANTGRAPH_H
#define MMCC_COMPILER_EVALUATE_CONSTANTGRAPH_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/SetVector.h"

namespace mmcc {

/// The operations of one function that depend on constants only, and what of
/// them the rest of the function needs.
///
///     c1 ── mul ── transpose ── linear(x, ·)
///     c2 ──┘└ evaluated   └ stays: data movement
class ConstantGraph {
public:
  /// A result may be larger than four times its operands by `growth` bytes.
  /// With `keepNarrow` weights of products that mm.dequantize widens stay.
  ConstantGraph(mlir::func::FuncOp func, int64_t growth, bool keepNarrow);

  /// Values to evaluate, in the order in which they are defined.
  llvm::ArrayRef<mlir::Value> roots() const { return rootList.getArrayRef(); }

  /// A module whose @main returns the roots. It shares their constants.
  mlir::OwningOpRef<mlir::ModuleOp> outline();

private:
  bool isEvaluable(mlir::Operation *op, int64_t growth) const;
  /// `asWeight`: what reads the value packs it, through any data movement;
  /// `inOrder`: it wants neighbours side by side.
  void need(mlir::Value value, bool asWeight, bool inOrder);

  mlir::func::FuncOp func;
  /// All that depends on constants only, constants themselves left out.
  llvm::SetVector<mlir::Operation *> members;
  llvm::SetVector<mlir::Value> rootList;
};

/// Bytes of a tensor of static shape; nothing for a dynamic or absurdly large
/// one.
std::optional<int64_t> getByteSize(mlir::Type type);

} // namespace mmcc

#endif // MMCC_COMPILER_EVALUATE_CONSTANTGRAPH_H
