//===- TokenMatch.cuh - token_match_f32 -----------------------------------===//
//
// The successor of each token after bipartite matching: codegen/cpu/kernels/
// TokenMatch.cpp says what sets, partners and successors are. A block takes a
// sample, in three steps:
//
//     partners    tiles of 128 tokens of A times 128 of B (Similarity.cuh): a
//                 thread keeps the best of its columns as a key (Keys.cuh), 16
//                 threads agree on a row's. Among neighbours a warp takes a
//                 token. The block has (N / 2)^2 D products, or N D
//     the bar     that the `merged` best of A are not below
//     numbers     a token's is its place less those that went before it: sums
//                 over the threads before, 256 tokens of A and of B at a time
//
// Partners are kept in `work` [B, ceil(N / 2)], which is no tensor of the CPU's
// row.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_TOKENMATCH_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_TOKENMATCH_CUH

#include "Keys.cuh"
#include "Similarity.cuh"

namespace mmcc {

struct TokenMatchParams {
  int64_t B, N, D, protect, merged, neighbours, m_batch, m_row;
};

/// A[i] is token 2i, B[j] token 2j + 1.
class TokenMatch {
public:
  __device__ TokenMatch(const float *metric, Key *partners,
                        const TokenMatchParams &p)
      : metric(metric), partners(partners), p(p), evens((p.N + 1) / 2),
        odds(p.N / 2), firstA((p.protect + 1) / 2), firstB(p.protect / 2) {}

  /// Partners among all of B.
  __device__ void matchAll() {
    __shared__ float aFactors[cuda::kUnitTile], bFactors[cuda::kUnitTile];
    for (int64_t a = firstA; a < evens; a += cuda::kUnitTile) {
      const UnitRows left{metric + 2 * a * p.m_row, 2 * p.m_row, p.D, aFactors};
      left.measure(evens - a, kZeroStays);
      Key best[8];
#pragma unroll
      for (int i = 0; i < 8; ++i)
        best[i] = keyOf(orderOf(-INFINITY), uint32_t(firstB));
      for (int64_t b = firstB; b < odds; b += cuda::kUnitTile) {
        const UnitRows right{metric + (2 * b + 1) * p.m_row, 2 * p.m_row, p.D,
                             bFactors};
        right.measure(odds - b, kZeroStays);
        __syncthreads(); // all factors are there
        multiplyTile<cuda::kUnitTile>(
            0, 0, evens - a, odds - b, p.D, left,
            [&](int64_t d, int64_t j) { return right(j, d); },
            [&](int64_t i, int64_t j, float cosine) {
              // What compares with nothing (NaN) is passed over.
              Key &here = best[placeOfRow(i)];
              if (cosine == cosine)
                here = largest(here, keyOf(orderOf(cosine), uint32_t(b + j)));
            });
      }
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        // The 16 threads of a row are neighbours in a warp.
        for (int mask = 8; mask; mask /= 2)
          best[i] = largest(best[i], fromLane(best[i], mask));
        const int64_t row = a + firstRow() + i % 4 + i / 4 * 64;
        if (threadIdx.x % 16 == 0 && row < evens)
          partners[row] = best[i];
      }
    }
  }

  /// Partners among the tokens beside.
  __device__ void matchNeighbours() {
    const Team<Warp, int64_t> warp;
    for (int64_t i = firstA + threadIdx.x / kWarp; i < evens;
         i += cuda::kThreads / kWarp) {
      const float *middle = metric + 2 * i * p.m_row;
      const float factor = unitFactor(middle, p.D, kZeroStays);
      auto cosineWith = [&](const float *other) {
        const float otherFactor = unitFactor(other, p.D, kZeroStays);
        return warp.template reduce<Sum>(p.D, [&](int64_t d) {
          return middle[d] * factor * (other[d] * otherFactor);
        });
      };
      float before = -INFINITY, after = -INFINITY;
      if (i - 1 >= firstB)
        before = cosineWith(middle - p.m_row);
      if (i >= firstB && i < odds)
        after = cosineWith(middle + p.m_row);
      const bool later = after > before || i - 1 < firstB;
      warp.once([&] {
        partners[i] =
            keyOf(orderOf(later ? after : before), uint32_t(later ? i : i - 1));
      });
    }
  }

  /// Calls give(token, successor) for all tokens.
  template <typename Give> __device__ void number(Give give) {
    // Of equally near ones the first goes.
    auto nearness = [&](int64_t i) {
      return keyOf(uint32_t(partners[i] >> 32), uint32_t(i));
    };
    const Key bar = barOf(evens - firstA, p.merged,
                          [&](int64_t i) { return nearness(firstA + i); });
    const int64_t stays = evens - firstA - p.merged;
    int64_t goneBefore = 0;
    for (int64_t i0 = 0; i0 < evens; i0 += cuda::kThreads) {
      const int64_t i = i0 + threadIdx.x;
      const bool goes = i >= firstA && i < evens && nearness(i) >= bar;
      const Prefix gone = prefixOf(goes);
      const int64_t before = goneBefore + gone.before;
      goneBefore += gone.all;
      if (i < evens)
        give(2 * i, successorOfA(i, goes, before, stays));
      if (i < odds)
        give(2 * i + 1, i < firstB     ? 2 * i + 1
                        : p.neighbours ? 2 * i + 1 - before - goes
                                       : p.protect + stays + i - firstB);
    }
  }

private:
  /// Of a tile of 128 rows a thread has firstRow() + {0..3, 64..67}
  /// (Product.cuh).
  static __device__ int firstRow() { return int(threadIdx.x) / 16 * 4; }
  static __device__ int placeOfRow(int64_t row) {
    const int after = int(row) - firstRow();
    return after % 64 + after / 64 * 4;
  }

  __device__ int64_t successorOfA(int64_t i, bool goes, int64_t before,
                                  int64_t stays) const {
    if (i < firstA)
      return 2 * i;
    const int64_t partner = placeOf(partners[i]);
    if (p.neighbours) // the token after has lost this one, too
      return goes && partner < i ? 2 * i - 1 - before : 2 * i - before;
    return goes ? p.protect + stays + partner - firstB
                : p.protect + i - firstA - before;
  }

  const float *__restrict__ metric;
  Key *partners;
  const TokenMatchParams &p;
  const int64_t evens, odds;
  const int64_t firstA, firstB; // the first that are not protected
};

template <typename Post>
__device__ void tokenMatch(const float *__restrict__ metric, int64_t *work,
                           const TokenMatchParams &p, Post post) {
  const int64_t batch = blockIdx.z;
  TokenMatch match(metric + batch * p.m_batch,
                   reinterpret_cast<Key *>(work) + batch * ((p.N + 1) / 2), p);
  if (p.neighbours)
    match.matchNeighbours();
  else
    match.matchAll();
  __syncthreads(); // all partners are there
  match.number([&](int64_t token, int64_t successor) {
    post(batch, 0, token, float(successor));
  });
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_TOKENMATCH_CUH
