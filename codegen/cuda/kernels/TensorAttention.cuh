//===- TensorAttention.cuh - attention_bf16, _f16 and _i8 -----------------===//
//
// softmax(scale q k^T) v for one head on tensor cores, with queries, keys,
// values and weights rounded to bf16 or f16 and sums of f32 (T. Dao, 2023,
// arXiv 2307.08691). A block goes over the keys 64 at a time; each of its eight
// warps has 16 queries. With 64 queries a block, four warps have the first 32
// keys of a tile and four, of the same queries, the other 32, so that short
// sequences keep a whole block at work:
//
//                    128 queries            64 queries
//     warps 0 .. 3   queries   0 ..  63     queries 0 .. 63   keys  0 .. 31
//     warps 4 .. 7   queries  64 .. 127     the same          keys 32 .. 63
//                                                └─ joined at the end
//
// On Hopper, heads of 64 and 128 numbers and 128 queries a block are
// WarpgroupAttention.cuh's.
//
// While a tile is worked on the next is on its way to shared memory. Scores are
// never stored: the sums of q k^T are, rounded, the fragment that v is
// multiplied by.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_TENSORATTENTION_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_TENSORATTENTION_CUH

#include "StepAttention.cuh"
#include "WarpgroupAttention.cuh"

namespace mmcc {

/// Keys, or values, of `Size` numbers, as far apart as keeps matrices' rows in
/// different banks.
template <int Rows, int Size> struct PaddedRows {
  alignas(16) uint16_t numbers[Rows][Size + 8];

  __device__ void *at(int row, int d) { return &numbers[row][d]; }
};

/// Two tiles of keys and of values; at the end what one half of the warps
/// found.
template <int Depth, int Width> union HeadTiles {
  static constexpr int kKeys = 64;
  struct {
    PaddedRows<kKeys, Depth> k[2];
    PaddedRows<kKeys, Width> v[2];
  } tile;
  struct {
    float result[64][Width + 1];
    float most[64], sum[64];
  } half;
};

/// Queries [i0, i0 + Queries). Depth and Width: D and Dv in whole 16s.
template <int Depth, int Width, int Queries, typename T, typename Narrow,
          typename Score, typename Post>
class TensorQueryTile {
public:
  using Tiles = HeadTiles<Depth, Width>;
  using Math = HalfMath<Narrow>;
  using Rows = HeadRows<T, Narrow>;

  __device__ TensorQueryTile(Tiles &tiles, const AttentionParams &p,
                             const Rows &q, const Rows &k, const Rows &v,
                             int64_t i0, int64_t iEnd, Score score, Post post)
      : tiles(tiles), k(k), v(v), softmax(p, i0, iEnd, score), post(post) {
    q.fragments(query, i0 + softmax.row(0), i0 + softmax.row(1), iEnd);
  }

  __device__ void attend(KeyTiles keys) {
    KeySpan now, next;
    bool isThere = keys.next(now);
    int buffer = 0;
    __syncthreads(); // what was there before has been used
    begin(now, isThere, buffer);
#pragma unroll 1
    for (; isThere; buffer ^= 1, now = next) {
      const bool hasNext = keys.next(next);
      waitForCopies<1>(); // this tile's keys; its values may be under way
      __syncthreads(); // all threads' are there, and the other buffer is free
      begin(next, hasNext, buffer ^ 1);
      float weights[kAcross][4] = {}, shrink[2];
      multiplyKeys(buffer, weights);
      softmax.takeWeights(now, firstKey(), weights, shrink);
      softmax.shrinkResult(shrink);
      waitForCopies<2>(); // this tile's values
      __syncthreads();    // all threads' are there
      multiplyValues(buffer, weights);
      isThere = hasNext;
    }
  }

  __device__ void finish(int64_t batch, int64_t head) {
    softmax.gatherSums();
    if constexpr (kHalves == 2)
      if (!join())
        return;
    softmax.write(batch, head, post);
  }

private:
  static_assert(Queries == 64 || Queries == 128);
  static constexpr int kHalves = 128 / Queries;
  static constexpr int kMine = Tiles::kKeys / kHalves; // keys of a warp
  static constexpr int kAcross = kMine / 8;

  /// The first of this warp's keys, in the tile.
  static __device__ int firstKey() {
    return threadIdx.x / kWarp / (Queries / 16) * kMine;
  }

