//===- Attention.cuh - attention_f32 --------------------------------------===//
//
// softmax(scale q k^T) v for one head, in single precision: no score is ever
// written to memory (T. Dao, 2023, arXiv 2307.08691). A block takes 32 queries
// and goes over the keys, 32 at a time:
//
//     scores  [32][32]   a warp has 4 queries, a lane one key of each; q and k
//                        come through shared memory, 32 numbers of a head at a
//                        time
//     largest, sum       of a query so far, in the registers of its warp
//     result  [32][Dv]   likewise: 4 queries, every 32nd number a lane
//
// A key tile that raises a query's largest score scales what it has so far.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_ATTENTION_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_ATTENTION_CUH

#include "Blocking.cuh"
#include "Team.cuh"

namespace mmcc {

/// As kernels.inc lists them; `scale` is the bits of a double.
struct AttentionParams {
  int64_t B, H, group, Sq, Skv, D, Dv, scale, causal, causal_offset, window,
      q_batch, q_head, q_row, k_batch, k_head, k_row, v_batch, v_head, v_row,
      q_block, stride, stride_offset, spans;

  /// Whether query i sees key j, as far as positions tell.
  __device__ bool sees(int64_t i, int64_t j) const {
    const int64_t here = i + causal_offset;
    if ((!causal || j <= here) && (window <= 0 || j > here - window))
      return true;
    return stride > 0 && j % stride == 0 && j <= i + stride_offset;
  }
  /// Whether all queries of [i, iLast] see all keys of [j, jLast], as far as it
  /// shows at once.
  __device__ bool seesAll(int64_t i, int64_t iLast, int64_t j,
                          int64_t jLast) const {
    return (!causal || jLast <= i + causal_offset) &&
           (window <= 0 || j > iLast + causal_offset - window);
  }
  /// Whether some query of [i, iLast] may see some key of [j, jLast]: keys
  /// beyond the last query's, or before the first one's window, are skipped.
  __device__ bool sees(int64_t i, int64_t iLast, int64_t j,
                       int64_t jLast) const {
    const bool isLate = causal && j > iLast + causal_offset;
    const bool isEarly = window > 0 && jLast <= i + causal_offset - window;
    if (!isLate && !isEarly)
      return true;
    return stride > 0 && j <= iLast + stride_offset &&
           jLast / stride * stride >= j;
  }
};

/// Keys [begin, end); of `whole` ones the score block has nothing to say.
struct KeySpan {
  int64_t begin, end;
  bool whole;
};

/// The queries of a block, of one head, and the keys that they see.
struct AttentionCell {
  int64_t batch, head, kvHead, block, begin, end;

  __device__ explicit AttentionCell(const AttentionParams &p)
      : batch(blockIdx.z), head(blockIdx.y), kvHead(head / p.group),
        block(blockIdx.x), begin(block * p.q_block),
        end(least(p.Sq, begin + p.q_block)) {}

  /// Entry `which` of the table of spans.
  __device__ KeySpan span(const AttentionParams &p, const void *spans,
                          int64_t which) const {
    const int32_t *part =
        static_cast<const int32_t *>(spans) + (block * p.spans + which) * 3;
    // A table that is wrong costs sense, never memory.
    return {largest<int64_t>(part[0], 0), least<int64_t>(part[1], p.Skv),
            part[2] != 0};
  }
  /// f(begin, end, whole) for each range of keys.
  template <typename F>
  __device__ void forEachSpan(const AttentionParams &p, const void *spans,
                              F f) const {
    if (p.spans == 0)
      f(0, p.Skv, false);
    for (int64_t s = 0; s < p.spans; ++s) {
      const KeySpan keys = span(p, spans, s);
      f(keys.begin, keys.end, keys.whole);
    }
  }
};

struct AttentionTiles {
  static constexpr int kSide = cuda::kQueryTile, kThreads = cuda::kThreads;
  /// Lanes that read fours of neighbouring rows do not meet in a bank.
  static constexpr int kPitch = kSide + 4;
  using Tile = float[kSide][kPitch];
  alignas(16) Tile q, k, v, weights;

