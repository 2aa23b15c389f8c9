#include "codegen/cpu/KernelTable.h"

#include <vector>

namespace mmcc::cpu {

// Lists end with an element more: an array cannot be empty.
#define MMCC_LIST(...) {__VA_ARGS__ __VA_OPT__(, ) llvm::StringRef()}
#define MMCC_KERNEL(row, tensors, params, blocks)                              \
  static const llvm::StringRef row##_tensors[] = MMCC_LIST tensors;            \
  static const llvm::StringRef row##_params[] = MMCC_LIST params;              \
  static const llvm::StringRef row##_blocks[] = MMCC_LIST blocks;
#include "codegen/cpu/kernels/kernels.inc"

llvm::ArrayRef<KernelRow> kernelRows() {
  static const KernelRow rows[] = {
#define MMCC_KERNEL(row, tensors, params, blocks)                              \
  {#row, llvm::ArrayRef(row##_tensors).drop_back(),                            \
   llvm::ArrayRef(row##_params).drop_back(),                                   \
   llvm::ArrayRef(row##_blocks).drop_back()},
#include "codegen/cpu/kernels/kernels.inc"
  };
  return rows;
}
#undef MMCC_LIST

const KernelRow *findKernelRow(llvm::StringRef name) {
  for (const KernelRow &row : kernelRows())
    if (row.name == name)
      return &row;
  return nullptr;
}

} // namespace mmcc::cpu
