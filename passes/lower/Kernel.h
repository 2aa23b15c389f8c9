//===- Kernel.h - Building one plan.kernel ----------------------*- C++ -*-===//

#ifndef MMCC_PASSES_LOWER_KERNEL_H
#define MMCC_PASSES_LOWER_KERNEL_H

#include "passes/lower/Lowering.h"

namespace mmcc::lower {

/// The kernel under construction: its operands and its blocks.
class Kernel {
public:
  Kernel(Lowering &lowering, llvm::StringRef row, mlir::Location loc);

  /// The kernel's argument for a buffer of the entry; one argument a buffer.
  mlir::Value operand(mlir::Value buffer);
  /// An argument of its own for the microkernel's next tensor: two tensors may
  /// lie in one buffer.
  void tensor(mlir::Value buffer);
  void markWritten(mlir::Value buffer);
  /// The argument for `buffer`, which no launch has, is memory of the cell's
  /// own at this byte of its scratch.
  void keepLocal(mlir::Value buffer, int64_t offset);
  /// Sets attributes, interns the kernel and dispatches it. `flops` is the
  /// microkernel's arithmetic; that of the blocks is added.
  void finish(llvm::ArrayRef<Dim> extents, int64_t parallel,
              llvm::ArrayRef<Dim> params, llvm::ArrayRef<Dim> offsets,
              const Dim &scratchBytes, const Dim &flops,
              llvm::ArrayRef<Dim> grid);
  /// Throws the kernel away.
  void discard();

  Lowering &lowering;
  plan::KernelOp op;
  mlir::Location loc;
  llvm::SmallVector<mlir::Value> buffers;

private:
  mlir::Value addArgument(mlir::Type type);

  llvm::SmallVector<int64_t> written;
  mlir::Value local;
};

/// Emits scalar code into one block of a kernel.
class Element {
public:
  /// Opens a block with `extents.size()` indices and the given values.
  Element(Kernel &kernel, llvm::StringRef role, llvm::StringRef combine,
          llvm::ArrayRef<Dim> extents, llvm::ArrayRef<mlir::Type> values);

  /// d_i, the i-th index of the block.
  mlir::AffineExpr dim(unsigned i) const;
  /// Block value i (an accumulated result).
  mlir::Value value(unsigned i) const;
  /// The element of an mm value at an index.
  mlir::Value at(mlir::Value tensor, llvm::ArrayRef<mlir::AffineExpr> index);
  /// Uses `fn` for the elements of `tensor`.
  void define(mlir::Value tensor, ElementFn fn);
  mlir::Value load(const View &view, llvm::ArrayRef<mlir::AffineExpr> index,
                   mlir::Type elementType);
  void store(mlir::Value value, const View &view,
             llvm::ArrayRef<mlir::AffineExpr> index);
  /// Stores the end of a chain at the anchor's index.
  void storeChain(const Chain &chain, mlir::Value anchorResult,
                  llvm::ArrayRef<mlir::AffineExpr> index);
  void yield(llvm::ArrayRef<mlir::Value> values = {});

  /// An affine expression of the block's indices as an `index` value.
  mlir::Value indexValue(mlir::AffineExpr expr);
  /// A computed `index` value as a new dimension, bounded by `extent`.
  mlir::AffineExpr computedDim(mlir::Value index, const Dim &extent);
  /// 0 <= expr < extent as i1.
  mlir::Value inside(mlir::AffineExpr expr, const Dim &extent);
  /// min(max(expr, 0), extent - 1) as a new dimension.
  mlir::AffineExpr clamped(mlir::AffineExpr expr, const Dim &extent);

  mlir::Value floatConstant(mlir::Type type, double value);
  mlir::Value intConstant(mlir::Type type, int64_t value);
  mlir::Value indexConstant(int64_t value);
  mlir::Value sizeValue(const Dim &dim);

  Kernel &kernel;
  mlir::OpBuilder builder;
  mlir::Location loc;
  plan::BlockOp block;
  /// Extents of d0, d1, ...: the block's indices, then computed ones.
  llvm::SmallVector<Dim> extents;

private:
  mlir::Value compute(mlir::Operation *op,
                      llvm::ArrayRef<mlir::AffineExpr> index);
  mlir::Value constantElement(mm::ConstantOp op,
                              llvm::ArrayRef<mlir::AffineExpr> index);
  llvm::SmallVector<mlir::AffineExpr>
  broadcastIndex(mlir::Value tensor, llvm::ArrayRef<mlir::AffineExpr> index);
  mlir::AffineExpr gatherIndex(mlir::Value indices,
                               llvm::ArrayRef<mlir::AffineExpr> at,
                               const Dim &extent);
  /// Element (row, column) of a table that is stored as the panels of its
  /// transpose.
  mlir::Value panelElement(mlir::Value panels, mlir::Value table,
                           mlir::AffineExpr row, mlir::AffineExpr column);
  /// The number, as f32, of an embedding's row whose table [rows, k] is the
  /// transpose of a quantized layer's weight; null if `rows` is no such row.
  mlir::Value weightElement(mlir::Value rows,
                            llvm::ArrayRef<mlir::AffineExpr> index);
  mlir::Value dequantizedElement(mm::DequantizeOp op,
                                 llvm::ArrayRef<mlir::AffineExpr> index);
  mlir::Value padElement(mm::PadOp op, llvm::ArrayRef<mlir::AffineExpr> index);
  mlir::Value concatElement(mm::ConcatOp op,
                            llvm::ArrayRef<mlir::AffineExpr> index);
  mlir::Value resizeElement(mm::ResizeOp op,
                            llvm::ArrayRef<mlir::AffineExpr> index);
  mlir::Value ropeElement(mm::RopeOp op,
                          llvm::ArrayRef<mlir::AffineExpr> index);

  llvm::SmallVector<mlir::Value> dims;
  llvm::DenseMap<mlir::Value, ElementFn> defined;
  /// (value, index) pairs already computed in this block.
  std::vector<
      std::tuple<mlir::Value, llvm::SmallVector<mlir::AffineExpr>, mlir::Value>>
      cache;
};

/// The index space of a loops kernel: parallel dimensions, then reduced ones.
struct Domain {
  Shape extents;
  unsigned parallel = 0;
};

/// Builds a loops kernel with `build`, which receives for each dimension of
/// `domain` its index expression. If some access divides an index by a
/// constant, that dimension is split in two and `build` runs again; equal
/// neighbours are merged afterwards.
void buildLoops(Lowering &lowering, mlir::Location loc, const Domain &domain,
                llvm::function_ref<void(Kernel &kernel, const Domain &domain,
                                        llvm::ArrayRef<mlir::AffineExpr> index)>
                    build);

/// The scalar form of an elementwise operation; operands have the element
/// types of the op's operands (unsigned integers as signless).
mlir::Value emitScalar(mlir::OpBuilder &builder, mlir::Location loc,
                       mlir::Operation *op, llvm::ArrayRef<mlir::Value> args);
/// The cast `y` of `x` to an 8-bit float, with infinity (or NaN, in formats
/// without one) in place of what rounds beyond the largest number.
mlir::Value emitOverflow(mlir::OpBuilder &builder, mlir::Location loc,
                         mlir::Value x, mlir::Value y);
/// The type of a scalar of this tensor element type.
mlir::Type scalarType(mlir::Type elementType);
/// Conversion between element types as mm.cast.
mlir::Value emitCast(mlir::OpBuilder &builder, mlir::Location loc,
                     mlir::Value value, mlir::Type from, mlir::Type to);

} // namespace mmcc::lower

#endif // MMCC_PASSES_LOWER_KERNEL_H