  /// Keys and values are a group of copies each.
  __device__ void begin(const KeySpan &tile, bool isThere, int buffer) {
    if (isThere)
      k.template bring<Tiles::kKeys, Depth, 4>(tiles.tile.k[buffer], tile.begin,
                                               tile.end);
    commitCopies();
    if (isThere)
      v.template bring<Tiles::kKeys, Width, 4>(tiles.tile.v[buffer], tile.begin,
                                               tile.end);
    commitCopies();
  }

  /// scores += q k^T for this warp's keys of the tile.
  __device__ void multiplyKeys(int buffer, float (&scores)[kAcross][4]) {
    const int lane = threadIdx.x % kWarp, first = firstKey();
#pragma unroll
    for (int chunk = 0; chunk < Depth / 16; ++chunk)
#pragma unroll
      for (int pair = 0; pair < kAcross / 2; ++pair) {
        // Matrices: keys 0-7 of words 0-3 and 4-7, then keys 8-15.
        uint32_t words[4];
        const int key = first + pair * 16 + lane / 16 * 8 + lane % 8;
        loadMatrices(
            words, tiles.tile.k[buffer].at(key, chunk * 16 + lane / 8 % 2 * 8));
        Math::multiply(scores[pair * 2], query[chunk], words[0], words[1]);
        Math::multiply(scores[pair * 2 + 1], query[chunk], words[2], words[3]);
      }
  }

  /// result += weights v for the same keys.
  __device__ void multiplyValues(int buffer,
                                 const float (&weights)[kAcross][4]) {
    const int lane = threadIdx.x % kWarp, first = firstKey();
    auto &result = softmax.result;
#pragma unroll
    for (int pair = 0; pair < kAcross / 2; ++pair) {
      uint32_t a[4];
      packWeights<Narrow>(a, weights, pair);
#pragma unroll
      for (int c = 0; c < Width / 16; ++c) {
        // Matrices: keys 0-7 and 8-15 of numbers 0-7, then of 8-15.
        uint32_t words[4];
        const int key = first + pair * 16 + lane % 16;
        loadTransposed(words,
                       tiles.tile.v[buffer].at(key, c * 16 + lane / 16 * 8));
        Math::multiply(result[c * 2], a, words[0], words[1]);
        Math::multiply(result[c * 2 + 1], a, words[2], words[3]);
      }
    }
  }

  /// Adds what the warps of the other half of each tile found; false for those.
  __device__ bool join() {
    const int lane = threadIdx.x % kWarp;
    const bool isOther = firstKey() != 0;
    auto &most = softmax.most, &sum = softmax.sum;
    auto &result = softmax.result;
    __syncthreads(); // the last tile has been used
    if (isOther)
      for (int r = 0; r < 2; ++r) {
        const int at = softmax.row(r);
        tiles.half.most[at] = most[r];
        tiles.half.sum[at] = sum[r];
        for (int c = 0; c < Width / 8; ++c)
          for (int i = 0; i < 2; ++i)
            tiles.half.result[at][c * 8 + lane % 4 * 2 + i] =
                result[c][r * 2 + i];
      }
    __syncthreads(); // the other half's share is there
    if (isOther)
      return false;
    for (int r = 0; r < 2; ++r) {
      const int at = softmax.row(r);
      const float base = softmaxBase(maximum(most[r], tiles.half.most[at]));
      const float mine = softmaxWeight(most[r], base);
      const float others = softmaxWeight(tiles.half.most[at], base);
      sum[r] = sum[r] * mine + tiles.half.sum[at] * others;
      for (int c = 0; c < Width / 8; ++c)
        for (int i = 0; i < 2; ++i) {
          float &number = result[c][r * 2 + i];
          number = number * mine +
                   tiles.half.result[at][c * 8 + lane % 4 * 2 + i] * others;
        }
    }
    return true;
  }

