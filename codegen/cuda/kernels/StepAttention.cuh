//===- StepAttention.cuh - Attention of few queries: steps of a decoder ---===//
//
// A block has all queries of all heads that share keys, its rows, and some of
// the keys, a split: every key is read once, whatever heads and queries there
// are, and a long past keeps a whole GPU at work. How many splits there are
// follows from the keys and the grid (T. Dao et al., 2023, Flash-Decoding).
//
//     split 0   keys   0 .. 127   most, sum, result of each row  ┐ joined in
//     split 1   keys 128 .. 255   likewise, in memory            ├ order, by
//     split 2   keys 256 .. 383   likewise                       ┘ who is last
//
// Warps of a block take turns at its keys, 32 at a time: a tile. It comes
// through shared memory, whatever the type, 128 bytes of each token at a time,
// of which lanes read 16. A lane then has the scores of one key, and of results
// the numbers of 4 bytes:
//
//     scores  [rows]           a key a lane: 16 bytes at a time, times numbers
//                              of queries that all lanes read at once
//     result  [rows][width]    4 bytes a lane, 4 keys at a time
//
// Who is last is counted in memory that an earlier launch left zero, and leaves
// it so. A launch of its own for joining would add two microseconds to each
// layer of each step; counters add nothing, as state_append_* clears them.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_STEPATTENTION_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_STEPATTENTION_CUH

#include "Attention.cuh"

