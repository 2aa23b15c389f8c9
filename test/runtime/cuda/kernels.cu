// A kernel of the runtime's tests as a fake GPU's: the first thread of a block
// is the cell. -DKERNEL, -DBUFFERS and -DSIZES say which.

#include "codegen/cuda/kernels/Abi.cuh"

// As kernels.c has it.
struct args {
  void *const *buffers;
  const int64_t *sizes;
  void *scratch;
};
extern "C" void KERNEL(const args *args, int64_t x, int64_t y, int64_t z);

MMCC_KERNEL(mmcc_kernel, 32, mmcc::Arguments<BUFFERS, SIZES>) {
  if (threadIdx.x)
    return;
  alignas(64) char scratch[64];
  const struct args cell = {args.buffers, args.sizes, scratch};
  KERNEL(&cell, blockIdx.x, blockIdx.y, blockIdx.z);
}
