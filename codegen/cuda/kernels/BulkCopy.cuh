//===- BulkCopy.cuh - Boxes of memory that Hopper's copier brings ---------===//
//
// One thread asks for a box of rows, and a unit beside the multiprocessor
// computes the addresses, writes zeros where the box is beyond the tensor, lets
// pieces trade places as WarpgroupMma.cuh wants them, and counts the bytes at a
// barrier in shared memory. What tensor lies where is in a TensorMap (Abi.cuh),
// which the runtime makes for each launch.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_BULKCOPY_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_BULKCOPY_CUH

#include "WarpgroupMma.cuh"

#ifdef MMCC_WARPGROUPS

namespace mmcc {

/// Counts bytes of the copies of one round after another.
struct alignas(8) CopyBarrier {
  uint64_t state;
};

} // namespace mmcc

#ifdef MMCC_CUDA_SHIM
#include "BulkShim.h"
#else

namespace mmcc {

/// By one thread, before a barrier of the block and before it asks for copies.
template <int Count>
__device__ void beginBarriers(CopyBarrier (&barriers)[Count]) {
#pragma unroll
  for (int i = 0; i < Count; ++i)
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(
                     sharedAddress(&barriers[i]))
                 : "memory");
  // The copier sees them.
  asm volatile("fence.mbarrier_init.release.cluster;\n"
               "fence.proxy.async.shared::cta;" ::
                   : "memory");
}
/// This round is over when so many bytes have come; by one thread.
__device__ inline void expectBytes(CopyBarrier &barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(
                   sharedAddress(&barrier)),
               "r"(bytes)
               : "memory");
}
/// Waits for the end of a round, which is even or odd.
__device__ inline void waitForBytes(CopyBarrier &barrier, int round) {
  asm volatile("{\n"
               ".reg .pred over;\n"
               "again:\n"
               "mbarrier.try_wait.parity.shared::cta.b64 over, [%0], %1;\n"
               "@over bra done;\n"
               "bra again;\n"
               "done:\n"
               "}" ::"r"(sharedAddress(&barrier)),
               "r"(round & 1)
               : "memory");
}
/// Begins to bring the box at byte `byte` of row `row` of batch `batch`.
__device__ inline void copyBox(void *shared, const TensorMap *map,
                               CopyBarrier &barrier, int byte, int row,
                               int batch) {
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::"
               "complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];" ::"r"(
                   sharedAddress(shared)),
               "l"(map), "r"(byte), "r"(row), "r"(batch),
               "r"(sharedAddress(&barrier))
               : "memory");
}

} // namespace mmcc

#endif // MMCC_CUDA_SHIM

#endif // MMCC_WARPGROUPS

#endif // MMCC_CODEGEN_CUDA_KERNELS_BULKCOPY_CUH
