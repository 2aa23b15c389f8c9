//===- KernelAbi.h - How the runtime calls a kernel -------------*- C++ -*-===//
//
// The runtime's own statement of the layout that code generation compiles
// against (codegen/cpu/kernels/Abi.h); a test compares the two.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_RUNTIME_DEVICE_CPU_KERNELABI_H
#define MMCC_RUNTIME_DEVICE_CPU_KERNELABI_H

#include <cstdint>

namespace mmcc::runtime {

struct KernelArgs {
  void *const *buffers;
  const int64_t *sizes;
  void *scratch;
};

using KernelFn = void (*)(const KernelArgs *args, int64_t x, int64_t y,
                          int64_t z);

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_DEVICE_CPU_KERNELABI_H
