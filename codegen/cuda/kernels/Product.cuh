//===- Product.cuh - Tiles of f32 products --------------------------------===//
//
// f32 means f32: products and sums in single precision, no tensor cores. A
// block of 256 threads makes a tile of 128 x 128, 64 numbers a thread, from
// slices of 8 along K that alternate between two buffers:
//
//            8 x 128 of b                 thread (ty, tx) has rows
//                 │                       ty*4 + {0..3, 64..67} and columns
//     ┌─┐   ┌─────▼──────┐                tx*4 + {0..3, 64..67}, so that a warp
//     │a│──►│ 128 x 128  │                reads shared memory in vectors
//     └─┘   └────────────┘                without conflicts
//
// While a slice is multiplied, the next one is on its way to registers. Where
// the numbers come from is the caller's: rows, panels, images.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_PRODUCT_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_PRODUCT_CUH

#include "Blocking.cuh"
#include "Scalar.cuh"

namespace mmcc {

constexpr int kTile = cuda::kProductTile, kSlice = 8;
static_assert(kTile == 128 && cuda::kThreads == 256,
              "each thread has 8 x 8 numbers");
/// Rows of a slice are kept apart, so that columns of a do not share a bank.
constexpr int kTilePitch = kTile + 4;

struct ProductSlices {
  float a[2][kSlice][kTilePitch];
  float b[2][kSlice][kTilePitch];
};

/// out(m, n, sum over k of a(m, k) * b(k, n)) for m in [m0, m0 + 128) and
/// below mEnd, n likewise. a and b are asked inside [0, mEnd) x [0, depth) and
/// [0, depth) x [0, nEnd) only. Every thread of the block calls it.
template <typename A, typename B, typename Out>
__device__ void multiplyTile(int64_t m0, int64_t n0, int64_t mEnd, int64_t nEnd,
                             int64_t depth, A a, B b, Out out) {
  __shared__ ProductSlices slices;
  const int thread = threadIdx.x;
  // Of a, a thread reads four neighbours along K; of b, four along N.
  const int aRow = thread / 2, aDepth = thread % 2 * 4;
  const int bDepth = thread / 32, bColumn = thread % 32 * 4;
  const int ty = thread / 16 * 4, tx = thread % 16 * 4;

  float fromA[4], fromB[4];
  auto fetch = [&](int64_t k0) {
    for (int i = 0; i < 4; ++i) {
      const int64_t m = m0 + aRow, k = k0 + aDepth + i;
      fromA[i] = m < mEnd && k < depth ? a(m, k) : 0.0f;
    }
    for (int i = 0; i < 4; ++i) {
      const int64_t k = k0 + bDepth, n = n0 + bColumn + i;
      fromB[i] = k < depth && n < nEnd ? b(k, n) : 0.0f;
    }
  };
  auto keep = [&](int buffer) {
    for (int i = 0; i < 4; ++i)
      slices.a[buffer][aDepth + i][aRow] = fromA[i];
    for (int i = 0; i < 4; ++i)
      slices.b[buffer][bDepth][bColumn + i] = fromB[i];
  };

  float sums[8][8] = {};
  fetch(0);
  __syncthreads(); // a tile before may still be multiplied
  keep(0);
  __syncthreads(); // the first slice is there
  int buffer = 0;
  for (int64_t k0 = 0; k0 < depth; k0 += kSlice, buffer ^= 1) {
    const bool isLast = k0 + kSlice >= depth;
    if (!isLast)
      fetch(k0 + kSlice);
#pragma unroll
    for (int k = 0; k < kSlice; ++k) {
      float rows[8], columns[8];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        rows[i] = slices.a[buffer][k][ty + i];
        rows[4 + i] = slices.a[buffer][k][ty + 64 + i];
        columns[i] = slices.b[buffer][k][tx + i];
        columns[4 + i] = slices.b[buffer][k][tx + 64 + i];
      }
#pragma unroll
      for (int i = 0; i < 8; ++i)
#pragma unroll
        for (int j = 0; j < 8; ++j)
          sums[i][j] += rows[i] * columns[j];
    }
    if (!isLast)
      keep(buffer ^ 1);
    __syncthreads(); // the next slice is there, and this one is free
  }
#pragma unroll
  for (int i = 0; i < 8; ++i)
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const int64_t m = m0 + ty + i % 4 + i / 4 * 64;
      const int64_t n = n0 + tx + j % 4 + j / 4 * 64;
      if (m < mEnd && n < nEnd)
        out(m, n, sums[i][j]);
    }
}

/// All tiles of a cell: rows [y * mBlock, (y + 1) * mBlock) below mEnd,
/// columns likewise, for block (x, y) of the grid.
template <typename A, typename B, typename Out>
__device__ void multiplyCell(int64_t x, int64_t y, int64_t mEnd, int64_t nEnd,
                             int64_t depth, int64_t mBlock, int64_t nBlock, A a,
                             B b, Out out) {
  const int64_t mLast = least(mEnd, (y + 1) * mBlock);
  const int64_t nLast = least(nEnd, (x + 1) * nBlock);
  for (int64_t m = y * mBlock; m < mLast; m += kTile)
    for (int64_t n = x * nBlock; n < nLast; n += kTile)
      multiplyTile(m, n, mLast, nLast, depth, a, b, out);
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_PRODUCT_CUH
