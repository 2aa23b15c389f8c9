//===- CudaShim.h - CUDA's words for a CPU ----------------------*- C++ -*-===//
//
// Included before a kernel's source, which then compiles as C++:
//
//     clang++ -x c++ -std=c++20 -O1 -fPIC -shared -include CudaShim.h
//         -I test/codegen/cuda/shim -I codegen/cuda/kernels K.cu -o K.so
//
// The threads of a block are fibers of one thread of the machine (Fibers.cpp),
// and blocks run one after another; what is __shared__ is therefore one object
// for each of the machine's threads.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_CUDASHIM_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_CUDASHIM_H

// The standard library uses some of the words below for other things, so that
// what a kernel may include is included before.
#include <algorithm>
#include <array>
#include <cassert>
#include <cfloat>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <math.h>
#include <tuple>
#include <type_traits>
#include <utility>

#include "Fibers.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __shared__ static thread_local
#define __grid_constant__
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))

#define threadIdx (mmcc_shim_thread->index)
#define blockIdx (mmcc_shim_thread->block)
#define blockDim (mmcc_shim_thread->blockSize)
#define gridDim (mmcc_shim_thread->gridSize)
constexpr int warpSize = 32;

/// The block's dynamic shared memory, aligned to 1024 bytes.
#define MMCC_DYNAMIC_SHARED(name)                                              \
  unsigned char *const name = mmcc_shim_thread->dynamicShared

/// The kernel is exported as a function of the address of its parameter, so
/// that who launches it needs not know the parameter's type.
#define MMCC_KERNEL(name, threads, ...)                                        \
  static void name##_body(const __VA_ARGS__ &args);                            \
  extern "C" __attribute__((visibility("default"))) void name(                 \
      const void *parameters) {                                                \
    name##_body(*static_cast<const __VA_ARGS__ *>(parameters));                \
  }                                                                            \
  static void name##_body(const __VA_ARGS__ &args)

#include "Atomics.h"
#include "Bits.h"
#include "Conversions.h"
#include "Math.h"
#include "Threads.h"

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_CUDASHIM_H
