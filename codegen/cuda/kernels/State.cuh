//===- State.cuh - state_append_*, attention_state_* ----------------------===//
//
// Keys and values in the blocks of a state: a kernel is given a table of their
// addresses. A block has 64 tokens of each head of each sample, and behind a
// head's, if the type is scaled, a scale of each token.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_STATE_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_STATE_CUH

#include "StepAttention.cuh"

namespace mmcc {

constexpr int64_t kStateTokens = 64;

/// How an element says a number: number = float(element) * scale * kUnit. The
/// largest magnitude of a token becomes kMost.
template <typename T> struct Kept {
  static constexpr bool kScaled = false;
  static constexpr float kMost = 1, kUnit = 1;
};
template <> struct Kept<int8_t> {
  static constexpr bool kScaled = true;
  static constexpr float kMost = 127, kUnit = 1;
  static __device__ int8_t from(float x) { return toInteger<int8_t>(rintf(x)); }
};
// The scale is that of the CPU, which reads elements as 1/256 of what they are.
template <> struct Kept<f8e4m3> {
  static constexpr bool kScaled = true;
  static constexpr float kMost = 448, kUnit = 1.0f / 256;
  static __device__ f8e4m3 from(float x) { return f8e4m3(x); }
};

/// The tokens of one head. `place` is the head's: b * heads + h.
template <typename T> struct StateTokens {
  uint8_t *const *table;
  int64_t width, begin;

  __device__ StateTokens(const void *table, int64_t width, int64_t place)
      : table(static_cast<uint8_t *const *>(table)), width(width),
        begin(place * kStateTokens *
              (width * int64_t(sizeof(T)) + (Kept<T>::kScaled ? 4 : 0))) {}

  __device__ T *block(int64_t t) const {
    return reinterpret_cast<T *>(table[t / kStateTokens] + begin);
  }
  __device__ T &at(int64_t t, int64_t d) const {
    return block(t)[t % kStateTokens * width + d];
  }
  __device__ float &scale(int64_t t) const {
    return reinterpret_cast<float *>(block(t) +
                                     kStateTokens * width)[t % kStateTokens];
  }
  __device__ float operator()(int64_t t, int64_t d) const {
    float number = float(at(t, d));
    if constexpr (Kept<T>::kScaled)
      number *= scale(t) * Kept<T>::kUnit;
    return number;
  }
  /// Token t times `numbers`.
  __device__ float dot(int64_t t, const float *numbers, int64_t size) const {
    // Rows begin at multiples of four numbers if they have so many.
    struct alignas(4 * sizeof(T)) Four {
      T of[4];
    };
    const T *row = &at(t, 0);
    float sum = 0;
    int64_t d = 0;
    if (width % 4 == 0)
      for (; d + 4 <= size; d += 4) {
        const Four four = *reinterpret_cast<const Four *>(row + d);
#pragma unroll
        for (int i = 0; i < 4; ++i)
          sum += float(four.of[i]) * numbers[d + i];
      }
    for (; d < size; ++d)
      sum += float(row[d]) * numbers[d];
    return Kept<T>::kScaled ? sum * (scale(t) * Kept<T>::kUnit) : sum;
  }
};

struct StateAppendParams {
  int64_t B, H, rows, D, length, x_batch, x_head, x_row;
};

/// A warp takes a token; grid y is the head, z the sample.
template <typename T>
__device__ void stateAppend(const float *__restrict__ x, void *state,
                            const StateAppendParams &p) {
  const int64_t head = blockIdx.y, batch = blockIdx.z;
  const StateTokens<T> tokens(state, p.D, batch * p.H + head);
  const Team<Warp, int64_t> team;
  const float *rows = x + batch * p.x_batch + head * p.x_head;
  for (int64_t t = threadIdx.x / kWarp; t < p.rows;
       t += cuda::kThreads / kWarp) {
    const float *row = rows + t * p.x_row;
    if constexpr (Kept<T>::kScaled) {
      const float most = team.template reduce<Largest>(
          p.D, [&](int64_t d) { return fabsf(row[d]); });
      const float by = most > 0 ? Kept<T>::kMost / most : 0.0f;
      team.once([&] {
        tokens.scale(p.length + t) = most / Kept<T>::kMost / Kept<T>::kUnit;
      });
      team.each(p.D, [&](int64_t d) {
        tokens.at(p.length + t, d) = Kept<T>::from(row[d] * by);
      });
    } else {
      team.each(p.D,
                [&](int64_t d) { tokens.at(p.length + t, d) = T(row[d]); });
    }
  }
}

struct StateAttentionParams {
  int64_t B, H, KvH, Sq, Skv, D, Dv, scale, causal, causal_offset, window,
      q_batch, q_head, q_row, q_block, per_cell;
};

/// As attention; a cell has some heads of those that share keys.
template <int Chunks, typename T, typename Score, typename Post>
__device__ void stateAttention(const float *__restrict__ q, const void *k,
                               const void *v, const StateAttentionParams &s,
                               Score score, Post post) {
  __shared__ union {
    AttentionTiles tiles;
    StepShared step;
  } shared;
  AttentionParams p{};
  p.Sq = s.Sq, p.Skv = s.Skv, p.D = s.D, p.Dv = s.Dv, p.scale = s.scale;
  p.causal = s.causal, p.causal_offset = s.causal_offset, p.window = s.window;
  const int64_t group = s.H / s.KvH;
  const int64_t cells = (group + s.per_cell - 1) / s.per_cell;
  const int64_t kvHead = blockIdx.y / cells, part = blockIdx.y % cells;
  const int64_t batch = blockIdx.z;
  const StateTokens<T> keys(k, s.D, batch * s.KvH + kvHead);
  const StateTokens<T> values(v, s.Dv, batch * s.KvH + kvHead);
  const int64_t begin = blockIdx.x * s.q_block;
  const int64_t iEnd = least(s.Sq, begin + s.q_block);
  const int64_t headEnd = least(group, (part + 1) * s.per_cell);
  for (int64_t h = part * s.per_cell; h < headEnd; ++h) {
    const int64_t head = kvHead * group + h;
    auto scoreOfHead = [&](int64_t i, int64_t j, float value) {
      return score(batch, head, i, j, value);
    };
    if (s.Sq <= kStepQueries && s.D <= StepShared::kWidest) {
      for (int64_t i = begin; i < iEnd; ++i)
        attendStep<Chunks>(
            shared.step, p,
            q + batch * s.q_batch + head * s.q_head + i * s.q_row, keys, values,
            i, scoreOfHead,
            [&](int64_t d, float number) { post(batch, head, i, d, number); });
      continue;
    }
    for (int64_t i0 = begin; i0 < iEnd; i0 += AttentionTiles::kSide) {
      QueryTile<Chunks, StateTokens<T>, StateTokens<T>, decltype(scoreOfHead),
                Post>
          tile(shared.tiles, p,
               {q + batch * s.q_batch + head * s.q_head, s.q_row}, keys, values,
               i0, iEnd, scoreOfHead, post);
      tile.attend(0, s.Skv, false);
      tile.finish(batch, head);
    }
  }
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_STATE_CUH