  static __device__ const FourFloats &fourOf(const Tile &tile, int row,
                                             int at) {
    return *reinterpret_cast<const FourFloats *>(&tile[row][at]);
  }
};

/// Neighbouring tokens of a head.
template <typename T> struct TokenRows {
  const T *first;
  int64_t stride;
};

/// Number d of a head's token t, where tokens are strided.
struct StridedTokens {
  using Element = float;
  static constexpr bool kScaled = false;
  const float *__restrict__ numbers;
  int64_t stride;
  __device__ float operator()(int64_t t, int64_t d) const {
    return numbers[t * stride + d];
  }
  __device__ TokenRows<float> rows(int64_t t) const {
    return {numbers + t * stride, stride};
  }
};

/// 32 queries from i0 on; Chunks = ceil(Dv / 32). Keys and values are functions
/// of a token and a number's place, as StridedTokens is.
template <int Chunks, typename Keys, typename Values, typename Score,
          typename Post>
class QueryTile {
public:
  static constexpr int kSide = AttentionTiles::kSide;
  static constexpr int kRows = kSide * kSide / AttentionTiles::kThreads;

  __device__ QueryTile(AttentionTiles &tiles, const AttentionParams &p,
                       StridedTokens q, Keys k, Values v, int64_t i0,
                       int64_t iEnd, Score score, Post post)
      : tiles(tiles), p(p), q(q), k(k), v(v), i0(i0), iEnd(iEnd), score(score),
        post(post), scale(float(__longlong_as_double(p.scale))) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      most[r] = -INFINITY;
      sum[r] = 0;
#pragma unroll
      for (int c = 0; c < Chunks; ++c)
        result[r][c] = 0;
    }
  }

  /// Keys [begin, end); of `whole` tiles the score block has nothing to say.
  __device__ void attend(int64_t begin, int64_t end, bool whole) {
    for (int64_t j0 = begin; j0 < end; j0 += kSide)
      if (whole || p.sees(i0, least(iEnd, i0 + kSide) - 1, j0,
                          least(end, j0 + kSide) - 1))
        attendTile(j0, least(end, j0 + kSide), whole);
  }

  __device__ void finish(int64_t batch, int64_t head) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int64_t i = i0 + row(r);
      if (i >= iEnd)
        continue;
      const float inverse = sum[r] == 0 ? 0 : 1 / sum[r];
#pragma unroll
      for (int c = 0; c < Chunks; ++c)
        if (const int64_t d = c * kSide + lane(); d < p.Dv)
          post(batch, head, i, d, result[r][c] * inverse);
    }
  }

private:
  static __device__ int lane() { return threadIdx.x % kWarp; }
  static __device__ int row(int r) { return threadIdx.x / kWarp * kRows + r; }

  /// 32 tokens' numbers [d0, d0 + 32) of `size` to shared memory.
  template <typename Tokens>
  __device__ void read(AttentionTiles::Tile &tile, const Tokens &from,
                       int64_t first, int64_t end, int64_t d0, int64_t size) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int64_t token = first + row(r), d = d0 + lane();
      tile[row(r)][lane()] = token < end && d < size ? from(token, d) : 0.0f;
    }
  }

  __device__ void attendTile(int64_t j0, int64_t jEnd, bool whole) {
    float scores[kRows] = {};
    for (int64_t d0 = 0; d0 < p.D; d0 += kSide) {
      __syncthreads(); // the chunk before has been multiplied
      read(tiles.q, q, i0, iEnd, d0, p.D);
      read(tiles.k, k, j0, jEnd, d0, p.D);
      __syncthreads(); // this one is there
#pragma unroll
      for (int d = 0; d < kSide; d += 4) {
        const FourFloats key = AttentionTiles::fourOf(tiles.k, lane(), d);
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
          const FourFloats query = AttentionTiles::fourOf(tiles.q, row(r), d);
#pragma unroll
          for (int i = 0; i < 4; ++i)
            scores[r] += query.of[i] * key.of[i];
        }
      }
    }
