//===- Similarity.cuh - similarity_f32, and rows of length 1 --------------===//
//
// Cosines of rows of a [M, D] with rows of b [N, D] (codegen/cpu/kernels/
// Similarity.cpp). Warps go over the rows of a tile for their lengths; then the
// block multiplies the tile (Product.cuh), and scales what it reads. Lengths
// cost one more pass over what the product reads anyway.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_SIMILARITY_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_SIMILARITY_CUH

#include "Product.cuh"
#include "Team.cuh"

namespace mmcc {

/// As `epsilon`: a row of zeros stays what it is.
constexpr float kZeroStays = -1.0f;

/// What the numbers of a row are multiplied by: 1 / max(length, epsilon).
/// Without an epsilon (0) a row of zeros becomes NaN. The lanes of a warp call
/// it.
__device__ inline float unitFactor(const float *row, int64_t depth,
                                   float epsilon) {
  const Team<Warp, int64_t> warp;
  const float length = sqrtf(warp.template reduce<Sum>(
      depth, [&](int64_t d) { return row[d] * row[d]; }));
  if (epsilon == kZeroStays)
    return length > 0 ? 1 / length : 0;
  return 1 / (length < epsilon ? epsilon : length);
}

/// Rows of one side of a tile as numbers of rows of length 1.
struct UnitRows {
  const float *__restrict__ rows; // of the tile's first one
  int64_t stride, depth;
  float *factors; // [kUnitTile] in shared memory

  /// The block's warps go over `count` rows, or a whole tile.
  __device__ void measure(int64_t count, float epsilon) const {
    for (int64_t i = threadIdx.x / kWarp; i < least(count, cuda::kUnitTile);
         i += cuda::kThreads / kWarp) {
      const float factor = unitFactor(rows + i * stride, depth, epsilon);
      if (threadIdx.x % kWarp == 0)
        factors[i] = factor;
    }
  }
  __device__ float operator()(int64_t i, int64_t d) const {
    return rows[i * stride + d] * factors[i];
  }
};

/// The epsilons are the bits of doubles.
struct SimilarityParams {
  int64_t M, N, D, a_row, b_row, a_eps, b_eps, m_block, n_block;
};

template <typename Post>
__device__ void similarity(const float *__restrict__ a,
                           const float *__restrict__ b,
                           const SimilarityParams &p, Post post) {
  __shared__ float aFactors[cuda::kUnitTile], bFactors[cuda::kUnitTile];
  const int64_t mEnd = least(p.M, (blockIdx.y + 1) * p.m_block);
  const int64_t nEnd = least(p.N, (blockIdx.x + 1) * p.n_block);
  for (int64_t m = blockIdx.y * p.m_block; m < mEnd; m += cuda::kUnitTile)
    for (int64_t n = blockIdx.x * p.n_block; n < nEnd; n += cuda::kUnitTile) {
      const UnitRows left{a + m * p.a_row, p.a_row, p.D, aFactors};
      const UnitRows right{b + n * p.b_row, p.b_row, p.D, bFactors};
      left.measure(mEnd - m, float(__longlong_as_double(p.a_eps)));
      right.measure(nEnd - n, float(__longlong_as_double(p.b_eps)));
      __syncthreads(); // all factors are there
      multiplyTile<cuda::kUnitTile>(
          0, 0, mEnd - m, nEnd - n, p.D, left,
          [&](int64_t d, int64_t i) { return right(i, d); },
          [&](int64_t i, int64_t j, float cosine) {
            post(0, m + i, n + j, cosine);
          });
    }
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_SIMILARITY_CUH
