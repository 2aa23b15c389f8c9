//===- Retrieve.cuh - retrieve_f32 ----------------------------------------===//
//
// The K largest of each row of x [M, D] times a bank w [D, N] in panels, of one
// chunk of columns a block (codegen/cpu/kernels/Retrieve.cpp). Scores are never
// written: a warp has whole rows of them in registers.
//
//     16 x 128 of w        warp i has 4 rows of x (2 if more are kept), a lane
//          │               columns lane, lane + 32, + 64, + 96
//     ┌─┐ ┌▼────────────┐
//     │x│─►  a warp's   │──► > bar? ──► keys [Capacity] ── full ──► sorted; the
//     └─┘ └─────────────┘              in shared memory             K best stay
//
// A row's bar is its K-th best key when its keys were last sorted; of n scores
// in no particular order about K ln(n / K) pass. Where queries are few, reading
// the bank is what takes time; several blocks of a multiprocessor hide each
// other's waiting.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_RETRIEVE_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_RETRIEVE_CUH

#include "Gemm.cuh"
#include "Keys.cuh"

namespace mmcc {

struct RetrieveParams {
  int64_t M, N, D, K, x_row, chunk, m_block;
};

/// The K best keys of a row that a warp goes over. K <= Capacity - 32, so that
/// a key of each lane has room.
template <int Capacity> class BestKeys {
public:
  /// `keys` are in shared memory, the warp's own.
  __device__ void start(Key *room) {
    keys = room;
    bar = 0;
    count = 0;
  }

  /// Takes a key of each lane, 0 for none.
  __device__ void take(Key key, int k) {
    unsigned above = __ballot_sync(kAllLanes, key > bar);
    if (count + __popc(above) > Capacity) {
      sort(k);
      above = __ballot_sync(kAllLanes, key > bar);
    }
    const int lane = threadIdx.x % kWarp;
    if (above >> lane & 1)
      keys[count + __popc(above & ((1u << lane) - 1))] = key;
    count += __popc(above);
  }

  /// Key i of the best, in order, after sort().
  __device__ Key at(int64_t i) const { return i < count ? keys[i] : kNoKey; }

  /// Keeps the k best, in order.
  __device__ void sort(int k) {
    const Team<Warp, int> warp;
    for (int i = count + warp.rank(); i < Capacity; i += kWarp)
      keys[i] = 0;
    sortDown(warp, keys, Capacity);
    if (count >= k) {
      count = k;
      bar = keys[k - 1];
    }
  }

private:
  Key *keys;
  Key bar;
  int count;
};

template <int Capacity> struct RetrieveTile {
  static constexpr int kWarps = cuda::kThreads / kWarp;
  static constexpr int kRows = 2048 / Capacity; // 16 KB of keys
  static constexpr int kEach = kRows / kWarps;  // rows of a warp
  static constexpr int kColumns = 128, kDepth = 16;
  static_assert(kRows == cuda::retrieveRows(Capacity - kWarp) && kEach > 0);
  /// Two rows of w that a warp writes at once are in different banks.
  static constexpr int kPitch = kColumns + 16;
};

template <int Capacity, typename Post>
__device__ void retrieve(const float *__restrict__ x,
                         const float *__restrict__ w, const RetrieveParams &p,
                         Post post) {
  using Tile = RetrieveTile<Capacity>;
  constexpr int kEach = Tile::kEach, kAcross = Tile::kColumns / kWarp;
  alignas(16) __shared__ float a[Tile::kRows][Tile::kDepth];
  alignas(16) __shared__ float b[Tile::kDepth][Tile::kPitch];
  __shared__ Key keys[Tile::kRows][Capacity];
  const int thread = threadIdx.x, lane = thread % kWarp;
  const int mine = thread / kWarp * kEach; // the warp's first row
  const Panels<float> bank{w, p.D};
  const int64_t n0 = blockIdx.x * p.chunk, n1 = least(n0 + p.chunk, p.N);
  const int64_t mEnd = least(p.M, (blockIdx.y + 1) * p.m_block);

  for (int64_t m0 = blockIdx.y * p.m_block; m0 < mEnd; m0 += Tile::kRows) {
    BestKeys<Capacity> best[kEach];
#pragma unroll
    for (int r = 0; r < kEach; ++r)
      best[r].start(keys[mine + r]);
    for (int64_t n = n0; n < n1; n += Tile::kColumns) {
      float sums[kEach][kAcross] = {};
      for (int64_t d0 = 0; d0 < p.D; d0 += Tile::kDepth) {
        // The slices before have been multiplied, the rows before given.
        __syncthreads();
        for (int i = thread; i < Tile::kRows * Tile::kDepth;
             i += cuda::kThreads) {
          const int row = i / Tile::kDepth, d = i % Tile::kDepth;
          a[row][d] = m0 + row < mEnd && d0 + d < p.D
                          ? x[(m0 + row) * p.x_row + d0 + d]
                          : 0.0f;
        }
        for (int i = thread; i < Tile::kColumns * Tile::kDepth;
             i += cuda::kThreads) {
          // Of a panel's 16 columns rows follow each other in memory.
          const int panel = i / (16 * Tile::kDepth), d = i / 16 % Tile::kDepth;
          const int column = panel * 16 + i % 16;
          b[d][column] =
              n + column < n1 && d0 + d < p.D ? bank(d0 + d, n + column) : 0.0f;
        }
        __syncthreads(); // these are there
#pragma unroll 4
        for (int d = 0; d < Tile::kDepth; ++d)
#pragma unroll
          for (int r = 0; r < kEach; ++r)
#pragma unroll
            for (int j = 0; j < kAcross; ++j)
              sums[r][j] += a[mine + r][d] * b[d][lane + j * kWarp];
      }
#pragma unroll
      for (int r = 0; r < kEach; ++r)
#pragma unroll
        for (int j = 0; j < kAcross; ++j)
          if (m0 + mine + r < mEnd) {
            const int64_t column = n + lane + j * kWarp;
            best[r].take(
                column < n1 ? keyOf(orderOf(sums[r][j]), uint32_t(column)) : 0,
                int(p.K));
          }
    }
#pragma unroll
    for (int r = 0; r < kEach; ++r) {
      const int64_t m = m0 + mine + r;
      if (m >= mEnd)
        break;
      best[r].sort(int(p.K));
      for (int64_t i = lane; i < p.K; i += kWarp) {
        post(0, m, blockIdx.x * p.K + i, scoreOf(best[r].at(i)));
        post(1, m, blockIdx.x * p.K + i, float(placeOf(best[r].at(i))));
      }
    }
  }
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_RETRIEVE_CUH
