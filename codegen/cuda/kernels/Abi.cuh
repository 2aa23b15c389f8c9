//===- Abi.cuh - What a kernel is, on a GPU -------------------------------===//
//
// A kernel is one __global__ function, launched once on the dispatch's grid: a
// cell of the grid is a block of threads. It has one parameter, which the
// runtime fills as the CPU's KernelArgs: addresses of the operands in the order
// of the kernel's, then its symbols' values.
//
//     MMCC_KERNEL(loops_0, 256, mmcc::Arguments<3, 1>) {
//       const float *x = args.buffer<const float>(0);
//       ...
//     }
//
// Kernels for Hopper may have maps behind that, of tensors that the GPU's
// copier brings (schema: Dispatch.maps); addresses may be such that it cannot.
//
// The layout of Arguments is part of the artifact format.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_ABI_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_ABI_CUH

#include <cstdint>

namespace mmcc {

/// CUtensorMap: what it has in it the driver and the GPU know.
struct alignas(128) TensorMap {
  uint64_t words[16];
};

template <int Buffers, int Sizes> struct Arguments {
  void *buffers[Buffers];
  int64_t sizes[Sizes ? Sizes : 1];

  template <typename T> __device__ T *buffer(int i) const {
    return static_cast<T *>(buffers[i]);
  }
  __device__ const TensorMap *maps() const { return nullptr; }
};

template <int Buffers, int Sizes, int Maps>
struct MappedArguments : Arguments<Buffers, Sizes> {
  int64_t areMapped;
  TensorMap all[Maps];

  /// Null if they are not to be used.
  __device__ const TensorMap *maps() const { return areMapped ? all : nullptr; }
};

} // namespace mmcc

/// Threads of a block, and blocks that a multiprocessor is to have room for.
#define MMCC_BLOCKS(threads, blocks) threads, blocks

// Tests that run kernels on a CPU bring their own (test/codegen/cuda/shim).
#ifndef MMCC_KERNEL
#define MMCC_KERNEL(name, threads, ...)                                        \
  extern "C" __global__ void __launch_bounds__(threads)                        \
      name(const __grid_constant__ __VA_ARGS__ args)
#endif

// Shared memory whose size the launch says (KernelSource::sharedBytes), for
// what is more than the 48 KiB that a kernel may declare.
#ifndef MMCC_DYNAMIC_SHARED
#define MMCC_DYNAMIC_SHARED(type, name)                                        \
  extern __shared__ uint4 name##_memory[];                                     \
  type &name = *reinterpret_cast<type *>(name##_memory)
#endif

#endif // MMCC_CODEGEN_CUDA_KERNELS_ABI_CUH
