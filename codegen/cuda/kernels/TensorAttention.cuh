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
// On Hopper, heads of 64 and 128 numbers and 128 queries a block are multiplied
// by warpgroups, whose sums and fragments are those of their warps.
//
// While a tile is worked on the next is on its way to shared memory. Scores are
// never stored: the sums of q k^T are, rounded, the fragment that v is
// multiplied by.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_TENSORATTENTION_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_TENSORATTENTION_CUH

#include "StepAttention.cuh"
#include "WarpgroupMma.cuh"

namespace mmcc {

/// Keys, or values, of `Size` numbers, as far apart as keeps matrices' rows in
/// different banks.
template <int Rows, int Size> struct PaddedRows {
  alignas(16) uint16_t numbers[Rows][Size + 8];

  __device__ void *at(int row, int d) { return &numbers[row][d]; }
};

#ifdef MMCC_WARPGROUPS
/// 64 numbers are a line of WarpgroupMma.cuh, behind those of all rows the
/// next.
template <int Rows, int Size> struct RowsInLines {
  alignas(kSwizzleBytes) char lines[Size / 64][Rows * kLineBytes];

  __device__ void *at(int row, int d) {
    return lines[d / 64] + pieceOffset(row, d % 64 / 8) + d % 8 * 2;
  }
};
template <int Depth, int Width, int Queries>
constexpr bool kIsOfWarpgroups =
    Queries == 128 && Depth % 64 == 0 && Width % 64 == 0;
template <bool OfWarpgroups, int Rows, int Size>
using HeadTile = std::conditional_t<OfWarpgroups, RowsInLines<Rows, Size>,
                                    PaddedRows<Rows, Size>>;
#else
template <int Depth, int Width, int Queries>
constexpr bool kIsOfWarpgroups = false;
template <bool OfWarpgroups, int Rows, int Size>
using HeadTile = PaddedRows<Rows, Size>;
#endif

/// Two tiles of keys and of values; at the end what one half of the warps
/// found.
template <int Depth, int Width, int Queries> union HeadTiles {
  static constexpr int kKeys = 64;
  static constexpr bool kOfWarpgroups = kIsOfWarpgroups<Depth, Width, Queries>;
  struct {
    HeadTile<kOfWarpgroups, kKeys, Depth> k[2];
    HeadTile<kOfWarpgroups, kKeys, Width> v[2];
  } tile;
  struct {
    float result[64][Width + 1];
    float most[64], sum[64];
  } half;
};

/// All of a block's dynamic shared memory, which is aligned to 16 bytes only.
template <int Depth, int Width, int Queries> struct HeadMemory {
  using Tiles = HeadTiles<Depth, Width, Queries>;
  static constexpr int64_t kBytes = cuda::attentionSharedBytes(Depth, Width);
  static_assert(Tiles::kOfWarpgroups ? sizeof(Tiles) + 1024 <= kBytes
                                     : sizeof(Tiles) == kBytes,
                "what the launch asks for");
  alignas(16) char bytes[kBytes];

  __device__ Tiles &tiles() {
#ifdef MMCC_WARPGROUPS
    if constexpr (Tiles::kOfWarpgroups)
      return inSwizzles<Tiles>(bytes);
#endif
    return *reinterpret_cast<Tiles *>(bytes);
  }
};

/// Rows of a head in memory, `size` numbers each, which become Narrow: bf16 or
/// f16.
template <typename T, typename Narrow> struct HeadRows {
  const T *__restrict__ numbers;
  int64_t stride, size;

  /// Numbers d and d + 1 of row t as a word, 0 where there are none.
  __device__ uint32_t word(int64_t t, int64_t d, bool isIn) const {
    const T *from = numbers + t * stride + d;
    const float low = isIn && d < size ? float(from[0]) : 0;
    const float high = isIn && d + 1 < size ? float(from[1]) : 0;
    return packed<Narrow>(low, high);
  }

  /// Begins to bring rows [first, end) to a tile of Size numbers a row, the
  /// rest 0: copies, or, if bytes are no multiples of 16 or have to be rounded,
  /// words.
  template <int Rows, int Size, typename Tile>
  __device__ void bring(Tile &tile, int64_t first, int64_t end) const {
    if constexpr (std::is_same_v<T, Narrow>)
      if ((reinterpret_cast<uint64_t>(numbers) | uint64_t(stride * 2)) % 16 ==
          0) {
        for (int at = threadIdx.x; at < Rows * Size / 8; at += cuda::kThreads) {
          const int row = at / (Size / 8), d = at % (Size / 8) * 8;
          const bool isIn = first + row < end && d < size;
          copyAsync(tile.at(row, d),
                    numbers + (isIn ? (first + row) * stride + d : 0),
                    isIn ? int(least<int64_t>(size - d, 8)) * 2 : 0);
        }
        return;
      }
    for (int at = threadIdx.x; at < Rows * Size / 2; at += cuda::kThreads) {
      const int row = at / (Size / 2), d = at % (Size / 2) * 2;
      *static_cast<uint32_t *>(tile.at(row, d)) =
          word(first + row, d, first + row < end);
    }
  }
};

/// The tiles of keys that some of the queries [i0, iEnd) see, one by one.
class KeyTiles {
public:
  __device__ KeyTiles(const AttentionCell &cell, const AttentionParams &p,
                      const void *spans, int64_t i0, int64_t iEnd, int64_t size)
      : cell(cell), p(p), spans(spans), i0(i0), iEnd(iEnd), size(size) {
    if (p.spans == 0)
      span = {0, p.Skv, false};
  }