namespace mmcc {

struct alignas(16) FourWords {
  uint32_t of[4];
};

/// Number n of 4 bytes.
template <typename T> __device__ float numberOf(uint32_t word, int n) {
  if constexpr (sizeof(T) == 4)
    return bitcast<T>(word);
  else if constexpr (sizeof(T) == 2)
    return float(bitcast<T>(uint16_t(word >> 16 * n)));
  else
    return float(bitcast<T>(uint8_t(word >> 8 * n)));
}

/// The rows of a pass over the keys when there is one query.
constexpr int stepRowsOf(int group, int most) {
  int rows = 1;
  while (rows < group && rows < most)
    rows *= 2;
  return rows;
}

/// What a block has in shared memory.
template <int Depth, int Width> struct StepShared {
  static constexpr int kWarps = cuda::kThreads / kWarp;
  static constexpr int kRows = int(cuda::stepRows(Width));
  static constexpr int kTokens = 32, kBytes = 128;
  struct Tile {
    // Lanes that read 16 bytes of neighbouring tokens do not meet in a bank.
    alignas(16) uint8_t tokens[kTokens][kBytes + 16];
    alignas(16) float weights[kRows][kTokens];
  };
  union {
    Tile tiles[kWarps];
    float results[kWarps][kRows][Width];
  };
  /// Scaled; whole pieces of 16 bytes, with zeros.
  alignas(16) float query[kRows][(Depth + 15) / 16 * 16];
  float most[kWarps][kRows], sum[kWarps][kRows];
  int isLast;
};

/// Dynamic shared memory of a kernel that has tiles for more queries, too.
template <typename Tiles, int Depth, int Width> union StepMemory {
  Tiles tiles;
  StepShared<Depth, Width> step;
};
template <typename Memory, int Depth, int Width>
constexpr bool isAskedFor =
    sizeof(Memory) <= cuda::stepSharedBytes(Depth, Width);

/// A warp's share of a pass: `Rows` rows, its turns of the keys.
template <int Rows, int Depth, int Width, typename Tokens> class StepWarp {
public:
  using T = typename Tokens::Element;
  using Shared = StepShared<Depth, Width>;

  __device__ explicit StepWarp(Shared &shared)
      : shared(shared), tile(shared.tiles[threadIdx.x / kWarp]) {
    for (int r = 0; r < Rows; ++r)
      most[r] = -INFINITY;
  }

  /// Keys [j0, j0 + count), at most 32; score(r, j, x) is what enters the
  /// softmax.
  template <typename Score>
  __device__ void attend(const Tokens &keys, const Tokens &values, int64_t j0,
                         int count, Score score) {
    const bool isIn = lane() < count;
    float scores[Rows] = {};
    multiplyKeys(keys.rows(j0), count, scores);
    float keyScale = 1, valueScale = 1;
    if constexpr (Tokens::kScaled)
      if (isIn) {
        keyScale = keys.factor(j0 + lane());
        valueScale = values.factor(j0 + lane());
      }
    bool isHidden = false;
#pragma unroll
    for (int r = 0; r < Rows; ++r) {
      const float value =
          isIn ? score(r, j0 + lane(), scores[r] * keyScale) : -INFINITY;
      const float before = most[r];
      most[r] = maximum(before, acrossWarp<Largest<float>>(value));
      // Nothing has been seen yet: infinities have no difference.
      const bool isEmpty = most[r] == -INFINITY;
      const float shrink = isEmpty ? 1.0f : expf(before - most[r]);
      const float weight = isEmpty ? 0.0f : expf(value - most[r]);
      sum[r] = sum[r] * shrink + weight;
      for (int n = 0; n < kNumbers; ++n)
        result[r][n] *= shrink;
      isHidden |= isIn && weight == 0;
      tile.weights[r][lane()] = weight == 0 ? 0.0f : weight * valueScale;
    }
    // Numbers of keys that a row does not see may be anything.
    const bool hasHidden = __ballot_sync(kAllLanes, isHidden) != 0;
    const TokenRows<T> rows = values.rows(j0);
#pragma unroll
    for (int chunk = 0; chunk < kChunks; ++chunk) {
      __syncwarp(); // what the tile had has been used
      read<Width>(rows, count, chunk * kChunk);
      __syncwarp(); // these numbers, and the weights, are there
      if (hasHidden)
        addValues<true>(chunk);
      else
        addValues<false>(chunk);
    }
  }

  /// Leaves what was found in shared memory, where tiles were.
  __device__ void leave() {
    const int warp = threadIdx.x / kWarp;
    __syncthreads(); // all tiles have been used
#pragma unroll
    for (int r = 0; r < Rows; ++r) {
      const float all = acrossWarp<Sum<float>>(sum[r]);
      if (lane() == 0) {
        shared.most[warp][r] = most[r];
        shared.sum[warp][r] = all;
      }
      for (int n = 0; n < kNumbers; ++n)
        if (const int d = n / kOfLane * kChunk + lane() * kOfLane + n % kOfLane;
            d < Width)
          shared.results[warp][r][d] = result[r][n];
    }
    __syncthreads(); // every warp's share is there
  }

private:
  /// Numbers in 128 bytes, in 16, and in the 4 of a lane.
  static constexpr int kChunk = Shared::kBytes / sizeof(T),
                       kOfPiece = 16 / sizeof(T), kOfLane = 4 / sizeof(T);
  static constexpr int kChunks = (Width + kChunk - 1) / kChunk,
                       kNumbers = kChunks * kOfLane;

  static __device__ int lane() { return threadIdx.x % kWarp; }

  /// Numbers [at, at + kChunk) of `count` tokens, or zero where there is none.
  template <int Size>
  __device__ void read(const TokenRows<T> &from, int count, int at) {
    constexpr int kPieces = (Size < kChunk ? Size : kChunk) / kOfPiece +
                            (Size < kChunk && Size % kOfPiece != 0);
    const bool isWide =
        Size % kOfPiece == 0 &&
        (uintptr_t(from.first) | uintptr_t(from.stride) * sizeof(T)) % 16 == 0;
    if (isWide) {
      FourWords words[kPieces];
#pragma unroll
      for (int i = 0; i < kPieces; ++i) {
        const int piece = i * kWarp + lane(), token = piece / kPieces;
        const int number = at + piece % kPieces * kOfPiece;
        words[i] = {};
        if (token < count && number < Size)
          words[i] = *reinterpret_cast<const FourWords *>(
              from.first + token * from.stride + number);
      }
#pragma unroll
      for (int i = 0; i < kPieces; ++i) {
        const int piece = i * kWarp + lane();
        *reinterpret_cast<FourWords *>(
            &tile.tokens[piece / kPieces][piece % kPieces * 16]) = words[i];
      }
      return;
    }
    for (int i = lane(); i < Shared::kTokens * kPieces * kOfPiece; i += kWarp) {
      const int token = i / (kPieces * kOfPiece), n = i % (kPieces * kOfPiece);
      reinterpret_cast<T *>(tile.tokens[token])[n] =
          token < count && at + n < Size
              ? from.first[token * from.stride + at + n]
              : T(0);
    }
  }

  __device__ void multiplyKeys(const TokenRows<T> &rows, int count,
                               float (&scores)[Rows]) {
#pragma unroll 1
    for (int at = 0; at < Depth; at += kChunk) {
      __syncwarp(); // what the tile had has been used
      read<Depth>(rows, count, at);
      __syncwarp(); // these numbers are there
#pragma unroll 2
      for (int piece = 0; piece < Shared::kBytes / 16; ++piece) {
        const int number = at + piece * kOfPiece;
        if (number >= Depth)
          break;
        const FourWords words = *reinterpret_cast<const FourWords *>(
            &tile.tokens[lane()][piece * 16]);
#pragma unroll
        for (int n = 0; n < kOfPiece; n += 4) {
          float four[4];
          for (int i = 0; i < 4; ++i)
            four[i] = numberOf<T>(words.of[(n + i) / kOfLane], i % kOfLane);
#pragma unroll
          for (int r = 0; r < Rows; ++r) {
            const FourFloats query = *reinterpret_cast<const FourFloats *>(
                &shared.query[r][number + n]);
            for (int i = 0; i < 4; ++i)
              scores[r] += query.of[i] * four[i];
          }
        }
      }
    }
  }

  template <bool HasHidden> __device__ void addValues(int chunk) {
#pragma unroll 2
    for (int t = 0; t < Shared::kTokens; t += 4) {
      float numbers[4][kOfLane];
      for (int i = 0; i < 4; ++i) {
        const uint32_t word = *reinterpret_cast<const uint32_t *>(
            &tile.tokens[t + i][lane() * 4]);
        for (int n = 0; n < kOfLane; ++n)
          numbers[i][n] = numberOf<T>(word, n);
      }
#pragma unroll
      for (int r = 0; r < Rows; ++r) {
        const FourFloats weights =
            *reinterpret_cast<const FourFloats *>(&tile.weights[r][t]);
        for (int i = 0; i < 4; ++i)
          for (int n = 0; n < kOfLane; ++n)
            if (!HasHidden || weights.of[i] != 0)
              result[r][chunk * kOfLane + n] += weights.of[i] * numbers[i][n];
      }
    }
  }

  Shared &shared;
  typename Shared::Tile &tile;
  float most[Rows], sum[Rows] = {}, result[Rows][kNumbers] = {};
};

/// Sums and results of several shares, joined in order: `count` shares whose
/// largest scores are most(s), sums sum(s), results number(s).
struct Joined {
  float most = -INFINITY, sum = 0, number = 0;

