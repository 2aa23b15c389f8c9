//===- TokenSelect.cuh - token_select_f32 ---------------------------------===//
//
// The places of K tokens that are least alike: codegen/cpu/kernels/
// TokenSelect.cpp says which these are. A block takes a sample:
//
//     near       warps go over the rows of the similarities, once
//     choices    K times the block looks where `near` is least and raises it to
//                what the chosen row has; a thread has every 256th token, of
//                which no other thread knows
//     places     what is chosen, in order: sums over the threads before
//
// That is N (N + K) comparisons, N (N + K) / 256 a thread, and two barriers a
// choice. `near` is kept in `work` [B, N], which is no tensor of the CPU's row.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_TOKENSELECT_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_TOKENSELECT_CUH

#include "Keys.cuh"

namespace mmcc {

struct TokenSelectParams {
  int64_t B, N, K, s_batch, s_row;
};

/// The least key wins.
struct LeastKey {
  using Value = Key;
  static __device__ Key identity() { return ~Key(0); }
  static __device__ Key join(Key a, Key b) { return least(a, b); }
};

/// Where `near` is least is chosen next, the first of equals. What compares
/// with nothing (NaN) comes after all numbers, and what is chosen, +inf, last.
__device__ inline Key turnOf(float near, int64_t token) {
  const uint32_t order = near == INFINITY ? 0xffffffffu
                         : near != near   ? orderOf(INFINITY)
                                          : orderOf(near);
  return Key(order) << 32 | uint32_t(token);
}

template <typename Post>
__device__ void tokenSelect(const float *__restrict__ similarity, float *work,
                            const TokenSelectParams &p, Post post) {
  const Team<Warp, int64_t> warp;
  const Team<Block<cuda::kThreads>, int64_t> block;
  const int64_t batch = blockIdx.z;
  const float *rows = similarity + batch * p.s_batch;
  float *near = work + batch * p.N;

  for (int64_t i = threadIdx.x / kWarp; i < p.N; i += cuda::kThreads / kWarp) {
    float most = -INFINITY;
    for (int64_t j = warp.rank(); j < p.N; j += kWarp)
      if (const float value = rows[i * p.s_row + j]; j != i && value > most)
        most = value;
    most = acrossWarp<Largest<float>>(most);
    warp.once([&] { near[i] = most; });
  }
  __syncthreads(); // all of `near` is there

  Key turn = LeastKey::identity();
  block.each(p.N, [&](int64_t i) { turn = least(turn, turnOf(near[i], i)); });
  for (int64_t chosen = 0; chosen < p.K; ++chosen) {
    const int64_t place = uint32_t(block.across<LeastKey>(turn));
    const float *row = rows + place * p.s_row;
    turn = LeastKey::identity();
    block.each(p.N, [&](int64_t i) {
      float value = near[i];
      // The first choice is no nearest of others: its row takes their place.
      if (chosen == 0 || row[i] > value)
        value = row[i];
      if (i == place)
        value = INFINITY;
      near[i] = value;
      turn = least(turn, turnOf(value, i));
    });
  }

  int64_t count = 0;
  for (int64_t i0 = 0; i0 < p.N; i0 += cuda::kThreads) {
    const int64_t i = i0 + threadIdx.x;
    const bool isChosen = i < p.N && near[i] == INFINITY;
    const Prefix others = prefixOf(isChosen);
    if (isChosen && count + others.before < p.K)
      post(batch, 0, count + others.before, float(i));
    count += others.all;
  }
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_TOKENSELECT_CUH
