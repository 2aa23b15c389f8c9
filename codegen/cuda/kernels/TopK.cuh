//===- TopK.cuh - topk_f32 ------------------------------------------------===//
//
// The K best of each row of a chunk of x [R, N], best first, and their places
// (codegen/cpu/kernels/TopK.cpp). Of n elements in a chunk:
//
//     n <= 256    a warp takes a row and sorts it in shared memory:
//                 n log(n)^2 / 128 steps
//     more        the block takes a row: it finds a bar that K elements are not
//                 below (Keys.cuh), reads the row again for what is above, and
//                 sorts that. More than 2048 are found 2048 at a time, which is
//                 at most 9 ceil(K / 2048) readings of the row
//
// Neighbouring threads read neighbours. Nothing but shared memory is needed,
// whatever K is.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_TOPK_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_TOPK_CUH

#include "Keys.cuh"

namespace mmcc {

struct TopKParams {
  int64_t R, N, K, largest, chunk, x_row, indexed, at_row, r_block;
};

template <typename Post> class TopK {
public:
  static constexpr int kSorted = 2048;
  static constexpr int kWarps = cuda::kThreads / kWarp;
  static_assert(cuda::kShortRow * kWarps <= kSorted, "a part for each warp");

  __device__ TopK(const float *__restrict__ x, const float *__restrict__ at,
                  const TopKParams &p, int64_t part, Post post)
      : x(x), at(at), p(p), part(part), begin(part * p.chunk),
        count(least(p.chunk, p.N - begin)), sign(p.largest ? 1.0f : -1.0f),
        post(post) {}

  __device__ void rows(int64_t r0, int64_t r1) {
    __shared__ Key keys[kSorted];
    if (least(p.chunk, p.N) > cuda::kShortRow) {
      for (int64_t r = r0; r < r1; ++r)
        longRow(keys, r);
      return;
    }
    const int warp = threadIdx.x / kWarp;
    for (int64_t r = r0 + warp; r < r1; r += kWarps)
      shortRow(keys + warp * cuda::kShortRow, r);
  }

private:
  __device__ Key keyAt(int64_t r, int64_t i) const {
    const float score = x[r * p.x_row + begin + i] * sign;
    const uint32_t place =
        uint32_t(p.indexed ? int64_t(at[r * p.at_row + begin + i]) : begin + i);
    if (score == score)
      return keyOf(orderOf(score), place);
    // NaN is the best of the largest and the last of the smallest; what fills
    // up a chunk is worse than anything.
    return keyOf(p.largest && place != kNoPlace ? ~0u : 0u, place);
  }

  __device__ void give(int64_t r, int64_t i, Key key) {
    post(0, r, part * p.K + i, scoreOf(key) * sign);
    post(1, r, part * p.K + i, float(placeOf(key)));
  }

  __device__ void shortRow(Key *keys, int64_t r) {
    const Team<Warp, int64_t> warp;
    const int size = powerOfTwo(int(count));
    // The lane that gave a key of the row before writes over it.
    warp.each(size,
              [&](int64_t i) { keys[i] = i < count ? keyAt(r, i) : kNoKey; });
    sortDown(warp, keys, size);
    warp.each(p.K, [&](int64_t i) { give(r, i, i < size ? keys[i] : kNoKey); });
  }

  __device__ void longRow(Key *keys, int64_t r) {
    const Team<Block<cuda::kThreads>, int64_t> block;
    __shared__ int found;
    // What is not below it has been given.
    Key above = 0;
    for (int64_t first = 0; first < p.K; first += kSorted) {
      const int64_t last = least<int64_t>(p.K, first + kSorted);
      const int size = powerOfTwo(int(last - first));
      const Key bar =
          barOf(count, last, [&](int64_t i) { return keyAt(r, i); });
      // The thread that gave a key of those before writes over it.
      block.once([&] { found = 0; });
      block.each(size, [&](int64_t i) { keys[i] = largest(bar, kNoKey); });
      __syncthreads(); // there is room
      block.each(count, [&](int64_t i) {
        const Key key = keyAt(r, i);
        if (key > bar && (first == 0 || key < above))
          keys[atomicAdd(&found, 1)] = key;
      });
      sortDown(block, keys, size);
      block.each(last - first, [&](int64_t i) { give(r, first + i, keys[i]); });
      above = bar;
    }
  }

  const float *__restrict__ x;
  const float *__restrict__ at;
  const TopKParams &p;
  const int64_t part, begin, count;
  const float sign;
  Post post;
};

/// Cells are counted along x, then y: lowering has all of them along x, where a
/// GPU takes any number.
template <typename Post>
__device__ void topk(const float *__restrict__ x, const float *__restrict__ at,
                     const TopKParams &p, Post post) {
  const int64_t chunks = (p.N + p.chunk - 1) / p.chunk;
  const int64_t cell = blockIdx.y * int64_t(gridDim.x) + blockIdx.x;
  const int64_t r0 = cell / chunks * p.r_block;
  TopK<Post>(x, at, p, cell % chunks, post)
      .rows(r0, least(p.R, r0 + p.r_block));
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_TOPK_CUH