  template <typename Most, typename Sums, typename Numbers>
  __device__ Joined(int64_t count, Most mostOf, Sums sumOf, Numbers numberOf) {
    for (int64_t s = 0; s < count; ++s)
      most = maximum(most, mostOf(s));
    for (int64_t s = 0; s < count; ++s) {
      const float its = mostOf(s);
      const float share = its == -INFINITY ? 0.0f : expf(its - most);
      sum += sumOf(s) * share;
      number += numberOf(s) * share;
    }
  }
  __device__ float result() const { return sum == 0 ? 0.0f : number / sum; }
};

/// The queries of the heads that share keys, of one sample, times a split of
/// the keys. The grid is that of attention, with a block for each head along y;
/// blocks of heads that share keys have splits of these.
///
/// `partials` [batch, heads of keys, splits, rows][Width + 2] has the largest
/// score, the sum and the results of each row, `counters` [batch, heads of
/// keys] who is done.
template <int Depth, int Width, int Group, typename Tokens, typename Score,
          typename Post>
class StepBlock {
public:
  using Shared = StepShared<Depth, Width>;

  __device__ StepBlock(Shared &shared, const AttentionParams &p, const float *q,
                       Tokens keys, Tokens values, float *partials,
                       int *counters, Score score, Post post)
      : shared(shared), p(p), q(q), keys(keys), values(values),
        counters(counters), score(score), post(post),
        scale(float(__longlong_as_double(p.scale))), batch(blockIdx.z),
        kvHead(blockIdx.y / Group), rows(Group * p.Sq) {
    // Keys that some query may see.
    int64_t first = 0, last = p.Skv;
    if (p.stride <= 0 && p.window > 0)
      first =
          largest<int64_t>(p.causal_offset - p.window + 1, 0) / kTile * kTile;
    if (p.stride <= 0 && p.causal)
      last = least<int64_t>(last, p.Sq + p.causal_offset);
    const int64_t count = largest<int64_t>(last - first, 0);
    const int64_t most =
        least<int64_t>(gridDim.x * Group, cuda::kMostKeySplits);
    const int64_t even = (count + most - 1) / most;
    const int64_t share = largest<int64_t>((even + kTile - 1) / kTile * kTile,
                                           cuda::kKeysOfSplit);
    splits = largest<int64_t>((count + share - 1) / share, 1);
    split = int64_t(blockIdx.x) * Group + blockIdx.y % Group;
    begin = first + split * share;
    end = least(last, begin + share);
    head = batch * (gridDim.y / Group) + kvHead;
    parts = partials + head * most * rows * kPitch;
  }