  /// False, and nothing else, behind the last one.
  __device__ bool next(KeySpan &tile) {
    for (;;) {
      while (at < span.end) {
        tile = {at, least(span.end, at + size), span.whole};
        at += size;
        if (tile.whole || p.sees(i0, iEnd - 1, tile.begin, tile.end - 1))
          return true;
      }
      if (which == p.spans)
        return false;
      span = cell.span(p, spans, which++);
      at = span.begin;
    }
  }

private:
  const AttentionCell &cell;
  const AttentionParams &p;
  const void *spans;
  int64_t i0, iEnd, size, which = 0, at = 0;
  KeySpan span = {};
};

/// Queries [i0, i0 + Queries). Depth and Width: D and Dv in whole 16s.
template <int Depth, int Width, int Queries, typename T, typename Narrow,
          typename Score, typename Post>
class TensorQueryTile {
public:
  using Tiles = HeadTiles<Depth, Width, Queries>;
  using Math = HalfMath<Narrow>;
  using Rows = HeadRows<T, Narrow>;

  __device__ TensorQueryTile(Tiles &tiles, const AttentionParams &p,
                             const Rows &q, const Rows &k, const Rows &v,
                             int64_t i0, int64_t iEnd, Score score, Post post)
      : tiles(tiles), p(p), k(k), v(v), i0(i0), iEnd(least(iEnd, i0 + Queries)),
        score(score), post(post), scale(float(__longlong_as_double(p.scale))) {
    const int lane = threadIdx.x % kWarp;
#pragma unroll
    for (int chunk = 0; chunk < Depth / 16; ++chunk)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int64_t token = i0 + row(i % 2);
        query[chunk][i] = q.word(token, chunk * 16 + lane % 4 * 2 + i / 2 * 8,
                                 token < this->iEnd);
      }
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
      show();
      __syncthreads(); // all threads' are there, and the other buffer is free
      begin(next, hasNext, buffer ^ 1);
      float weights[kAcross][4] = {};
      multiplyKeys(buffer, weights);
      takeWeights(now, weights);
      waitForCopies<2>(); // this tile's values
      show();
      __syncthreads(); // all threads' are there
      multiplyValues(buffer, weights);
      isThere = hasNext;
    }
  }

  __device__ void finish(int64_t batch, int64_t head) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      sum[r] += fromLane(sum[r], 1);
      sum[r] += fromLane(sum[r], 2);
    }
    if constexpr (kHalves == 2)
      if (!join())
        return;
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

