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
  using Element = T;
  static constexpr bool kScaled = Kept<T>::kScaled;
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
    if constexpr (kScaled)
      number *= factor(t);
    return number;
  }
  __device__ TokenRows<T> rows(int64_t t) const { return {&at(t, 0), width}; }
  /// What an element of token t is multiplied by.
  __device__ float factor(int64_t t) const { return scale(t) * Kept<T>::kUnit; }
};

struct StateAppendParams {
  int64_t B, H, rows, D, length, x_batch, x_head, x_row;
};

/// A warp takes a token; grid y is the head, z the sample. `counters` [B, H],
/// which is no tensor of the CPU's row, is left zero for attention.
template <typename T>
__device__ void stateAppend(const float *__restrict__ x, void *state,
                            int *counters, const StateAppendParams &p) {
  const int64_t head = blockIdx.y, batch = blockIdx.z;
  if (threadIdx.x == 0)
    counters[batch * p.H + head] = 0;
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

/// As stepAttention, a head a block along y. Keys of heads that are too wide
/// for steps are not cut.
template <int Depth, int Width, int Group, typename T, typename Score,
          typename Post>
__device__ void stateAttention(const float *__restrict__ q, const void *k,
                               const void *v, float *partials, int *counters,
                               const StateAttentionParams &s, Score score,
                               Post post) {
  constexpr bool kHasSteps =
      Depth <= cuda::kStepWidest && Width <= cuda::kStepWidest;
  constexpr int kStepDepth = kHasSteps ? Depth : 1;
  using Memory = StepMemory<AttentionTiles, kStepDepth, Width>;
  static_assert(isAskedFor<Memory, kStepDepth, Width>);
  MMCC_DYNAMIC_SHARED(Memory, shared);
  AttentionParams p{};
  p.Sq = s.Sq, p.Skv = s.Skv, p.D = s.D, p.Dv = s.Dv, p.scale = s.scale;
  p.causal = s.causal, p.causal_offset = s.causal_offset, p.window = s.window;
  p.q_batch = s.q_batch, p.q_head = s.q_head, p.q_row = s.q_row;
  const int64_t batch = blockIdx.z, head = blockIdx.y, kvHead = head / Group;
  const StateTokens<T> keys(k, s.D, batch * s.KvH + kvHead);
  const StateTokens<T> values(v, s.Dv, batch * s.KvH + kvHead);
  if constexpr (kHasSteps)
    if (s.Sq <= cuda::kStepQueries) {
      StepBlock<Depth, Width, Group, StateTokens<T>, Score, Post>(
          shared.step, p, q, keys, values, partials, counters, score, post)
          .run();
      return;
    }
  auto scoreOfHead = [&](int64_t i, int64_t j, float value) {
    return score(batch, head, i, j, value);
  };
  const int64_t begin = blockIdx.x * s.q_block;
  const int64_t iEnd = least(s.Sq, begin + s.q_block);
  for (int64_t i0 = begin; i0 < iEnd; i0 += AttentionTiles::kSide) {
    QueryTile<(Width + 31) / 32, StateTokens<T>, StateTokens<T>,
              decltype(scoreOfHead), Post>
        tile(shared.tiles, p,
             {q + batch * s.q_batch + head * s.q_head, s.q_row}, keys, values,
             i0, iEnd, scoreOfHead, post);
    tile.attend(0, s.Skv, false);
    tile.finish(batch, head);
  }
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_STATE_CUH
