//===- Abi.h - What a kernel is, on the CPU -------------------------------===//
//
// A kernel is one native function, called once per grid cell by every thread
// of the team:
//
//     void kernel(const KernelArgs *args, int64_t x, int64_t y, int64_t z);
//
// The generated part of a kernel is small. What decides the speed is a
// *microkernel*: a C++ function in this folder, compiled to LLVM bitcode when
// mmcc is built and linked into each module. The generated function fills a
// MicroCall and calls the microkernel; the microkernel calls back the
// generated *blocks* (epilogue, score modification), which LLVM can inline.
//
//     generated kernel ──MicroCall──► microkernel ──tile──► generated block
//
// The layout of these structures is part of the artifact format.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_ABI_H
#define MMCC_CODEGEN_CPU_KERNELS_ABI_H

#include <cstdint>

namespace mmcc::cpu {

/// What the runtime hands to a kernel.
struct KernelArgs {
  /// Base address of each operand, in the order of the kernel's operands.
  void *const *buffers;
  /// Values of the kernel's symbols (s0, s1, ...): extents that are only known
  /// at the call.
  const int64_t *sizes;
  /// This thread's scratch memory, 64-byte aligned, of the kernel's
  /// scratch_bytes. Its content does not survive the call.
  void *scratch;
};

/// A generated block applied to a tile `[rows, cols]` (row stride
/// `tile_stride` elements). The block's index space is (outer..., row, col);
/// `outer` holds the leading indices, row0 and col0 the position of the tile.
/// A `post` block reads the tile and stores results; a `score` block writes
/// its result back into the tile.
using BlockFn = void (*)(const KernelArgs *args, const int64_t *outer,
                         int64_t row0, int64_t col0, int64_t rows, int64_t cols,
                         float *tile, int64_t tile_stride);

/// What a generated kernel hands to a microkernel.
struct MicroCall {
  const KernelArgs *args;
  /// The row's parameters, in the order kernels.inc lists them.
  const int64_t *params;
  /// The row's tensors, in the order kernels.inc lists them.
  const void *const *tensors;
  /// Grid cell.
  int64_t x, y, z;
  BlockFn post;
  /// Null when the kernel has no score block.
  BlockFn score;
};

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_ABI_H
