//===- WarpgroupAttention.cuh - Attention by Hopper's warpgroups ----------===//
//
// A block is two warpgroups of 64 queries each, which go over the same tiles of
// 64 keys. Queries and weights are in registers, keys and values in shared
// memory. Products work while threads go on, so that tensor cores have
// something to do during a softmax (FlashAttention-3: J. Shah et al., 2024,
// arXiv 2407.08608, algorithm 2):
//
//     S j   scores = q k_j^T           R j   result += weights_j v_j
//
// In round j a warpgroup begins S j and R j-1, waits for S j, makes its scores
// weights while R j-1 goes on, waits for that, too, and shrinks the result.
//
// The warpgroups take turns at beginning products, so that one has its softmax
// while the other's are worked on:
//
//     warpgroup 0   S1 R0│ softmax 1      │S2 R1│ softmax 2      │S3 R2│
//     warpgroup 1        │S1 R0│ softmax 1      │S2 R1│ softmax 2      │
//     tensor cores  0000000111111         0000001111111         0000000
//
// Round 0 is S 0 only, the last one R only. A turn is a barrier at which the
// one waits and the other arrives when its products have begun, and its copies
// for the next round have come. So who has the turn for round j knows that
//
//     the other has ended round j-2: its S j-2 and R j-3 have been waited for;
//     what all threads copied for round j, k_j and v_{j-1}, is there.
//
// After its products it begins to copy k_{j+2} and v_{j+1}, which take the
// places of k_{j-2} and v_{j-3}: of four tiles.
//
// There is one set of scores: the paper's form of three stages, which begins
// S j+1 before softmax j, needs the registers of a second.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_WARPGROUPATTENTION_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_WARPGROUPATTENTION_CUH

#include "HeadRows.cuh"
#include "OnlineSoftmax.cuh"
#include "WarpgroupMma.cuh"

#ifdef MMCC_WARPGROUPS

namespace mmcc {

/// 64 numbers are a line of WarpgroupMma.cuh, behind those of all rows the
/// next.
template <int Rows, int Size> struct RowsInLines {
  alignas(kSwizzleBytes) char lines[Size / 64][Rows * kLineBytes];

  __device__ void *at(int row, int d) {
    return lines[d / 64] + pieceOffset(row, d % 64 / 8) + d % 8 * 2;
  }
};

/// A block's keys and values.
template <int Depth, int Width> struct WarpgroupHeadTiles {
  static constexpr int kKeys = 64, kSlots = 4;
  RowsInLines<kKeys, Depth> k[kSlots];
  RowsInLines<kKeys, Width> v[kSlots];
};

/// Queries [i0, i0 + 128). Depth and Width: D and Dv in whole 64s.
template <int Depth, int Width, typename T, typename Narrow, typename Score,
          typename Post>
class WarpgroupQueryTile {
public:
  using Tiles = WarpgroupHeadTiles<Depth, Width>;
  using Rows = HeadRows<T, Narrow>;

  __device__ WarpgroupQueryTile(Tiles &tiles, const AttentionParams &p,
                                const Rows &q, const Rows &k, const Rows &v,
                                int64_t i0, int64_t iEnd, Score score,
                                Post post)
      : tiles(tiles), k(k), v(v), softmax(p, i0, iEnd, score), post(post) {
    q.fragments(query, i0 + softmax.row(0), i0 + softmax.row(1), iEnd);
  }

  __device__ void attend(KeyTiles keys) {
    KeySpan now, next;
    __syncthreads(); // tiles of the queries before have been used
    if (!keys.next(now))
      return;
    bool hasNext = keys.next(next);
    bringKeys(now, 0);
    commitCopies();
    if (hasNext)
      bringKeys(next, 1);
    bringValues(now, 0);
    commitCopies();

    showCopies<1>(); // k_0
    if (warpgroup() == 1)
      passTurn();
    takeTurn();
    beginProducts();
    multiplyKeys(0);
    showCopies<0>(); // k_1 and v_0
    passTurn();
    KeySpan ahead;
    bool hasAhead = bringAhead(keys, hasNext, next, ahead, 0);
    waitForProducts<0>();
    takeScores();
    float shrink[2];
    softmax.takeWeights(now, 0, scores, shrink);
    pack();

    int round = 1;
#pragma unroll 1
    for (; hasNext; ++round) {
      now = next, next = ahead, hasNext = hasAhead;
      takeTurn();
      beginProducts();
      multiplyKeys(round);
      multiplyValues(round - 1);
      showCopies<0>(); // k_{round+1} and v_round
      passTurn();
      hasAhead = bringAhead(keys, hasNext, next, ahead, round);
      waitForProducts<1>();
      takeScores();
      softmax.takeWeights(now, 0, scores, shrink);
      waitForProducts<0>();
      takeResult();
      softmax.shrinkResult(shrink);
      pack();
    }

    takeTurn();
    beginProducts();
    multiplyValues(round - 1);
    if (warpgroup() == 0)
      passTurn();
    waitForProducts<0>();
    takeResult();
  }

