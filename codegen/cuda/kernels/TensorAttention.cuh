//===- TensorAttention.cuh - attention_bf16, attention_i8 -----------------===//
//
// softmax(scale q k^T) v for one head on tensor cores, with queries, keys,
// values and weights rounded to bf16 and sums of f32 (T. Dao, 2023, arXiv
// 2307.08691). A block takes 64 queries and goes over the keys 64 at a time; of
// its eight warps four have 16 queries each and the first 32 keys of a tile,
// four the same queries and the other 32, so that short sequences keep a whole
// block at work:
//
//     warps 0 .. 3   queries 16 w ..   keys  0 .. 31 of each tile   most, sum,
//     warps 4 .. 7   the same          keys 32 .. 63                result
//                                                  └─ joined at the end
//
// Scores are never stored: the sums of q k^T are, rounded, the fragment that v
// is multiplied by.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_TENSORATTENTION_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_TENSORATTENTION_CUH

#include "Mma.cuh"
#include "StepAttention.cuh"

namespace mmcc {

/// Keys and values of a tile, rows as far apart as keeps matrices' rows in
/// different banks; at the end what one half of the warps found.
template <int Depth, int Width> union HeadTiles {
  static constexpr int kQueries = cuda::kTensorQueryTile, kKeys = 64;
  struct {
    alignas(16) uint16_t k[kKeys][Depth + 8];
    alignas(16) uint16_t v[kKeys][Width + 8];
  } tile;
  struct {
    float result[kQueries][Width + 1];
    float most[kQueries], sum[kQueries];
  } half;
};

/// 64 queries from i0 on. Depth and Width: D and Dv in whole 16s.
template <int Depth, int Width, typename Score, typename Post>
class TensorQueryTile {
public:
  using Tiles = HeadTiles<Depth, Width>;

  __device__ TensorQueryTile(Tiles &tiles, const AttentionParams &p,
                             const float *q, StridedTokens k, StridedTokens v,
                             int64_t i0, int64_t iEnd, Score score, Post post)
      : tiles(tiles), p(p), k(k), v(v), i0(i0), iEnd(iEnd), score(score),
        post(post), scale(float(__longlong_as_double(p.scale))) {
    const int lane = threadIdx.x % kWarp;
    for (int chunk = 0; chunk < Depth / 16; ++chunk)
      for (int i = 0; i < 4; ++i) {
        const int64_t token = i0 + row(i % 2);
        const int64_t d = chunk * 16 + lane % 4 * 2 + i / 2 * 8;
        const float *from = q + token * p.q_row + d;
        const bool isIn = token < iEnd;
        query[chunk][i] = packBf16(isIn && d < p.D ? from[0] : 0.0f,
                                   isIn && d + 1 < p.D ? from[1] : 0.0f);
      }
  }

  /// Keys [begin, end); of `whole` tiles the score block has nothing to say.
  __device__ void attend(int64_t begin, int64_t end, bool whole) {
    for (int64_t j0 = begin; j0 < end; j0 += Tiles::kKeys)
      if (whole || p.sees(i0, least(iEnd, i0 + Tiles::kQueries) - 1, j0,
                          least(end, j0 + Tiles::kKeys) - 1))
        attendTile(j0, least(end, j0 + Tiles::kKeys), whole);
  }

  __device__ void finish(int64_t batch, int64_t head) {
    const int lane = threadIdx.x % kWarp;
    const bool isOther = threadIdx.x / kWarp >= 4;
    for (int r = 0; r < 2; ++r) {
      sum[r] += fromLane(sum[r], 1);
      sum[r] += fromLane(sum[r], 2);
    }
    __syncthreads(); // the last tile has been used
    if (isOther)
      for (int r = 0; r < 2; ++r) {
        const int at = int(row(r));
        tiles.half.most[at] = most[r];
        tiles.half.sum[at] = sum[r];
        for (int c = 0; c < Width / 8; ++c)
          for (int i = 0; i < 2; ++i)
            tiles.half.result[at][c * 8 + lane % 4 * 2 + i] =
                result[c][r * 2 + i];
      }
    __syncthreads(); // the other half's share is there
    if (isOther)
      return;
    for (int r = 0; r < 2; ++r) {
      const int at = int(row(r));
      const int64_t token = i0 + at;
      const float all = maximum(most[r], tiles.half.most[at]);
      const float mine = weightOf(most[r], all);
      const float others = weightOf(tiles.half.most[at], all);
      const float total = sum[r] * mine + tiles.half.sum[at] * others;
      const float inverse = total == 0 ? 0 : 1 / total;
      for (int c = 0; c < Width / 8; ++c)
        for (int i = 0; i < 2; ++i) {
          const int d = c * 8 + lane % 4 * 2 + i;
          if (token < iEnd && d < p.Dv)
            post(batch, head, token, d,
                 (result[c][r * 2 + i] * mine +
                  tiles.half.result[at][d] * others) *
                     inverse);
        }
    }
  }

private:
  static constexpr int kMine = 32, kAcross = kMine / 8; // keys of a warp