  __device__ void run() {
    if (split >= splits)
      return;
    // One query takes no more registers than its heads need.
    if (kFew < Shared::kRows && rows <= kFew)
      attend<kFew>(0);
    else
#pragma unroll 1
      for (int64_t row = 0; row < rows; row += Shared::kRows)
        attend<Shared::kRows>(row);
    if (splits > 1 && isLast())
      join();
  }

private:
  static constexpr int kTile = Shared::kTokens, kPitch = Width + 2;
  static constexpr int kFew = stepRowsOf(Group, Shared::kRows);

  /// Of a row.
  __device__ int64_t queryOf(int64_t row) const { return row / Group; }
  __device__ int64_t headOf(int64_t row) const {
    return kvHead * Group + row % Group;
  }
  __device__ float *partOf(int64_t which, int64_t row) const {
    return parts + (which * rows + row) * kPitch;
  }

  /// Rows [row, row + Rows), or what there is of them.
  template <int Rows> __device__ void attend(int64_t row) {
    const int count = int(least<int64_t>(Rows, rows - row));
    constexpr int kPadded = sizeof(shared.query[0]) / sizeof(float);
    for (int at = threadIdx.x; at < Rows * kPadded; at += cuda::kThreads) {
      const int r = at / kPadded, d = at % kPadded;
      float number = 0;
      if (r < count && d < Depth)
        number = q[batch * p.q_batch + headOf(row + r) * p.q_head +
                   queryOf(row + r) * p.q_row + d];
      shared.query[r][d] = number * scale;
    }
    __syncthreads(); // the queries are there
    StepWarp<Rows, Depth, Width, Tokens> warp(shared);
    auto scoreOfRow = [&](int r, int64_t j, float value) {
      const int64_t i = queryOf(row + r);
      if (r >= count)
        return value;
      return p.sees(i, j) ? score(batch, headOf(row + r), i, j, value)
                          : -INFINITY;
    };
    for (int64_t j0 = begin + threadIdx.x / kWarp * kTile; j0 < end;
         j0 += Shared::kWarps * kTile) {
      const int64_t jEnd = least(end, j0 + kTile);
      if (p.sees(queryOf(row), queryOf(row + count - 1), j0, jEnd - 1))
        warp.attend(keys, values, j0, int(jEnd - j0), scoreOfRow);
    }
    warp.leave();
    for (int at = threadIdx.x; at < count * Width; at += cuda::kThreads) {
      const int r = at / Width, d = at % Width;
      const Joined all(
          Shared::kWarps, [&](int64_t w) { return shared.most[w][r]; },
          [&](int64_t w) { return shared.sum[w][r]; },
          [&](int64_t w) { return shared.results[w][r][d]; });
      if (splits == 1) {
        post(batch, headOf(row + r), queryOf(row + r), d, all.result());
        continue;
      }
      float *part = partOf(split, row + r);
      part[2 + d] = all.number;
      if (d == 0) {
        part[0] = all.most;
        part[1] = all.sum;
      }
    }
  }

