//===- KernelSource.h - plan.kernel as a .cu file ---------------*- C++ -*-===//

#ifndef MMCC_CODEGEN_CUDA_KERNELSOURCE_H
#define MMCC_CODEGEN_CUDA_KERNELSOURCE_H

#include "dialects/plan/KernelMaps.h"
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
  /// What the GPU's copier brings, if the variant's GPU has one.
  plan::KernelMaps maps = {};
};

/// The source of a kernel. It depends on the kernel, not on its name, so that
/// equal kernels are compiled once, and on the architecture only where that
/// brings operands by maps. Errors are reported at the kernel.
mlir::FailureOr<KernelSource> writeKernel(plan::KernelOp kernel);

} // namespace mmcc::cuda

#endif // MMCC_CODEGEN_CUDA_KERNELSOURCE_H