  /// Query r of the two that this lane has a part of, in the tile.
  static __device__ int row(int r) {
    return threadIdx.x / kWarp % 4 * 16 + threadIdx.x % kWarp / 4 + r * 8;
  }
  static __device__ float weightOf(float value, float largest) {
    // Nothing has been seen: infinities have no difference.
    return value == -INFINITY ? 0.0f : expf(value - largest);
  }

  template <int Size>
  __device__ void read(uint16_t (&tile)[Tiles::kKeys][Size + 8],
                       const StridedTokens &from, int64_t first, int64_t end,
                       int64_t size) {
    for (int at = threadIdx.x; at < Tiles::kKeys * Size / 2;
         at += cuda::kThreads) {
      const int row = at / (Size / 2), d = at % (Size / 2) * 2;
      const bool isIn = first + row < end;
      const uint32_t word =
          packBf16(isIn && d < size ? from(first + row, d) : 0.0f,
                   isIn && d + 1 < size ? from(first + row, d + 1) : 0.0f);
      *reinterpret_cast<uint32_t *>(&tile[row][d]) = word;
    }
  }

  __device__ void attendTile(int64_t j0, int64_t jEnd, bool whole) {
    __syncthreads(); // the tile before has been used
    read<Depth>(tiles.tile.k, k, j0, jEnd, p.D);
    read<Width>(tiles.tile.v, v, j0, jEnd, p.Dv);
    __syncthreads(); // this one is there
    const int first = threadIdx.x / kWarp / 4 * kMine;
    float scores[kAcross][4] = {};
    multiplyKeys(first, scores);
    float largest[2] = {most[0], most[1]};
    const int lane = threadIdx.x % kWarp;
    for (int across = 0; across < kAcross; ++across)
      for (int i = 0; i < 4; ++i) {
        float &value = scores[across][i];
        value = scoreOf(i0 + row(i / 2),
                        j0 + first + across * 8 + lane % 4 * 2 + i % 2, jEnd,
                        value, whole);
        largest[i / 2] = maximum(largest[i / 2], value);
      }
    for (int r = 0; r < 2; ++r) {
      largest[r] = maximum(largest[r], fromLane(largest[r], 1));
      largest[r] = maximum(largest[r], fromLane(largest[r], 2));
      const float shrink =
          largest[r] == -INFINITY ? 1.0f : weightOf(most[r], largest[r]);
      sum[r] *= shrink;
      for (int c = 0; c < Width / 8; ++c)
        for (int i = 0; i < 2; ++i)
          result[c][r * 2 + i] *= shrink;
      most[r] = largest[r];
    }
    for (int across = 0; across < kAcross; ++across)
      for (int i = 0; i < 4; ++i) {
        float &value = scores[across][i];
        value = weightOf(value, most[i / 2]);
        sum[i / 2] += value;
      }
    multiplyValues(first, scores);
  }

  /// scores += q k^T for keys [first, first + 32) of the tile.
  __device__ void multiplyKeys(int first, float (&scores)[kAcross][4]) {
    const int lane = threadIdx.x % kWarp;
#pragma unroll
    for (int chunk = 0; chunk < Depth / 16; ++chunk)
#pragma unroll
      for (int pair = 0; pair < kAcross / 2; ++pair) {
        // Matrices: keys 0-7 of words 0-3 and 4-7, then keys 8-15.
        uint32_t words[4];
        const int key = first + pair * 16 + lane / 16 * 8 + lane % 8;
        loadMatrices(words, &tiles.tile.k[key][chunk * 16 + lane / 8 % 2 * 8]);
        multiplyBf16(scores[pair * 2], query[chunk], words[0], words[1]);
        multiplyBf16(scores[pair * 2 + 1], query[chunk], words[2], words[3]);
      }
  }

