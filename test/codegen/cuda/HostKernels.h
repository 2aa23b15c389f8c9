//===- HostKernels.h - CUDA kernels of a plan, run on this CPU --*- C++ -*-===//
//
// The generated .cu files are compiled as C++ beside shim/CudaShim.h, whose
// fibers are the threads of a block, and run on the grid as a GPU would run
// them.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_CUDA_HOSTKERNELS_H
#define MMCC_TEST_CODEGEN_CUDA_HOSTKERNELS_H

#include "codegen/cuda/KernelSource.h"
#include "dialects/plan/Plan.h"

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace mmcc::test {

/// A plan::KernelMap that outlives its context: values of sizes.
struct HostMap {
  using Value = std::function<int64_t(const std::vector<int64_t> &)>;
  unsigned operand, boxRows;
  Value offset, length, rows, batches, rowPitch, batchPitch;
};

class HostKernels {
public:
  /// Compiles every kernel of `variant`. Check `message`: what is wrong.
  explicit HostKernels(plan::VariantOp variant);
  ~HostKernels();
  HostKernels(const HostKernels &) = delete;

  /// Launches a kernel; false if there is none of this name.
  bool run(const std::string &kernel, std::array<int64_t, 3> grid,
           std::vector<void *> buffers, std::vector<int64_t> sizes);

  std::string message;

private:
  struct Loaded {
    void *library;
    void (*function)(const void *);
    unsigned threads;
    size_t sharedBytes;
    std::vector<HostMap> maps;
  };
  bool load(const std::string &name, const cuda::KernelSource &source,
            bool hasWarpgroups);

  std::string folder;
  std::map<std::string, Loaded> kernels;
};

} // namespace mmcc::test

#endif // MMCC_TEST_CODEGEN_CUDA_HOSTKERNELS_H
