//===- MicroKernel.h - Rows of kernels.inc ----------------------*- C++ -*-===//
//
// The generated function fills a MicroCall and calls the microkernel, which
// calls the kernel's blocks back, a tile at a time (kernels/Abi.h).
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_MICROKERNEL_H
#define MMCC_CODEGEN_CPU_MICROKERNEL_H

#include "codegen/cpu/KernelFrame.h"
#include "codegen/cpu/KernelTable.h"
#include "codegen/cpu/MathLibrary.h"
#include "codegen/cpu/kernels/Levels.h"

namespace mmcc::cpu {

class MicroKernel {
public:
  /// `newFunction` makes an internal function with the target's attributes.
  using NewFunction = llvm::function_ref<llvm::Function *(
      llvm::StringRef name, llvm::FunctionType *type)>;

  MicroKernel(llvm::IRBuilder<> &builder, MathLibrary &math,
              const KernelFrame &frame, const Level &level)
      : b(builder), math(math), frame(frame), level(level) {}

  /// Emits the call for grid cell (x, y, z) and the functions it passes on.
  mlir::LogicalResult emit(llvm::ArrayRef<llvm::Value *> cell,
                           NewFunction newFunction);

private:
  mlir::FailureOr<llvm::Function *> blockFunction(plan::BlockOp block,
                                                  NewFunction newFunction);
  /// Where cell (x, y, z) of a product has its rows and columns.
  struct Cell {
    llvm::Value *firstRow, *rows, *firstColumn, *columns, *origin;
  };
  mlir::FailureOr<Cell> cellOf(const KernelRow &row,
                               llvm::ArrayRef<llvm::Value *> params,
                               llvm::ArrayRef<llvm::Value *> cell);
  llvm::Value *array(llvm::Type *element, llvm::ArrayRef<llvm::Value *> values);

  llvm::IRBuilder<> &b;
  MathLibrary &math;
  const KernelFrame &frame;
  const Level &level;
};

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_MICROKERNEL_H