  /// result += weights v for the same keys.
  __device__ void multiplyValues(int first,
                                 const float (&weights)[kAcross][4]) {
    const int lane = threadIdx.x % kWarp;
#pragma unroll
    for (int pair = 0; pair < kAcross / 2; ++pair) {
      const auto &low = weights[pair * 2], &high = weights[pair * 2 + 1];
      const uint32_t a[4] = {packBf16(low[0], low[1]), packBf16(low[2], low[3]),
                             packBf16(high[0], high[1]),
                             packBf16(high[2], high[3])};
#pragma unroll
      for (int c = 0; c < Width / 16; ++c) {
        // Matrices: keys 0-7 and 8-15 of numbers 0-7, then of 8-15.
        uint32_t words[4];
        const int key = first + pair * 16 + lane % 16;
        loadTransposed(words, &tiles.tile.v[key][c * 16 + lane / 16 * 8]);
        multiplyBf16(result[c * 2], a, words[0], words[1]);
        multiplyBf16(result[c * 2 + 1], a, words[2], words[3]);
      }
    }
  }

  __device__ float scoreOf(int64_t i, int64_t j, int64_t jEnd, float product,
                           bool whole) {
    if (i >= iEnd || j >= jEnd || !p.sees(i, j))
      return -INFINITY;
    return whole ? product * scale : score(i, j, product * scale);
  }

  Tiles &tiles;
  const AttentionParams &p;
  StridedTokens k, v;
  int64_t i0, iEnd;
  Score score;
  Post post;
  float scale;
  uint32_t query[Depth / 16][4];
  float most[2] = {-INFINITY, -INFINITY}, sum[2] = {};
  float result[Width / 8][4] = {};
};

/// As attention(), with Depth and Width instead of Chunks.
template <int Depth, int Width, typename Score, typename Post>
__device__ void
tensorAttention(HeadTiles<Depth, Width> &tiles, const float *__restrict__ q,
                const float *__restrict__ k, const float *__restrict__ v,
                const void *__restrict__ spans, const AttentionParams &p,
                Score score, Post post) {
  using Tiles = HeadTiles<Depth, Width>;
  const AttentionCell cell(p);
  auto scoreOfHead = [&](int64_t i, int64_t j, float value) {
    return score(cell.batch, cell.head, i, j, value);
  };
  for (int64_t i0 = cell.begin; i0 < cell.end; i0 += Tiles::kQueries) {
    TensorQueryTile<Depth, Width, decltype(scoreOfHead), Post> tile(
        tiles, p, q + cell.batch * p.q_batch + cell.head * p.q_head,
        {k + cell.batch * p.k_batch + cell.kvHead * p.k_head, p.k_row},
        {v + cell.batch * p.v_batch + cell.kvHead * p.v_head, p.v_row}, i0,
        cell.end, scoreOfHead, post);
    cell.forEachSpan(p, spans, [&](int64_t begin, int64_t end, bool whole) {
      tile.attend(begin, end, whole);
    });
    tile.finish(cell.batch, cell.head);
  }
}

template <int Depth, int Width, typename Score, typename Post>
__device__ void
tensorAttention(const float *__restrict__ q, const float *__restrict__ k,
                const float *__restrict__ v, const void *__restrict__ spans,
                const AttentionParams &p, Score score, Post post) {
  __shared__ HeadTiles<Depth, Width> tiles;
  tensorAttention(tiles, q, k, v, spans, p, score, post);
}

/// As stepAttention(): few queries are computed in f32, and take no longer.
template <int Depth, int Width, int Group, typename Score, typename Post>
__device__ void
stepTensorAttention(const float *__restrict__ q, const float *__restrict__ k,
                    const float *__restrict__ v, const void *__restrict__ spans,
                    float *partials, int *counters, const AttentionParams &p,
                    Score score, Post post) {
  using Tiles = HeadTiles<(Depth + 15) / 16 * 16, (Width + 15) / 16 * 16>;
  using Memory = StepMemory<Tiles, Depth, Width>;
  static_assert(isAskedFor<Memory, Depth, Width>);
  MMCC_DYNAMIC_SHARED(Memory, shared);
  if (p.Sq <= cuda::kStepQueries)
    attendStep<Depth, Width, Group>(shared.step, q, k, v, partials, counters, p,
                                    score, post);
  else
    tensorAttention(shared.tiles, q, k, v, spans, p, score, post);
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_TENSORATTENTION_CUH