private:
  static_assert(Queries == 64 || Queries == 128);
  static constexpr int kHalves = 128 / Queries;
  static constexpr int kMine = Tiles::kKeys / kHalves; // keys of a warp
  static constexpr int kAcross = kMine / 8;

  /// Query r of the two that this lane has a part of, in the tile.
  static __device__ int row(int r) {
    return threadIdx.x / kWarp % (Queries / 16) * 16 + threadIdx.x % kWarp / 4 +
           r * 8;
  }
  /// The first of this warp's keys, in the tile.
  static __device__ int firstKey() {
    return threadIdx.x / kWarp / (Queries / 16) * kMine;
  }
  /// exp(value - largest), as `base` of largest has it. Where nothing has been
  /// seen all values are -inf, whose weight is 0 beside any number.
  static constexpr float kLog2e = 1.4426950408889634f;
  static __device__ float baseOf(float largest) {
    return largest == -INFINITY ? 0.0f : largest * kLog2e;
  }
  static __device__ float weightOf(float value, float base) {
    return exp2Fast(value * kLog2e - base);
  }

  /// Keys and values are a group of copies each.
  __device__ void begin(const KeySpan &tile, bool isThere, int buffer) {
    if (isThere)
      k.template bring<Tiles::kKeys, Depth>(tiles.tile.k[buffer], tile.begin,
                                            tile.end);
    commitCopies();
    if (isThere)
      v.template bring<Tiles::kKeys, Width>(tiles.tile.v[buffer], tile.begin,
                                            tile.end);
    commitCopies();
  }

  /// Makes weights of products, and of what was before what it is beside them.
  __device__ void takeWeights(const KeySpan &tile,
                              float (&weights)[kAcross][4]) {
    const int lane = threadIdx.x % kWarp, first = firstKey();
    const bool isWhole =
        tile.end - tile.begin == Tiles::kKeys &&
        p.seesAll(i0, i0 + Queries - 1, tile.begin, tile.end - 1);
    float largest[2] = {most[0], most[1]}, base[2];
#pragma unroll
    for (int across = 0; across < kAcross; ++across)
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
      base[r] = baseOf(largest[r]);
      const float shrink = weightOf(most[r], base[r]);
      sum[r] *= shrink;
#pragma unroll
      for (int c = 0; c < Width / 8; ++c)
#pragma unroll
        for (int i = 0; i < 2; ++i)
          result[c][r * 2 + i] *= shrink;
      most[r] = largest[r];
    }
#pragma unroll
    for (int across = 0; across < kAcross; ++across)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        float &value = weights[across][i];
        value = weightOf(value, base[i / 2]);
        sum[i / 2] += value;
      }
  }

#ifdef MMCC_WARPGROUPS
  /// What this thread has brought, tensor cores may read after a barrier.
  __device__ void show() {
    if constexpr (Tiles::kOfWarpgroups)
      fenceOperands();
  }
  /// multiplyKeys, by a warpgroup.
  __device__ void multiplyKeysTogether(int buffer,
                                       float (&scores)[kAcross][4]) {
    auto &sums = reinterpret_cast<float(&)[kAcross * 4]>(scores);
    beginProducts();
#pragma unroll
    for (int chunk = 0; chunk < Depth / 16; ++chunk)
      multiplyRows(
          Narrow(), sums, query[chunk],
          operandAt(sharedAddress(tiles.tile.k[buffer].lines[chunk / 4]),
                    chunk % 4 * kStepBytes),
          chunk > 0);
    commitProducts();
    waitForProducts<0>();
    takeSums(sums);
  }
  /// multiplyValues, likewise.
  __device__ void multiplyValuesTogether(int buffer,
                                         const float (&weights)[kAcross][4]) {
    auto &sums = reinterpret_cast<float(&)[Width / 2]>(result);
    uint32_t a[kAcross / 2][4];
#pragma unroll
    for (int pair = 0; pair < kAcross / 2; ++pair)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const auto &from = weights[pair * 2 + i / 2];
        a[pair][i] = packed<Narrow>(from[i % 2 * 2], from[i % 2 * 2 + 1]);
      }
    const uint32_t values = sharedAddress(tiles.tile.v[buffer].lines[0]);
    beginProducts();
#pragma unroll
    for (int pair = 0; pair < kAcross / 2; ++pair)
      multiplyRowsAcross(
          Narrow(), sums, a[pair],
          acrossAt(values + pair * 16 * kLineBytes, Tiles::kKeys * kLineBytes),
          true);
    commitProducts();
    waitForProducts<0>();
    takeSums(sums);
  }
#else
  __device__ void show() {}
