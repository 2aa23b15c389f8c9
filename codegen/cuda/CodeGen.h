//===- CodeGen.h - plan.variant to code for a GPU ---------------*- C++ -*-===//
//
// Every plan.kernel of a variant becomes a small .cu file, which instantiates
// the templates of kernels/, and nvcc makes a cubin of each:
//
//     plan.kernel ─► .cu ─┐
//                         ├─► nvcc ─► cubin ─► the image: cubins in a row
//     kernels/*.cuh ──────┘
//
// Equal kernels are compiled once, and what was compiled before is kept
// (CubinCompiler.h).
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_CODEGEN_H
#define MMCC_CODEGEN_CUDA_CODEGEN_H

#include "dialects/plan/KernelMaps.h"
#include "dialects/plan/Plan.h"

#include <cstdint>
#include <string>
#include <vector>

namespace mmcc::cuda {

struct KernelCode {
  std::string name;
  /// Of its cubin, in the image.
  uint64_t offset, bytes;
  /// Of a block: its threads, and its dynamic shared memory.
  uint32_t threads;
  uint64_t sharedBytes;
  plan::KernelMaps maps;
};

struct CodeImage {
  std::vector<uint8_t> bytes;
  /// In the order of the variant's kernels.
  std::vector<KernelCode> kernels;
};

struct CudaOptions {
  /// Where to write .cu, .ptx and .cubin files; empty: nowhere.
  std::string dumpDir;
  /// Compilers that run at once. The image does not depend on it.
  unsigned threads = 2;
};

enum class Failure { program, environment };

/// Compiles all kernels of `variant`, whose target is "cuda:sm_80" or another
/// of Architectures.h. Errors are reported at the variant or the kernel;
/// `blame` says whether the program or the environment, such as a missing
/// compiler, is at fault.
mlir::FailureOr<CodeImage>
emitImage(plan::VariantOp variant, const CudaOptions &options, Failure &blame);

} // namespace mmcc::cuda

#endif // MMCC_CODEGEN_CUDA_CODEGEN_H