  /// Whether the splits of all other blocks are in memory.
  __device__ bool isLast() {
    __threadfence(); // this thread's numbers before the count
    __syncthreads(); // those of all threads
    if (threadIdx.x == 0) {
      shared.isLast = atomicAdd(counters + head, 1) == splits - 1;
      if (shared.isLast)
        counters[head] = 0; // for who attends to the same keys next
    }
    __syncthreads(); // it is known
    __threadfence(); // the count before what others wrote
    return shared.isLast;
  }

  __device__ void join() {
    for (int64_t at = threadIdx.x; at < rows * Width; at += cuda::kThreads) {
      const int64_t row = at / Width, d = at % Width;
      // What other blocks wrote is not in this one's first cache.
      const Joined all(
          splits, [&](int64_t s) { return __ldcg(partOf(s, row)); },
          [&](int64_t s) { return __ldcg(partOf(s, row) + 1); },
          [&](int64_t s) { return __ldcg(partOf(s, row) + 2 + d); });
      post(batch, headOf(row), queryOf(row), d, all.result());
    }
  }

  Shared &shared;
  const AttentionParams &p;
  const float *q;
  Tokens keys, values;
  int *counters;
  Score score;
  Post post;
  float scale;
  int64_t batch, kvHead, rows, splits, split, begin, end, head;
  float *parts;
};

/// Few queries with keys and values as attention() has them.
template <int Depth, int Width, int Group, typename Score, typename Post>
__device__ void
attendStep(StepShared<Depth, Width> &shared, const float *__restrict__ q,
           const float *__restrict__ k, const float *__restrict__ v,
           float *partials, int *counters, const AttentionParams &p,
           Score score, Post post) {
  const int64_t batch = blockIdx.z, kvHead = blockIdx.y / Group;
  StepBlock<Depth, Width, Group, StridedTokens, Score, Post>(
      shared, p, q, {k + batch * p.k_batch + kvHead * p.k_head, p.k_row},
      {v + batch * p.v_batch + kvHead * p.v_head, p.v_row}, partials, counters,
      score, post)
      .run();
}

/// attention_f32 where a call may have few queries. More have tiles.
template <int Depth, int Width, int Group, typename Score, typename Post>
__device__ void
stepAttention(const float *__restrict__ q, const float *__restrict__ k,
              const float *__restrict__ v, const void *__restrict__ spans,
              float *partials, int *counters, const AttentionParams &p,
              Score score, Post post) {
  using Memory = StepMemory<AttentionTiles, Depth, Width>;
  static_assert(isAskedFor<Memory, Depth, Width>);
  MMCC_DYNAMIC_SHARED(Memory, shared);
  if (p.Sq <= cuda::kStepQueries)
    attendStep<Depth, Width, Group>(shared.step, q, k, v, partials, counters, p,
                                    score, post);
  else
    attention<(Width + 31) / 32>(shared.tiles, q, k, v, spans, p, score, post);
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_STEPATTENTION_CUH