  __device__ void finish(int64_t batch, int64_t head) {
    softmax.gatherSums();
    softmax.write(batch, head, post);
  }

private:
  static constexpr int kKeys = Tiles::kKeys, kPairs = kKeys / 16;

  static __device__ int warpgroup() { return threadIdx.x / 128; }
  /// Waits until the other warpgroup has begun its products.
  static __device__ void takeTurn() { waitAt(1 + warpgroup()); }
  static __device__ void passTurn() { arriveAt(2 - warpgroup()); }

  /// This thread's copies but the last `Pending` groups are there, and tensor
  /// cores may read them when the turn has been passed, and taken.
  template <int Pending> static __device__ void showCopies() {
    waitForCopies<Pending>();
    fenceOperands();
  }

  __device__ void bringKeys(const KeySpan &tile, int j) {
    k.template bring<kKeys, Depth, 1>(tiles.k[j % Tiles::kSlots], tile.begin,
                                      tile.end);
  }
  __device__ void bringValues(const KeySpan &tile, int j) {
    v.template bring<kKeys, Width, 1>(tiles.v[j % Tiles::kSlots], tile.begin,
                                      tile.end);
  }
  /// Begins to bring values of the next round's tile and keys of the one after
  /// it, `ahead`; whether there is one.
  __device__ bool bringAhead(KeyTiles &keys, bool hasNext, const KeySpan &next,
                             KeySpan &ahead, int round) {
    const bool hasAhead = hasNext && keys.next(ahead);
    if (hasAhead)
      bringKeys(ahead, round + 2);
    if (hasNext)
      bringValues(next, round + 1);
    commitCopies();
    return hasAhead;
  }

  /// Begins scores = q k_j^T.
  __device__ void multiplyKeys(int j) {
    auto &lines = tiles.k[j % Tiles::kSlots].lines;
#pragma unroll
    for (int chunk = 0; chunk < Depth / 16; ++chunk)
      multiplyRows(
          Narrow(), sumsOf(scores), query[chunk],
          operandAt(sharedAddress(lines[chunk / 4]), chunk % 4 * kStepBytes),
          chunk > 0);
    commitProducts();
  }
  /// Begins result += weights v_j.
  __device__ void multiplyValues(int j) {
    const uint32_t values = sharedAddress(tiles.v[j % Tiles::kSlots].lines[0]);
#pragma unroll
    for (int pair = 0; pair < kPairs; ++pair)
      multiplyRowsAcross(
          Narrow(), sumsOf(softmax.result), weights[pair],
          acrossAt(values + pair * 16 * kLineBytes, kKeys * kLineBytes), true);
    commitProducts();
  }

  template <int Columns>
  static __device__ float (&sumsOf(float (&sums)[Columns][4]))[Columns * 4] {
    return reinterpret_cast<float(&)[Columns * 4]>(sums);
  }
  __device__ void takeScores() { takeSums(sumsOf(scores)); }
  /// The weights that were multiplied may be others from here on, too.
  __device__ void takeResult() {
    takeSums(sumsOf(softmax.result));
#pragma unroll
    for (int pair = 0; pair < kPairs; ++pair)
      keepRows(weights[pair]);
  }
  __device__ void pack() {
#pragma unroll
    for (int pair = 0; pair < kPairs; ++pair)
      packWeights<Narrow>(weights[pair], scores, pair);
  }

  Tiles &tiles;
  Rows k, v;
  OnlineSoftmax<Width, 128, kKeys, Score> softmax;
  Post post;
  uint32_t query[Depth / 16][4], weights[kPairs][4];
  float scores[kKeys / 8][4] = {};
};

/// A block's memory, which is aligned to 16 bytes only, and who uses it.
template <int Depth, int Width> struct WarpgroupForm {
  static constexpr int kQueries = 128;
  using Tiles = WarpgroupHeadTiles<Depth, Width>;
  struct Memory {
    alignas(16) char bytes[cuda::warpgroupAttentionSharedBytes(Depth, Width)];
    __device__ Tiles &tiles() { return inSwizzles<Tiles>(bytes); }
  };
  static_assert(sizeof(Tiles) + kSwizzleBytes == sizeof(Memory));
  template <typename... Types>
  using QueryTile = WarpgroupQueryTile<Depth, Width, Types...>;
};

} // namespace mmcc

#endif // MMCC_WARPGROUPS

#endif // MMCC_CODEGEN_CUDA_KERNELS_WARPGROUPATTENTION_CUH
