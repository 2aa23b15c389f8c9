//===- BlockWriter.h - plan.block as C++ statements -------------*- C++ -*-===//
//
// The computation at one point of a block's index space:
//
//     const float v0 = x0[d0 * 768 + d1];
//     const float v1 = expf(v0);
//     x1[d0 * 768 + d1] = v1;
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_BLOCKWRITER_H
#define MMCC_CODEGEN_CUDA_BLOCKWRITER_H

#include "codegen/cuda/Text.h"
#include "dialects/plan/Plan.h"
#include "llvm/Support/raw_ostream.h"

namespace mmcc::cuda {

class BlockWriter {
public:
  /// Statements go to `out`, behind `indent` spaces each.
  BlockWriter(llvm::raw_ostream &out, unsigned indent)
      : out(out), indent(indent) {}

  /// Writes the block's statements but for its yield. `arguments` are names of
  /// its indices and values, in order. The operands of the kernel are x0, x1,
  /// ...; returns the names of what the block yields. Errors are reported at
  /// the operation.
  mlir::FailureOr<llvm::SmallVector<std::string>>
  write(plan::BlockOp block, llvm::ArrayRef<std::string> arguments);

private:
  mlir::LogicalResult writeOp(mlir::Operation *op);
  mlir::LogicalResult writeStore(plan::StoreOp op);
  /// The expression of an operation with one result; empty if it has none.
  std::string expression(mlir::Operation *op);
  std::string floatExpression(mlir::Operation *op);
  std::string integerExpression(mlir::Operation *op);
  std::string castExpression(mlir::Operation *op);
  std::string element(mlir::Value buffer, mlir::AffineMap map,
                      mlir::ValueRange indices);
  std::string operand(mlir::Operation *op, unsigned i) const {
    return names.lookup(op->getOperand(i));
  }

  llvm::raw_ostream &out;
  unsigned indent;
  unsigned count = 0;
  llvm::DenseMap<mlir::Value, std::string> names;
  /// Indices that may be negative: all that a block computes.
  llvm::DenseSet<mlir::Value> computed;
};

} // namespace mmcc::cuda

#endif // MMCC_CODEGEN_CUDA_BLOCKWRITER_H