  Tiles &tiles;
  Rows k, v;
  OnlineSoftmax<Width, Queries, Tiles::kKeys, Score> softmax;
  Post post;
  uint32_t query[Depth / 16][4];
};

/// A block's memory, and who uses it.
template <int Depth, int Width, int Queries> struct TensorForm {
  static constexpr int kQueries = Queries;
  using Tiles = HeadTiles<Depth, Width>;
  static_assert(sizeof(Tiles) == cuda::attentionSharedBytes(Depth, Width),
                "what the launch asks for");
  struct Memory {
    Tiles all;
    __device__ Tiles &tiles() { return all; }
  };
  template <typename... Types>
  using QueryTile = TensorQueryTile<Depth, Width, Queries, Types...>;
};

/// As attention(), in a form; of f32 or Narrow.
template <typename Form, typename Narrow, typename T, typename Score,
          typename Post>
__device__ void attendHeads(typename Form::Tiles &tiles,
                            const T *__restrict__ q, const T *__restrict__ k,
                            const T *__restrict__ v,
                            const void *__restrict__ spans,
                            const AttentionParams &p, Score score, Post post) {
  const AttentionCell cell(p);
  auto scoreOfHead = [&](int64_t i, int64_t j, float value) {
    return score(cell.batch, cell.head, i, j, value);
  };
  auto rowsOf = [](const T *from, int64_t stride, int64_t size) {
    return HeadRows<T, Narrow>{from, stride, size};
  };
  for (int64_t i0 = cell.begin; i0 < cell.end; i0 += Form::kQueries) {
    const int64_t iEnd = least<int64_t>(cell.end, i0 + Form::kQueries);
    typename Form::template QueryTile<T, Narrow, decltype(scoreOfHead), Post>
        tile(tiles, p,
             rowsOf(q + cell.batch * p.q_batch + cell.head * p.q_head, p.q_row,
                    p.D),
             rowsOf(k + cell.batch * p.k_batch + cell.kvHead * p.k_head,
                    p.k_row, p.D),
             rowsOf(v + cell.batch * p.v_batch + cell.kvHead * p.v_head,
                    p.v_row, p.Dv),
             i0, iEnd, scoreOfHead, post);
    tile.attend(KeyTiles(cell, p, spans, i0, iEnd, Form::Tiles::kKeys));
    tile.finish(cell.batch, cell.head);
  }
}

#ifdef MMCC_WARPGROUPS
template <int Depth, int Width, int Queries>
using HeadForm =
    std::conditional_t<cuda::isAttentionOfWarpgroups(Depth, Width, Queries),
                       WarpgroupForm<Depth, Width>,
                       TensorForm<Depth, Width, Queries>>;
#else
template <int Depth, int Width, int Queries>
using HeadForm = TensorForm<Depth, Width, Queries>;
#endif

/// With Depth, Width and Queries instead of Chunks.
template <int Depth, int Width, int Queries, typename Narrow, typename T,
          typename Score, typename Post>
__device__ void
tensorAttention(const T *__restrict__ q, const T *__restrict__ k,
                const T *__restrict__ v, const void *__restrict__ spans,
                const AttentionParams &p, Score score, Post post) {
  using Form = HeadForm<Depth, Width, Queries>;
  using Memory = typename Form::Memory;
  MMCC_DYNAMIC_SHARED(Memory, memory);
  attendHeads<Form, Narrow>(memory.tiles(), q, k, v, spans, p, score, post);
}

template <typename Memory, int Depth, int Width>
constexpr bool isAskedForTensor =
    isAskedFor<Memory, Depth, Width> ||
    sizeof(Memory) == cuda::attentionSharedBytes((Depth + 15) / 16 * 16,
                                                 (Width + 15) / 16 * 16);

/// As stepAttention(): few queries are computed in f32, and take no longer.
template <int Depth, int Width, int Group, typename Narrow, typename Score,
          typename Post>
__device__ void
stepTensorAttention(const float *__restrict__ q, const float *__restrict__ k,
                    const float *__restrict__ v, const void *__restrict__ spans,
                    float *partials, int *counters, const AttentionParams &p,
                    Score score, Post post) {
  using Form = TensorForm<(Depth + 15) / 16 * 16, (Width + 15) / 16 * 16, 64>;
  using Memory = StepMemory<typename Form::Tiles, Depth, Width>;
  static_assert(isAskedForTensor<Memory, Depth, Width>);
  MMCC_DYNAMIC_SHARED(Memory, shared);
  if (p.Sq <= cuda::kStepQueries)
    attendStep<Depth, Width, Group>(shared.step, q, k, v, partials, counters, p,
                                    score, post);
  else
    attendHeads<Form, Narrow>(shared.tiles, q, k, v, spans, p, score, post);
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_TENSORATTENTION_CUH
