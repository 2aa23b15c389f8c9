//===- KernelTable.h - kernels.inc as data ----------------------*- C++ -*-===//

#ifndef MMCC_CODEGEN_CPU_KERNELTABLE_H
#define MMCC_CODEGEN_CPU_KERNELTABLE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace mmcc::cpu {

/// A row of kernels.inc.
struct KernelRow {
  llvm::StringRef name;
  llvm::ArrayRef<llvm::StringRef> tensors;
  llvm::ArrayRef<llvm::StringRef> params;
  llvm::ArrayRef<llvm::StringRef> blocks;
};

/// In the table's order.
llvm::ArrayRef<KernelRow> kernelRows();

/// Null when no row has this name.
const KernelRow *findKernelRow(llvm::StringRef name);

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELTABLE_H
