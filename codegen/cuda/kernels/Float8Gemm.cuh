//===- Float8Gemm.cuh - gemm_f8_f8 ----------------------------------------===//
//
// f8e4m3 by f8e4m3, a scale a row and one a column. Whoever multiplies them,
// products are exact: f32 holds them, and f16 holds every f8e4m3.
//
//     sm_89             an instruction for them
//     sm_90a            one of warpgroups (WarpgroupTile.cuh)
//     sm_100            f16, by instructions that convert two at a time:
//                       mma.sync of f8 is no more there than these and f16's
//     sm_80, sm_86      f16, by shifts
//
// Instructions for f8 sum with fewer bits than f32 has: on Hopper's tensor
// cores 14 (DeepSeek-V3, arXiv 2412.19437), and nobody says how many Ada's
// have. After 128 numbers of K their sums are therefore added to others in f32.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_FLOAT8GEMM_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_FLOAT8GEMM_CUH

#include "TensorGemm.cuh"
#include "WarpgroupTile.cuh"

namespace mmcc {

#if __CUDA_ARCH__ >= 890
/// What a number of float8Halves is more.
constexpr float kFloat8Unit = 1;

/// The four numbers of a word as f16. Which is where is of no concern, as long
/// as it is the same for what they meet.
__device__ inline void float8Halves(uint32_t word, uint32_t (&halves)[2]) {
  halves[0] = halvesOfFloat8(word);
  halves[1] = halvesOfFloat8(word >> 16);
}
#else
constexpr float kFloat8Unit = 256;

__device__ inline void float8Halves(uint32_t word, uint32_t (&halves)[2]) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    // The upper byte of each half is a number: with the exponent in its place
    // it is 2^8 too small, since f16's bias is 8 more.
    const uint32_t upper = i ? word : word << 8;
    const uint32_t size = upper >> 1 & 0x3f803f80;
    // Only NaN carries, into the exponent's first bit: all are set then.
    halves[i] =
        (upper & 0x80008000) | size | ((size + 0x00800080) & 0x40004000);
  }
}
#endif

struct Float8Math {
  using Sum = float;
  static constexpr int kPerWord = 4;
  static __device__ uint32_t prepare(uint32_t word) { return word; }
  static __device__ uint32_t prepareRight(uint32_t word) { return word; }

#if __CUDA_ARCH__ == 890
  static constexpr float kUnit = 1;
  /// Words of K after which sums are taken elsewhere.
  static constexpr int64_t kSumWords = 32;
  static __device__ void multiply(Sum (&c)[4], const uint32_t (&a)[4],
                                  uint32_t b0, uint32_t b1) {
    multiplyFloat8(c, a, b0, b1);
  }
#else
  static constexpr float kUnit = kFloat8Unit * kFloat8Unit;
  static constexpr int64_t kSumWords = 0; // never
  static __device__ void multiply(Sum (&c)[4], const uint32_t (&a)[4],
                                  uint32_t b0, uint32_t b1) {
    uint32_t left[2][4], right[2][2];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      uint32_t halves[2];
      float8Halves(a[i], halves);
      left[0][i] = halves[0];
      left[1][i] = halves[1];
    }
    float8Halves(b0, right[0]);
    float8Halves(b1, right[1]);
#pragma unroll
    for (int half = 0; half < 2; ++half)
      multiplyF16(c, left[half], right[0][half], right[1][half]);
  }
#endif
};

#ifdef MMCC_WARPGROUPS
/// A stage of lines is 128 numbers along K.
struct WarpgroupFloat8Math {
  using Sum = float;
};
template <> inline constexpr bool sumsApart<WarpgroupFloat8Math> = true;

template <int Sums>
__device__ void multiplyWarpgroup(WarpgroupFloat8Math, float (&c)[Sums],
                                  uint64_t a, uint64_t b, bool adds) {
  multiplyWarpgroupFloat8(c, a, b, adds);
}
#endif

struct Float8GemmParams {
  int64_t B, M, N, K, a_batch, a_row, s_batch, s_row, m_block, n_block;
};

/// Rows of f8 by a weight of f8 in columns (FewColumns.cuh).
struct FewFloat8Rows {
  const f8e4m3 *__restrict__ numbers;
  int64_t stride, depth;

