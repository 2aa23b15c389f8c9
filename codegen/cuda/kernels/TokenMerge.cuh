//===- TokenMerge.cuh - token_merge_f32 -----------------------------------===//
//
// Sums, or weighted means, of the tokens that have one successor (codegen/cpu/
// kernels/TokenMerge.cpp). A warp takes one successor t of M after another and
// looks through all N tokens, a lane one of 32; what it finds it adds to 256
// columns, 8 a lane, in the tokens' order. Looking takes N M / 32 steps, a few
// for each token that is added: most are added to nothing but themselves.
//
// Blocks along x have n_block columns each, those along y share the successors,
// however many they are.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_TOKENMERGE_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_TOKENMERGE_CUH

#include "Blocking.cuh"
#include "Team.cuh"

namespace mmcc {

struct TokenMergeParams {
  int64_t B, N, M, C, x_batch, x_row, s_batch, w_batch, average, n_block;
};

template <typename Post>
__device__ void tokenMerge(const float *__restrict__ x,
                           const int64_t *__restrict__ successor,
                           const float *__restrict__ weight,
                           const TokenMergeParams &p, Post post) {
  constexpr int kWarps = cuda::kThreads / kWarp;
  constexpr int kEach = cuda::kMergeColumns / kWarp;
  const int64_t batch = blockIdx.z, lane = threadIdx.x % kWarp;
  const int64_t first = blockIdx.x * p.n_block;
  const int64_t end = least(p.C, first + p.n_block);
  const float *tokens = x + batch * p.x_batch;
  const int64_t *next = successor + batch * p.s_batch;
  const float *weights = weight + batch * p.w_batch;

  for (int64_t t = blockIdx.y * kWarps + threadIdx.x / kWarp; t < p.M;
       t += int64_t(gridDim.y) * kWarps)
    for (int64_t c0 = first; c0 < end; c0 += cuda::kMergeColumns) {
      float sums[kEach] = {}, total = 0;
      for (int64_t i0 = 0; i0 < p.N; i0 += kWarp) {
        const int64_t i = i0 + lane;
        // A successor that is out of range is the nearest that is not.
        const bool is =
            i < p.N && least(largest<int64_t>(next[i], 0), p.M - 1) == t;
        for (unsigned found = __ballot_sync(kAllLanes, is); found;
             found &= found - 1) {
          const int64_t token = i0 + __ffs(found) - 1;
          const float w = p.average ? weights[token] : 1.0f;
          const float *row = tokens + token * p.x_row;
#pragma unroll
          for (int e = 0; e < kEach; ++e)
            if (const int64_t c = c0 + e * kWarp + lane; c < end)
              sums[e] += row[c] * w;
          total += w;
        }
      }
      const float factor = p.average ? 1 / total : 1.0f;
#pragma unroll
      for (int e = 0; e < kEach; ++e)
        if (const int64_t c = c0 + e * kWarp + lane; c < end)
          post(batch, t, c, sums[e] * factor);
    }
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_TOKENMERGE_CUH
