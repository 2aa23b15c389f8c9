//===- Keys.cuh - The best of many scores, and where they are -------------===//
//
// A score and its place are one key, of which the larger is the better one, as
// in codegen/cpu/kernels/Selector.h:
//
//     | order of the score, 32 bits | ~place, 32 bits |
//
// so that equal scores go by the lower place and -0 is 0. Keys of a row differ,
// so that what is found does not depend on which thread found it.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_KEYS_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_KEYS_CUH

#include "Blocking.cuh"
#include "Team.cuh"

namespace mmcc {

using Key = uint64_t;

/// A number's place in the order of floats; NaN is larger than all numbers.
__device__ inline uint32_t orderOf(float x) {
  if (x != x)
    return 0xffffffffu;
  const uint32_t bits = __float_as_uint(x + 0.0f); // -0 is 0
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

/// NaN for both ends.
__device__ inline float scoreOf(Key key) {
  const uint32_t order = uint32_t(key >> 32);
  const uint32_t bits = order >> 31 ? order & 0x7fffffffu : ~order;
  return order == 0 ? NAN : __uint_as_float(bits);
}

__device__ constexpr Key keyOf(uint32_t order, uint32_t place) {
  return Key(order) << 32 | ~place;
}
__device__ constexpr uint32_t placeOf(Key key) { return ~uint32_t(key); }

/// What is not there is NaN at the place kNoPlace of Scratch.h, and worse than
/// anything.
constexpr uint32_t kNoPlace = (1u << 24) - 1;
constexpr Key kNoKey = ~kNoPlace;

/// The least power of two that is not below n.
__device__ inline int powerOfTwo(int n) {
  int power = 1;
  while (power < n)
    power *= 2;
  return power;
}

/// Sorts `count` keys, a power of two, the largest first: a bitonic network (K.
/// Batcher, 1968) of log(count)^2 / 2 steps, in each of which the team's
/// threads have count / 2 pairs. All threads of the team call it.
template <typename Team>
__device__ void sortDown(const Team &team, Key *keys, int count) {
  for (int run = 2; run <= count; run *= 2)
    for (int step = run / 2; step > 0; step /= 2) {
      team.sync(); // the keys are there, or the step before is done
      team.each(count / 2, [&](int i) {
        const int low = 2 * i - (i & (step - 1)), high = low + step;
        const bool falls = (low & run) == 0;
        const Key a = keys[low], b = keys[high];
        if ((a < b) == falls) {
          keys[low] = b;
          keys[high] = a;
        }
      });
    }
  team.sync(); // the last step is done
}

/// Of one number a thread: the sum over the threads before, and over all.
struct Prefix {
  int before, all;
};

/// All threads of the block call it.
__device__ inline Prefix prefixOf(int value) {
  constexpr int kWarps = cuda::kThreads / kWarp;
  __shared__ int sums[kWarps];
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  int sum = value;
  for (int step = 1; step < kWarp; step *= 2) {
    const int other = __shfl_up_sync(kAllLanes, sum, step);
    sum += lane >= step ? other : 0;
  }
  __syncthreads(); // sums of the call before have been read
  if (lane == kWarp - 1)
    sums[warp] = sum;
  __syncthreads(); // all warps' sums are there
  Prefix prefix = {sum - value, 0};
  for (int w = 0; w < kWarps; ++w) {
    prefix.before += w < warp ? sums[w] : 0;
    prefix.all += sums[w];
  }
  return prefix;
}

/// A bar that the `rank` largest of keyAt(0), ..., keyAt(count - 1) are not
/// below, and all others are; where several keys are the rank-th largest, it is
/// that key. All threads of the block call it and have the result.
///
/// The bar is found byte by byte from the top: a histogram of the keys that
/// have its bytes so far tells the next one. That reads all keys at most 8
/// times; of different scores 3 or 4 times, as it ends where a byte's keys all
/// belong.
template <typename KeyAt>
__device__ Key barOf(int64_t count, int64_t rank, KeyAt keyAt) {
  static_assert(cuda::kThreads == 256, "a thread has one byte's keys");
  __shared__ int bins[256];
  __shared__ struct {
    int byte, rank, size;
  } next;
  if (rank >= count)
    return 0;
  Key bar = 0, known = 0;
  int left = int(rank); // the bar's rank among the keys with its bytes so far
  for (int shift = 56; shift >= 0; shift -= 8) {
    bins[threadIdx.x] = 0;
    __syncthreads(); // bins are empty, and the last byte has been read
    for (int64_t i = threadIdx.x; i < count; i += cuda::kThreads)
      if (const Key key = keyAt(i); (key & known) == bar)
        atomicAdd(&bins[key >> shift & 255], 1);
    __syncthreads(); // all keys are counted
    const int byte = 255 - int(threadIdx.x), size = bins[byte];
    const int before = prefixOf(size).before;
    if (before < left && left <= before + size)
      next = {byte, left - before, size};
    __syncthreads(); // the byte is there, and bins have been read
    bar |= Key(next.byte) << shift;
    known |= Key(255) << shift;
    left = next.rank;
    if (left == next.size)
      break;
  }
  return bar;
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_KEYS_CUH
