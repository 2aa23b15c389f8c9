//===- StepAttention.cuh - Attention of one query, as steps of a decoder --===//
//
// A block has one query of one head, and its warps take turns at the keys, 32
// at a time. Scores are a lane each, values a lane every 32nd number; what each
// warp has found is joined in order:
//
//     warp 0   keys   0 ..  31, 256 .. 287, ...    most, sum, result ┐
//     warp 1   keys  32 ..  63, ...                                  ├─ joined
//     warp 7   keys 224 .. 255, ...                                  ┘
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_STEPATTENTION_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_STEPATTENTION_CUH

#include "Attention.cuh"

namespace mmcc {

/// More queries than these take a QueryTile.
constexpr int64_t kStepQueries = 4;

struct StepShared {
  static constexpr int kWarps = cuda::kThreads / kWarp, kWidest = 512;
  float query[kWidest];
  float most[kWarps], sum[kWarps];
  float result[kWarps][kWarp];
};

/// Query i of a head, `query` [D]. keys.dot(j, numbers, size) is its product
/// with key j, values(j, d) a number; score(i, j, x) as in attention(), and
/// out(d, number) gets the result.
template <int Chunks, typename Keys, typename Values, typename Score,
          typename Out>
__device__ void attendStep(StepShared &shared, const AttentionParams &p,
                           const float *__restrict__ query, const Keys &keys,
                           const Values &values, int64_t i, Score score,
                           Out out) {
  constexpr int kWarps = StepShared::kWarps;
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const float scale = float(__longlong_as_double(p.scale));
  __syncthreads(); // the query before has been used
  for (int64_t d = threadIdx.x; d < p.D; d += cuda::kThreads)
    shared.query[d] = query[d] * scale;
  __syncthreads(); // the query is there

  float most = -INFINITY, sum = 0, result[Chunks] = {};
  for (int64_t j0 = warp * kWarp; j0 < p.Skv; j0 += kWarps * kWarp) {
    const int64_t jEnd = least(p.Skv, j0 + kWarp), j = j0 + lane;
    if (!p.sees(i, i, j0, jEnd - 1))
      continue;
    float value = -INFINITY;
    if (j < jEnd && p.sees(i, j))
      value = score(i, j, keys.dot(j, shared.query, p.D));
    const float before = most;
    most = maximum(before, acrossWarp<Largest<float>>(value));
    // Nothing has been seen yet: infinities have no difference.
    const bool isEmpty = most == -INFINITY;
    const float shrink = isEmpty ? 1.0f : expf(before - most);
    const float weight = isEmpty ? 0.0f : expf(value - most);
    sum = sum * shrink + acrossWarp<Sum<float>>(weight);
    for (int c = 0; c < Chunks; ++c)
      result[c] *= shrink;
    for (int t = 0; t < int(jEnd - j0); ++t) {
      const float each = __shfl_sync(kAllLanes, weight, t);
      // Numbers of keys that nobody sees may be anything.
      if (each == 0)
        continue;
#pragma unroll
      for (int c = 0; c < Chunks; ++c)
        if (const int64_t d = c * kWarp + lane; d < p.Dv)
          result[c] += each * values(j0 + t, d);
    }
  }
  if (lane == 0) {
    shared.most[warp] = most;
    shared.sum[warp] = sum;
  }
  for (int c = 0; c < Chunks; ++c) {
    __syncthreads(); // the chunk before has been joined
    shared.result[warp][lane] = result[c];
    __syncthreads(); // every warp's share is there
    if (const int64_t d = c * kWarp + lane; warp == 0 && d < p.Dv) {
      float all = -INFINITY, total = 0, number = 0;
      for (int w = 0; w < kWarps; ++w)
        all = maximum(all, shared.most[w]);
      for (int w = 0; w < kWarps; ++w) {
        const float share =
            shared.most[w] == -INFINITY ? 0.0f : expf(shared.most[w] - all);
        total += shared.sum[w] * share;
        number += shared.result[w][lane] * share;
      }
      out(d, total == 0 ? 0.0f : number / total);
    }
  }
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_STEPATTENTION_CUH
