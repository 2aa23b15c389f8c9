//===- AffineEmitter.h - Index expressions in LLVM IR -----------*- C++ -*-===//
//
// A vector's lanes run along one dimension of the index space. How an address
// changes from lane to lane decides how memory is read: not at all (one scalar
// load), by one element (a vector load), by anything else (a gather).
//
//     d0 * 768 + d1        lanes along d1: stride 1
//     d1 * 768 + d0        lanes along d1: stride 768
//     (d1 floordiv 64)     lanes along d1, 16 of them starting at a multiple
//                          of 16: stride 0, since 64 is a multiple of 16
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_AFFINEEMITTER_H
#define MMCC_CODEGEN_CPU_AFFINEEMITTER_H

#include "mlir/IR/AffineMap.h"
#include "llvm/IR/IRBuilder.h"

namespace mmcc::cpu {

/// The vector that a block is emitted for.
struct Lanes {
  unsigned width = 1;
  /// Position of the block index that the lanes run along; -1: none does.
  int dim = -1;
  /// <width x i1>, the lanes that exist; null: all.
  llvm::Value *mask = nullptr;
  /// Divides the index of the first lane.
  uint64_t align = 1;
};

/// Value of one dimension of an affine map.
struct IndexOperand {
  /// An i64, or a vector of them. For a lane operand the first lane's.
  llvm::Value *value;
  /// Grows by one from lane to lane.
  bool lane = false;
  bool nonNegative = false;
};

/// Stride of `expr` from lane to lane, an expression of symbols; none when it
/// is not uniform. `laneDims` says which dimensions are lane operands.
std::optional<mlir::AffineExpr> laneStride(mlir::AffineExpr expr,
                                           llvm::ArrayRef<bool> laneDims,
                                           const Lanes &lanes);

class AffineEmitter {
public:
  AffineEmitter(llvm::IRBuilder<> &builder) : b(builder) {}

  /// Value at the first lane of lane operands. Dividing by zero gives zero.
  llvm::Value *emit(mlir::AffineExpr expr, llvm::ArrayRef<IndexOperand> dims,
                    llvm::ArrayRef<llvm::Value *> symbols);

  /// All results of a map without dimensions.
  llvm::SmallVector<llvm::Value *>
  emitSizes(mlir::AffineMap map, llvm::ArrayRef<llvm::Value *> symbols);

private:
  llvm::Value *divide(mlir::AffineBinaryOpExpr expr,
                      llvm::ArrayRef<IndexOperand> dims,
                      llvm::ArrayRef<llvm::Value *> symbols);

  llvm::IRBuilder<> &b;
};

/// Makes both scalars, or both vectors.
void matchLanes(llvm::IRBuilder<> &b, llvm::Value *&lhs, llvm::Value *&rhs);
/// `value` in every lane, unless it is a vector already.
llvm::Value *splat(llvm::IRBuilder<> &b, llvm::Value *value, unsigned width);
/// <0, 1, 2, ...> of element type `type`.
llvm::Constant *laneNumbers(llvm::Type *type, unsigned width);

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_AFFINEEMITTER_H
