//===- KernelSource.h - plan.kernel as a .cu file ---------------*- C++ -*-===//

#ifndef MMCC_CODEGEN_CUDA_KERNELSOURCE_H
#define MMCC_CODEGEN_CUDA_KERNELSOURCE_H

#include "dialects/plan/Plan.h"
#include <string>

namespace mmcc::cuda {

struct KernelSource {
  /// Of the function, as nvcc exports it.
  std::string symbol;
  /// The file: instantiates templates of codegen/cuda/kernels.
  std::string text;
  /// Of a block: its threads, and shared memory beside what the text declares.
  unsigned threads = 0;
  uint64_t sharedBytes = 0;
};

/// The source of a kernel. It depends on the kernel alone, not on its name or
/// on the architecture, so that equal kernels are compiled once. Errors are
/// reported at the kernel.
mlir::FailureOr<KernelSource> writeKernel(plan::KernelOp kernel);

} // namespace mmcc::cuda

#endif // MMCC_CODEGEN_CUDA_KERNELSOURCE_H