#pragma unroll
    for (int r = 0; r < kRows; ++r)
      addTo(r, scoreOf(i0 + row(r), j0 + lane(), jEnd, scores[r], whole));
    __syncwarp(); // the warp's weights are there
#pragma unroll
    for (int c = 0; c < Chunks; ++c) {
      __syncthreads(); // values of the chunk before have been used
      read(tiles.v, v, j0, jEnd, c * kSide, p.Dv);
      __syncthreads(); // these are there
      float values[kRows] = {};
#pragma unroll
      for (int j = 0; j < kSide; j += 4) {
        float column[4];
#pragma unroll
        for (int i = 0; i < 4; ++i)
          column[i] = tiles.v[j + i][lane()];
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
          const FourFloats weight =
              AttentionTiles::fourOf(tiles.weights, row(r), j);
#pragma unroll
          for (int i = 0; i < 4; ++i)
            values[r] += weight.of[i] * column[i];
        }
      }
#pragma unroll
      for (int r = 0; r < kRows; ++r)
        result[r][c] += values[r];
    }
  }

  __device__ float scoreOf(int64_t i, int64_t j, int64_t jEnd, float product,
                           bool whole) {
    if (i >= iEnd || j >= jEnd)
      return -INFINITY;
    if (!p.sees(i, j))
      return -INFINITY;
    return whole ? product * scale : score(i, j, product * scale);
  }

  /// Weighs query r's key of this lane.
  __device__ void addTo(int r, float value) {
    const float before = most[r];
    most[r] = maximum(before, acrossWarp<Largest<float>>(value));
    // Nothing has been seen yet: infinities have no difference.
    const bool isEmpty = most[r] == -INFINITY;
    const float shrink = isEmpty ? 1.0f : expf(before - most[r]);
    const float weight = isEmpty ? 0.0f : expf(value - most[r]);
    sum[r] = sum[r] * shrink + acrossWarp<Sum<float>>(weight);
#pragma unroll
    for (int c = 0; c < Chunks; ++c)
      result[r][c] *= shrink;
    tiles.weights[row(r)][lane()] = weight;
  }

  AttentionTiles &tiles;
  const AttentionParams &p;
  StridedTokens q;
  Keys k;
  Values v;
  int64_t i0, iEnd;
  Score score;
  Post post;
  float scale;
  float most[kRows], sum[kRows], result[kRows][Chunks];
};

template <int Chunks, typename Score, typename Post>
__device__ void attention(AttentionTiles &tiles, const float *__restrict__ q,
                          const float *__restrict__ k,
                          const float *__restrict__ v,
                          const void *__restrict__ spans,
                          const AttentionParams &p, Score score, Post post) {
  const AttentionCell cell(p);
  auto scoreOfHead = [&](int64_t i, int64_t j, float value) {
    return score(cell.batch, cell.head, i, j, value);
  };
  for (int64_t i0 = cell.begin; i0 < cell.end; i0 += AttentionTiles::kSide) {
    QueryTile<Chunks, StridedTokens, StridedTokens, decltype(scoreOfHead), Post>
        tile(tiles, p,
             {q + cell.batch * p.q_batch + cell.head * p.q_head, p.q_row},
             {k + cell.batch * p.k_batch + cell.kvHead * p.k_head, p.k_row},
             {v + cell.batch * p.v_batch + cell.kvHead * p.v_head, p.v_row}, i0,
             cell.end, scoreOfHead, post);
    cell.forEachSpan(p, spans, [&](int64_t begin, int64_t end, bool whole) {
      tile.attend(begin, end, whole);
    });
    tile.finish(cell.batch, cell.head);
  }
}

template <int Chunks, typename Score, typename Post>
__device__ void
attention(const float *__restrict__ q, const float *__restrict__ k,
          const float *__restrict__ v, const void *__restrict__ spans,
          const AttentionParams &p, Score score, Post post) {
  __shared__ AttentionTiles tiles;
  attention<Chunks>(tiles, q, k, v, spans, p, score, post);
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_ATTENTION_CUH