  /// The numbers of a piece, over kFloat8Unit each.
  struct Column {
    float of[16];
  };
  static __device__ Column prepare(const PieceOfWords &piece) {
    Column column;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      uint32_t halves[2];
      float8Halves(piece.of[i], halves);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        f16 half;
        half.code = uint16_t(halves[j / 2] >> j % 2 * 16);
        column.of[i * 4 + j] = float(half);
      }
    }
    return column;
  }

  __device__ float multiply(int64_t m, int64_t, int64_t byte,
                            const Column &column) const {
    const Column row = prepare(
        pieceAt(numbers + m * stride + byte, depth - byte,
                reinterpret_cast<uint64_t>(numbers) | uint64_t(stride)));
    float sum = 0;
#pragma unroll
    for (int i = 0; i < 16; ++i)
      sum += row.of[i] * column.of[i];
    return sum;
  }
};

/// A tile, of bytes `rows` of A and a weight in columns.
template <typename Math, int MBlock, int NBlock, typename Out>
__device__ void float8Cell(const char *rows, const void *weight,
                           const Float8GemmParams &p, Out out) {
  constexpr int kColumns = kTileColumns<NBlock>;
  using Shape = TensorShape<MBlock, kColumns>;
  using Stages = TensorStages<MBlock, kColumns>;
  MMCC_DYNAMIC_SHARED(Stages, stages);
  const int64_t m0 = int64_t(blockIdx.y) * MBlock;
  const int64_t n0 = int64_t(blockIdx.x) * kColumns;
  if (n0 >= p.N)
    return;
  StoredRows<MBlock> a{rows + m0 * p.a_row, p.a_row, p.M - m0, p.K};
  auto b = storedColumns<kColumns>(weight, n0, p.N, p.K);
  TensorSums<float, MBlock, kColumns> sums;
  if constexpr (Math::kSumWords == 0) {
    multiplyStages<Math>(stages, sums, p.K / 4, a, b,
                         [](int64_t, const auto &) {});
  } else {
    TensorSums<float, MBlock, kColumns> parts;
    auto take = [&] {
#pragma unroll
      for (int down = 0; down < Shape::kDown; ++down)
#pragma unroll
        for (int across = 0; across < Shape::kAcross; ++across)
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            sums.of[down][across][i] += parts.of[down][across][i];
            parts.of[down][across][i] = 0;
          }
    };
    multiplyStages<Math>(stages, parts, p.K / 4, a, b,
                         [&](int64_t done, const auto &) {
                           if (done % Math::kSumWords == 0)
                             take();
                         });
    take();
  }
  sums.each([&](int row, int column, float sum) {
    if (m0 + row < p.M && n0 + column < p.N)
      out(m0 + row, n0 + column, sum * Math::kUnit);
  });
}

/// The weight is in columns; maps as in warpgroupCell.
template <int MBlock, int NBlock, typename Post>
__device__ void
gemmFloat8Rows(const f8e4m3 *__restrict__ a, const float *__restrict__ a_scale,
               const f8e4m3 *__restrict__ w, const float *__restrict__ scale,
               const Float8GemmParams &p,
               [[maybe_unused]] const TensorMap *maps, Post post) {
  const int64_t batch = blockIdx.z;
  const f8e4m3 *rows = a + batch * p.a_batch;
  const float *rowScales = a_scale + batch * p.s_batch;
  auto out = [&](int64_t m, int64_t n, float sum) {
    post(batch, m, n, sum * (rowScales[m * p.s_row] * scale[n]));
  };
  if (takesFewColumns<MBlock, NBlock>(
          p.M, p.N, p.K, w, FewFloat8Rows{rows, p.a_row, p.K},
          [&](int64_t m, int64_t n, float sum) {
            out(m, n, sum * (kFloat8Unit * kFloat8Unit));
          }))
    return;
  if constexpr (MBlock > kFewRows) {
    const auto *bytes = reinterpret_cast<const char *>(rows);
#ifdef MMCC_WARPGROUPS
    warpgroupCell<WarpgroupFloat8Math, MBlock, kTileColumns<NBlock>>(
        p.M, p.N, p.K,
        [&](int64_t m0) {
          return StoredRows<MBlock>{bytes + m0 * p.a_row, p.a_row, p.M - m0,
                                    p.K};
        },
        [&](int64_t n0) {
          return storedColumns<kTileColumns<NBlock>>(w, n0, p.N, p.K);
        },
        maps, out);
#else
    float8Cell<Float8Math, MBlock, NBlock>(bytes, w, p, out);
#endif
  }
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_FLOAT8GEMM_CUH
