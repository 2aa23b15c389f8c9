//===- BlockEmitter.h - plan.block to LLVM instructions ---------*- C++ -*-===//
//
// Emits the scalar computation of a block for one point of its index space, or
// for a vector of points along one dimension. A value that is the same in all
// lanes stays a scalar until it meets one that is not.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_BLOCKEMITTER_H
#define MMCC_CODEGEN_CPU_BLOCKEMITTER_H

#include "codegen/cpu/AffineEmitter.h"
#include "codegen/cpu/KernelFrame.h"
#include "codegen/cpu/LaneChoice.h"
#include "codegen/cpu/MathLibrary.h"

#include "llvm/ADT/MapVector.h"

namespace mmcc::cpu {

class BlockEmitter {
public:
  BlockEmitter(llvm::IRBuilder<> &builder, MathLibrary &math,
               const KernelFrame &frame)
      : b(builder), math(math), frame(frame), affine(builder) {}

  using Values = llvm::SmallVector<llvm::Value *>;

  /// `indices` are i64 (of the lanes' dimension, the first lane's index);
  /// `values` are the block's other arguments. Returns what it yields, in the
  /// types of valueType(), scalars or vectors. After an error, which is
  /// reported at the operation, failed() is true and the result is poison.
  Values emit(plan::BlockOp block, llvm::ArrayRef<llvm::Value *> indices,
              llvm::ArrayRef<llvm::Value *> values, const Lanes &lanes);

  bool failed() const { return hasFailed; }

  /// Between the two, the same blocks are emitted once for each index
  /// 0, 1, ... of dimension `columnDim`. Stores that are contiguous along it
  /// are put together and happen at the end.
  void beginWeaving(unsigned columnDim, uint64_t columns);
  void endWeaving(const Lanes &all);

  /// Reads the square tile at `corner`, transposed, for each load of `block`
  /// that readsAcross(). Until forgetTiles(), which must follow before the tile
  /// ends to exist, those loads take row setTileRow() of it.
  void readTiles(plan::BlockOp block, llvm::ArrayRef<llvm::Value *> corner,
                 unsigned size);
  void setTileRow(llvm::Value *row) { currentRow = row; }
  void forgetTiles() { tiles.clear(); }

private:
  llvm::Value *get(mlir::Value value);
  llvm::Value *error(mlir::Operation *op, const llvm::Twine &message);
  llvm::Value *emitOp(mlir::Operation *op);
  bool checkMap(mlir::Operation *op, mlir::AffineMap map, size_t dims);

  // BlockMemory.cpp
  llvm::SmallVector<IndexOperand> indexOperands(mlir::ValueRange indices);
  struct Address {
    /// Linear index of the first lane, or a vector of indices.
    llvm::Value *index;
    /// From lane to lane; empty: index is a vector.
    std::optional<mlir::AffineExpr> stride;
  };
  Address address(mlir::AffineMap map, mlir::ValueRange indices);
  llvm::Value *pointers(const Address &address, llvm::Type *element,
                        llvm::Value *base);
  llvm::Value *laneMask();
  llvm::Value *tileRow(plan::LoadOp load, llvm::Type *element);
  bool weave(plan::StoreOp op, llvm::Value *value, const Address &to);
  llvm::Value *load(plan::LoadOp op);
  void store(plan::StoreOp op);

  // BlockFloat.cpp
  llvm::Value *floatOp(mlir::Operation *op);
  llvm::Value *wide(mlir::Value value);
  llvm::Value *rounded(llvm::Value *value, mlir::Operation *op);
  llvm::Value *mathCall(mlir::Operation *op, llvm::StringRef name,
                        llvm::ArrayRef<llvm::Value *> args);
  llvm::Value *composedMath(mlir::Operation *op);

  // BlockInteger.cpp
  llvm::Value *integerOp(mlir::Operation *op);
  llvm::Value *castOp(mlir::Operation *op);
  llvm::Value *divide(mlir::Operation *op);
  llvm::Value *shift(mlir::Operation *op);
  llvm::Value *integerPower(llvm::Value *base, llvm::Value *exponent);

  std::pair<llvm::Value *, llvm::Value *> operandPair(mlir::Operation *op);

  llvm::IRBuilder<> &b;
  MathLibrary &math;
  const KernelFrame &frame;
  AffineEmitter affine;
  bool hasFailed = false;

  struct {
    unsigned columnDim = 0;
    uint64_t columns = 0;
    struct Woven {
      llvm::Value *first;
      llvm::SmallVector<llvm::Value *> values;
    };
    llvm::MapVector<mlir::Operation *, Woven> stores;
  } weaving;

  llvm::DenseMap<mlir::Operation *, llvm::Value *> tiles;
  llvm::Value *currentRow = nullptr;

  // Of the block being emitted.
  Lanes lanes;
  mlir::Value laneIndex;
  llvm::Value *laneIndexVector = nullptr;
  llvm::DenseMap<mlir::Value, llvm::Value *> known;
};

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_BLOCKEMITTER_H
