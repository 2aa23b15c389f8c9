//===- Blocking.cuh - How work is cut for a GPU ---------------------------===//
//
// The sizes that lowering and templates must agree on, or that lowering chooses
// by what a block of threads can do.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_BLOCKING_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_BLOCKING_CUH

#include <cstdint>

namespace mmcc::cuda {

/// Threads of a block.
constexpr int kThreads = 256;
/// Rows and columns of a tile of f32 products (Product.cuh); a cell is one.
constexpr int64_t kProductTile = 128;
/// Queries that a block of attention takes (Attention.cuh).
constexpr int64_t kQueryTile = 32;
/// Pixels and channels of a cell of a depthwise convolution: neighbouring
/// threads have neighbouring channels.
constexpr int64_t kDepthwisePixels = 16, kDepthwiseChannels = 128;

/// Points of a cell of loops: four a thread, or as many rows as warps.
constexpr int64_t kPointsPerCell = 1024, kRowsPerCell = kThreads / 32;
/// Numbers that a cell of reductions goes over, if rows are short.
constexpr int64_t kNumbersPerCell = 4096;

} // namespace mmcc::cuda

#endif // MMCC_CODEGEN_CUDA_KERNELS_BLOCKING_CUH
