//===- OnlineSoftmax.cuh - A softmax whose scores come tile by tile -------===//
//
// Of each query are kept its largest score so far, the sum of the weights
// exp(score - largest), and the sum of values by these weights
// (M. Milakov, N. Gimelshein, 2018, arXiv 1805.02867). A tile that raises the
// largest score shrinks what there is:
//
//     scores -- takeWeights --> weights, shrink
//     shrinkResult, then result += weights v
//
// Scores and results are sums of products as tensor cores leave them (Mma.cuh):
// a lane has parts of two queries, four lanes share one.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_ONLINESOFTMAX_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_ONLINESOFTMAX_CUH

#include "Attention.cuh"
#include "Mma.cuh"

namespace mmcc {

/// exp(value - largest), as `base` of largest has it. Where nothing has been
/// seen all values are -inf, whose weight is 0 beside any number.
constexpr float kLog2e = 1.4426950408889634f;
__device__ inline float softmaxBase(float largest) {
  return largest == -INFINITY ? 0.0f : largest * kLog2e;
}
__device__ inline float softmaxWeight(float value, float base) {
  return exp2Fast(value * kLog2e - base);
}

/// Weights of keys 16 pair .. 16 pair + 15 as a fragment.
template <typename Narrow, int Across>
__device__ void packWeights(uint32_t (&a)[4], const float (&weights)[Across][4],
                            int pair) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const auto &from = weights[pair * 2 + i / 2];
    a[i] = packed<Narrow>(from[i % 2 * 2], from[i % 2 * 2 + 1]);
  }
}

/// Of queries [i0, i0 + Queries), of which those from iEnd on are none; of
/// tiles of Keys keys.
template <int Width, int Queries, int Keys, typename Score>
class OnlineSoftmax {
public:
  __device__ OnlineSoftmax(const AttentionParams &p, int64_t i0, int64_t iEnd,
                           Score score)
      : p(p), i0(i0), iEnd(iEnd), score(score),
        scale(float(__longlong_as_double(p.scale))) {}

  /// Query r of the two that this lane has a part of, in the tile.
  static __device__ int row(int r) {
    return threadIdx.x / kWarp % (Queries / 16) * 16 + threadIdx.x % kWarp / 4 +
           r * 8;
  }

  /// Makes weights of products with the tile's keys from `first` on. What was
  /// before is to shrink.
  template <int Across>
  __device__ void takeWeights(const KeySpan &tile, int first,
                              float (&weights)[Across][4], float (&shrink)[2]) {
    const int lane = threadIdx.x % kWarp;
    const bool isWhole =
        tile.end - tile.begin == Keys &&
        p.seesAll(i0, i0 + Queries - 1, tile.begin, tile.end - 1);
    float largest[2] = {most[0], most[1]}, base[2];
#pragma unroll
    for (int across = 0; across < Across; ++across)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        float &value = weights[across][i];
        const int64_t query = i0 + row(i / 2);
        const int64_t key =
            tile.begin + first + across * 8 + lane % 4 * 2 + i % 2;
        value *= scale;
        if (!isWhole &&
            (query >= iEnd || key >= tile.end || !p.sees(query, key)))
          value = -INFINITY;
        else if (!tile.whole && query < iEnd)
          value = score(query, key, value);
        largest[i / 2] = maximum(largest[i / 2], value);
      }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      largest[r] = maximum(largest[r], fromLane(largest[r], 1));
      largest[r] = maximum(largest[r], fromLane(largest[r], 2));
      base[r] = softmaxBase(largest[r]);
      shrink[r] = softmaxWeight(most[r], base[r]);
      sum[r] *= shrink[r];
      most[r] = largest[r];
    }
#pragma unroll
    for (int across = 0; across < Across; ++across)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        float &value = weights[across][i];
        value = softmaxWeight(value, base[i / 2]);
        sum[i / 2] += value;
      }
  }

  __device__ void shrinkResult(const float (&shrink)[2]) {
#pragma unroll
    for (int c = 0; c < Width / 8; ++c)
#pragma unroll
      for (int i = 0; i < 4; ++i)
        result[c][i] *= shrink[i / 2];
  }

  /// Adds up what the four lanes of a query have.
  __device__ void gatherSums() {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      sum[r] += fromLane(sum[r], 1);
      sum[r] += fromLane(sum[r], 2);
    }
  }

  /// After gatherSums.
  template <typename Post>
  __device__ void write(int64_t batch, int64_t head, Post post) const {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int64_t token = i0 + row(r);
      const float inverse = sum[r] == 0 ? 0 : 1 / sum[r];
#pragma unroll
      for (int c = 0; c < Width / 8; ++c)
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int d = c * 8 + threadIdx.x % 4 * 2 + i;
          if (token < iEnd && d < p.Dv)
            post(batch, head, token, d, result[c][r * 2 + i] * inverse);
        }
    }
  }

  float most[2] = {-INFINITY, -INFINITY}, sum[2] = {};
  float result[Width / 8][4] = {};

private:
  const AttentionParams &p;
  int64_t i0, iEnd;
  Score score;
  float scale;
};

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_ONLINESOFTMAX_CUH
