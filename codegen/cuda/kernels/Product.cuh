//===- Product.cuh - Tiles of f32 products --------------------------------===//
//
// f32 means f32: products and sums in single precision, no tensor cores. A
// block of 256 threads makes a tile of 128 x 128, 64 numbers a thread, or,
// where those would be too few for a GPU, of 64 x 64, 16 numbers a thread, from
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

constexpr int kSlice = 8;

/// Rows of a slice are kept apart, so that columns of a do not share a bank.
template <int Tile> struct ProductSlices {
  static_assert((Tile == 64 || Tile == 128) && cuda::kThreads == 256,
                "a thread has 4 or 8 rows and as many columns");
  float a[2][kSlice][Tile + 4];
  float b[2][kSlice][Tile + 4];
};

/// out(m, n, sum over k of a(m, k) * b(k, n)) for m in [m0, m0 + Tile) and
/// below mEnd, n likewise. a and b are asked inside [0, mEnd) x [0, depth) and
/// [0, depth) x [0, nEnd) only. Every thread of the block calls it.
template <int Tile, typename A, typename B, typename Out>
__device__ void multiplyTile(int64_t m0, int64_t n0, int64_t mEnd, int64_t nEnd,
                             int64_t depth, A a, B b, Out out) {
  __shared__ ProductSlices<Tile> slices;
  constexpr int kEach = Tile * kSlice / cuda::kThreads, kSide = Tile / 16;
  const int thread = threadIdx.x;
  // Of a, a thread reads kEach neighbours along K; of b, along N.
  const int aRow = thread / (kSlice / kEach);
  const int aDepth = thread % (kSlice / kEach) * kEach;
  const int bDepth = thread / 32, bColumn = thread % 32 * kEach;
  const int ty = thread / 16 * 4, tx = thread % 16 * 4;

  float fromA[kEach], fromB[kEach];
  auto fetch = [&](int64_t k0) {
    for (int i = 0; i < kEach; ++i) {
      const int64_t m = m0 + aRow, k = k0 + aDepth + i;
      fromA[i] = m < mEnd && k < depth ? a(m, k) : 0.0f;
    }
    for (int i = 0; i < kEach; ++i) {
      const int64_t k = k0 + bDepth, n = n0 + bColumn + i;
      fromB[i] = k < depth && n < nEnd ? b(k, n) : 0.0f;
    }
  };
  auto keep = [&](int buffer) {
    for (int i = 0; i < kEach; ++i)
      slices.a[buffer][aDepth + i][aRow] = fromA[i];
    for (int i = 0; i < kEach; ++i)
      slices.b[buffer][bDepth][bColumn + i] = fromB[i];
  };

  float sums[kSide][kSide] = {};
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
      float rows[kSide], columns[kSide];
#pragma unroll
      for (int i = 0; i < kSide; ++i) {
        rows[i] = slices.a[buffer][k][ty + i % 4 + i / 4 * 64];
        columns[i] = slices.b[buffer][k][tx + i % 4 + i / 4 * 64];
      }
#pragma unroll
      for (int i = 0; i < kSide; ++i)
#pragma unroll
        for (int j = 0; j < kSide; ++j)
          sums[i][j] += rows[i] * columns[j];
    }
    if (!isLast)
      keep(buffer ^ 1);
    __syncthreads(); // the next slice is there, and this one is free
  }
#pragma unroll
  for (int i = 0; i < kSide; ++i)
#pragma unroll
    for (int j = 0; j < kSide; ++j) {
      const int64_t m = m0 + ty + i % 4 + i / 4 * 64;
      const int64_t n = n0 + tx + j % 4 + j / 4 * 64;
      if (m < mEnd && n < nEnd)
        out(m, n, sums[i][j]);
    }
}

/// The tile of block (x, y) of the grid.
template <int Tile, typename A, typename B, typename Out>
__device__ void multiplyCell(int64_t mEnd, int64_t nEnd, int64_t depth, A a,
                             B b, Out out) {
  const int64_t m0 = int64_t(blockIdx.y) * Tile,
                n0 = int64_t(blockIdx.x) * Tile;
  if (n0 < nEnd)
    multiplyTile<Tile>(m0, n0, mEnd, nEnd, depth, a, b, out);
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_PRODUCT_CUH