#endif

  /// scores += q k^T for this warp's keys of the tile.
  __device__ void multiplyKeys(int buffer, float (&scores)[kAcross][4]) {
#ifdef MMCC_WARPGROUPS
    if constexpr (Tiles::kOfWarpgroups)
      return multiplyKeysTogether(buffer, scores);
#endif
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
#ifdef MMCC_WARPGROUPS
    if constexpr (Tiles::kOfWarpgroups)
      return multiplyValuesTogether(buffer, weights);
#endif
    const int lane = threadIdx.x % kWarp, first = firstKey();
#pragma unroll
    for (int pair = 0; pair < kAcross / 2; ++pair) {
      const auto &low = weights[pair * 2], &high = weights[pair * 2 + 1];
      const uint32_t a[4] = {
          packed<Narrow>(low[0], low[1]), packed<Narrow>(low[2], low[3]),
          packed<Narrow>(high[0], high[1]), packed<Narrow>(high[2], high[3])};
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
    __syncthreads(); // the last tile has been used
    if (isOther)
      for (int r = 0; r < 2; ++r) {
        const int at = row(r);
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
      const int at = row(r);
      const float base = baseOf(maximum(most[r], tiles.half.most[at]));
      const float mine = weightOf(most[r], base);
      const float others = weightOf(tiles.half.most[at], base);
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
  const AttentionParams &p;
  Rows k, v;
  int64_t i0, iEnd;
  Score score;
  Post post;
  float scale;
  uint32_t query[Depth / 16][4];
  float most[2] = {-INFINITY, -INFINITY}, sum[2] = {};
  float result[Width / 8][4] = {};
};

/// As attention(), with Depth, Width and Queries instead of Chunks; of f32 or
/// Narrow.
template <int Depth, int Width, int Queries, typename Narrow, typename T,
          typename Score, typename Post>
__device__ void
tensorAttention(HeadTiles<Depth, Width, Queries> &tiles,
                const T *__restrict__ q, const T *__restrict__ k,
                const T *__restrict__ v, const void *__restrict__ spans,
                const AttentionParams &p, Score score, Post post) {
  using Tiles = HeadTiles<Depth, Width, Queries>;
  const AttentionCell cell(p);
  auto scoreOfHead = [&](int64_t i, int64_t j, float value) {
    return score(cell.batch, cell.head, i, j, value);
  };
  auto rowsOf = [](const T *from, int64_t stride, int64_t size) {
    return HeadRows<T, Narrow>{from, stride, size};
  };
  for (int64_t i0 = cell.begin; i0 < cell.end; i0 += Queries) {
    TensorQueryTile<Depth, Width, Queries, T, Narrow, decltype(scoreOfHead),
                    Post>
        tile(tiles, p,
             rowsOf(q + cell.batch * p.q_batch + cell.head * p.q_head, p.q_row,
                    p.D),
             rowsOf(k + cell.batch * p.k_batch + cell.kvHead * p.k_head,
                    p.k_row, p.D),
             rowsOf(v + cell.batch * p.v_batch + cell.kvHead * p.v_head,
                    p.v_row, p.Dv),
             i0, cell.end, scoreOfHead, post);
    tile.attend(KeyTiles(cell, p, spans, i0, least(cell.end, i0 + Queries),
                         Tiles::kKeys));
    tile.finish(cell.batch, cell.head);
  }
}

template <int Depth, int Width, int Queries, typename Narrow, typename T,
          typename Score, typename Post>
__device__ void
tensorAttention(const T *__restrict__ q, const T *__restrict__ k,
                const T *__restrict__ v, const void *__restrict__ spans,
                const AttentionParams &p, Score score, Post post) {
  using Memory = HeadMemory<Depth, Width, Queries>;
  MMCC_DYNAMIC_SHARED(Memory, memory);
  tensorAttention<Depth, Width, Queries, Narrow>(memory.tiles(), q, k, v, spans,
                                                 p, score, post);
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
  constexpr int kDepth = (Depth + 15) / 16 * 16,
                kWidth = (Width + 15) / 16 * 16;
  using Tiles = HeadTiles<kDepth, kWidth, 64>;
  using Memory = StepMemory<Tiles, Depth, Width>;
  static_assert(isAskedForTensor<Memory, Depth, Width>);
  MMCC_DYNAMIC_SHARED(Memory, shared);
  if (p.Sq <= cuda::kStepQueries)
    attendStep<Depth, Width, Group>(shared.step, q, k, v, partials, counters, p,
                                    score, post);
  else
    tensorAttention<kDepth, kWidth, 64, Narrow>(shared.tiles, q, k, v, spans, p,
                                                score, post);
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_TENSORATTENTION_CUH
