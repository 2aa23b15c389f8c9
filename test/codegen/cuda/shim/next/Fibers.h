//===- Fibers.h - What a kernel asks of the one who runs it -----*- C++ -*-===//
//
// Kernels are shared libraries of their own, which find these symbols in
// libcudashim.so (Fibers.cpp): load it with RTLD_GLOBAL before them. A kernel
// here is a function of the address of its parameter (MMCC_KERNEL).
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_FIBERS_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_FIBERS_H

#include "Vectors.h"

#include <cstddef>
#include <cstdint>

namespace mmcc::shim {

/// What a CUDA thread knows of itself.
struct Thread {
  uint3 index, block;
  dim3 blockSize, gridSize;
  unsigned lane;
  unsigned char *dynamicShared;
};

/// Where the threads of a block meet.
enum class BlockCall { Sync, Or, And, Count };

/// Where lanes of a warp meet.
enum class WarpCall {
  Sync,
  Shuffle,
  Ballot,
  Any,
  All,
  Add,
  MinSigned,
  MaxSigned,
  MinUnsigned,
  MaxUnsigned,
  And,
  Or,
  Xor,
};

} // namespace mmcc::shim

extern "C" {

/// The thread that runs. Every use of threadIdx reads it, so it is where the
/// loader can place it at a fixed offset.
extern __thread const mmcc::shim::Thread *mmcc_shim_thread
    __attribute__((tls_model("initial-exec")));

/// Returns when all threads of the block that have not returned are here.
int mmcc_shim_meet_block(mmcc::shim::BlockCall call, bool predicate);

/// Returns when all lanes of `mask` that have not returned are here, what they
/// make of their values. `source` is the lane that a shuffle reads.
uint64_t mmcc_shim_meet_warp(mmcc::shim::WarpCall call, unsigned mask,
                             uint64_t value, unsigned source);

/// Ends the process: the thread has done what it must not do.
[[noreturn]] void mmcc_shim_trap(const char *what);

/// Runs a kernel, the blocks of its grid one after another. With the
/// environment variable MMCC_SHIM_ORDER=reverse, the last thread of a block
/// that can go on does, else the first: where a barrier is missing, the two
/// differ.
void mmcc_shim_launch(void (*kernel)(const void *), const unsigned grid[3],
                      const unsigned block[3], size_t dynamicSharedBytes,
                      const void *parameters);
}

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_FIBERS_H
