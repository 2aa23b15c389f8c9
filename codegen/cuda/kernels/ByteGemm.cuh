//===- ByteGemm.cuh - gemm_i8_u4, gemm_i8_i8 ------------------------------===//
//
// Bytes by bytes, summed in integers as far as one pair of scales reaches (a
// step: what divides both a group of the weight and a block of the row), then
// scaled and summed in f32. Where weights have zeros, the sum of the row's
// numbers times the zero is taken off.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_BYTEGEMM_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_BYTEGEMM_CUH

#include "TensorGemm.cuh"

namespace mmcc {

/// What both rows' parameters have in common, for this block's batch.
struct ByteProduct {
  int64_t M, N, K, a_row, s_row, a_block;
  const int8_t *rows;
  const float *rowScales;
  GroupScales scales;

  template <typename Params>
  __device__ ByteProduct(const int8_t *a, const float *a_scale,
                         const float *scale, const float *zero, const Params &p)
      : M(p.M), N(p.N), K(p.K), a_row(p.a_row), s_row(p.s_row),
        a_block(p.a_block), rows(a + blockIdx.z * p.a_batch),
        rowScales(a_scale + blockIdx.z * p.s_batch),
        scales{scale, p.zeros ? zero : nullptr, p.group, p.K / p.group} {}

  __device__ int64_t step() const {
    int64_t a = scales.group, b = a_block;
    while (b) {
      const int64_t rest = a % b;
      a = b;
      b = rest;
    }
    return a;
  }
  template <int Count>
  __device__ StoredRows<Count> storedRows(int64_t m0) const {
    return {reinterpret_cast<const char *>(rows + m0 * a_row), a_row, M - m0,
            K};
  }
  /// Scale of row m at depth k.
  __device__ float rowScale(int64_t m, int64_t k) const {
    return rowScales[m * s_row + k / a_block];
  }
};

/// Sums of four bytes.
__device__ inline int32_t sumBytes(uint32_t word, int32_t sum) {
  return __dp4a(int32_t(word), 0x01010101, sum);
}

/// A tile: makeB as in tensorCell.
template <int MBlock, int NBlock, typename MakeB, typename Out>
__device__ void byteCell(const ByteProduct &p, MakeB makeB, Out out) {
  constexpr int kColumns = kTileColumns<NBlock>;
  using Shape = TensorShape<MBlock, kColumns>;
  using Stages = TensorStages<MBlock, kColumns>;
  MMCC_DYNAMIC_SHARED(Stages, stages);
  const int64_t m0 = int64_t(blockIdx.y) * MBlock;
  const int64_t n0 = int64_t(blockIdx.x) * kColumns;
  if (n0 >= p.N)
    return;
  auto a = p.storedRows<MBlock>(m0);
  auto b = makeB(n0);
  TensorSums<int32_t, MBlock, kColumns> integers;
  TensorSums<float, MBlock, kColumns> sums;
  int32_t rowSums[Shape::kDown][2] = {}; // of this lane's words of A
  const int64_t stepWords = p.step() / 4, words = p.K / 4;
  auto scale = [&](int64_t k) {
#pragma unroll
    for (int down = 0; down < Shape::kDown; ++down)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int64_t m = m0 + Shape::row(down, half * 2);
        const float rowScale = m < p.M ? p.rowScale(m, k) : 0.0f;
        int32_t rowSum = rowSums[down][half];
        if (p.scales.zero) {
          // Four lanes have the row's words.
          rowSum += __shfl_xor_sync(0xffffffffu, rowSum, 1);
          rowSum += __shfl_xor_sync(0xffffffffu, rowSum, 2);
        }
        rowSums[down][half] = 0;
#pragma unroll
        for (int across = 0; across < Shape::kAcross; ++across)
#pragma unroll
          for (int i = half * 2; i < half * 2 + 2; ++i) {
            const int64_t n = n0 + Shape::column(across, i);
            float sum = float(integers.of[down][across][i]);
            integers.of[down][across][i] = 0;
            if (n >= p.N)
              continue;
            if (p.scales.zero)
              sum -= float(rowSum) * p.scales.zeroOf(k, n, 0);
            sums.of[down][across][i] +=
                sum * (rowScale * p.scales.scaleOf(k, n));
          }
      }
  };
  multiplyStages<ByteMath>(
      stages, integers, words, a, b,
      [&](int64_t done, const uint32_t(&left)[Shape::kDown][4]) {
        if (p.scales.zero)
#pragma unroll
          for (int down = 0; down < Shape::kDown; ++down)
#pragma unroll
            for (int i = 0; i < 4; ++i)
              rowSums[down][i % 2] =
                  sumBytes(left[down][i], rowSums[down][i % 2]);
        if (done <= words && done % stepWords == 0)
          scale((done - kStepWords) * 4);
      });
  sums.each([&](int row, int column, float sum) {
    if (m0 + row < p.M && n0 + column < p.N)
      out(m0 + row, n0 + column, sum);
  });
}

/// Few rows of a panel of nibbles, each less `less`.
template <typename Out>
__device__ void nibbleFewRows(const ByteProduct &p,
                              const uint32_t *__restrict__ w, uint32_t less,
                              Out out) {
  constexpr int Words = 2;
  const int64_t panel = blockIdx.x, lines = p.K / (4 * Words);
  const int column = threadIdx.x % kPanel, part = threadIdx.x / kPanel;
  const int64_t n = panel * kPanel + column;
  const uint32_t *from = w + panel * lines * kPanel + column;
  float sums[kFewRows] = {};
  for (int64_t line = part; line < lines; line += kParts) {
    const int64_t k = line * 4 * Words;
    uint32_t bytes[Words];
    unpackNibbles(from[line * kPanel], less, bytes);
    const float scale = p.scales.scaleOf(k, n);
    for (int r = 0; r < kFewRows && r < p.M; ++r) {
      int32_t sum = 0, rowSum = 0;
      for (int i = 0; i < Words; ++i) {
        // Rows are aligned to their elements only.
        const int8_t *four = p.rows + r * p.a_row + k + i * 4;
        const uint32_t word = uint8_t(four[0]) | uint8_t(four[1]) << 8 |
                              uint8_t(four[2]) << 16 |
                              uint32_t(uint8_t(four[3])) << 24;
        sum = __dp4a(int32_t(word), int32_t(bytes[i]), sum);
        rowSum = sumBytes(word, rowSum);
      }
      float product = float(sum);
      if (p.scales.zero)
        product -= float(rowSum) * p.scales.zeroOf(k, n, 0);
      sums[r] += product * (p.rowScale(r, k) * scale);
    }
  }
  sumParts(sums, p.M, [&](int64_t m, int c, float sum) {
    if (panel * kPanel + c < p.N)
      out(m, panel * kPanel + c, sum);
  });
}

/// Rows of bytes by a weight of bytes in columns (FewColumns.cuh).
struct FewByteRows {
  const ByteProduct &product;

  static __device__ const PieceOfWords &prepare(const PieceOfWords &piece) {
    return piece;
  }
  __device__ float multiply(int64_t m, int64_t n, int64_t k,
                            const PieceOfWords &column) const {
    const int8_t *row = product.rows + m * product.a_row;
    const PieceOfWords piece =
        pieceAt(row + k, product.K - k,
                reinterpret_cast<uint64_t>(product.rows) | product.a_row);
    int32_t sum = 0, rowSum = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      sum = __dp4a(int32_t(piece.of[i]), int32_t(column.of[i]), sum);
      rowSum = sumBytes(piece.of[i], rowSum);
    }
    float numbers = float(sum);
    if (product.scales.zero)
      numbers -= float(rowSum) * product.scales.zeroOf(k, n, 0);
    return numbers * (product.rowScale(m, k) * product.scales.scaleOf(k, n));
  }
};

struct GemmI8U4Params {
  int64_t B, M, N, K, a_batch, a_row, s_batch, s_row, group, a_block, zeros,
      m_block, n_block;
};

template <int MBlock, int NBlock, typename Post>
__device__ void
gemmNibbles(const int8_t *__restrict__ a, const float *__restrict__ a_scale,
            const void *__restrict__ w, const float *__restrict__ scale,
            const float *__restrict__ zero, const GemmI8U4Params &p,
            Post post) {
  const int64_t batch = blockIdx.z;
  const auto *words = static_cast<const uint32_t *>(w);
  const uint32_t less = p.zeros ? 0 : kImpliedNibble;
  const ByteProduct product(a, a_scale, scale, zero, p);
  auto out = [&](int64_t m, int64_t n, float sum) { post(batch, m, n, sum); };
  if (NBlock == kPanel && p.M <= kFewRows) {
    nibbleFewRows(product, words, less, out);
    return;
  }
  if constexpr (MBlock > kFewRows)
    byteCell<MBlock, NBlock>(
        product,
        [&](int64_t n0) {
          return NibblePanels<kTileColumns<NBlock>>{words, p.K / 8, n0 / kPanel,
                                                    panelsOf(p.N), less};
        },
        out);
}

struct GemmI8I8Params {
  int64_t B, M, N, K, a_batch, a_row, s_batch, s_row, group, a_block, zeros,
      m_block, n_block, limited;
};

/// The weight is in columns; maps as in warpgroupCell.
template <int MBlock, int NBlock, typename Post>
__device__ void
gemmBytes(const int8_t *__restrict__ a, const float *__restrict__ a_scale,
          const void *__restrict__ w, const float *__restrict__ scale,
          const float *__restrict__ zero, const float *__restrict__ /*sums*/,
          const GemmI8I8Params &p, [[maybe_unused]] const TensorMap *maps,
          Post post) {
  const int64_t batch = blockIdx.z;
  const ByteProduct product(a, a_scale, scale, zero, p);
  auto out = [&](int64_t m, int64_t n, float sum) { post(batch, m, n, sum); };
  if (takesFewColumns<MBlock, NBlock>(p.M, p.N, p.K, w, FewByteRows{product},
                                      out))
    return;
  if constexpr (MBlock > kFewRows) {
    auto makeB = [&](int64_t n0) {
      return storedColumns<kTileColumns<NBlock>>(w, n0, p.N, p.K);
    };
#ifdef MMCC_WARPGROUPS
    // Scales that reach over all of K are the last thing.
    if (p.group == p.K && p.a_block == p.K && !p.zeros) {
      warpgroupCell<ByteMath, MBlock, kTileColumns<NBlock>>(
          p.M, p.N, p.K,
          [&](int64_t m0) { return product.storedRows<MBlock>(m0); }, makeB,
          maps,
          [&](int64_t m, int64_t n, int32_t sum) {
            out(m, n,
                float(sum) *
                    (product.rowScale(m, 0) * product.scales.scaleOf(0, n)));
          });
      return;
    }
#endif
    byteCell<MBlock, NBlock>(product, makeB, out);
  }
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_BYTEGEMM_CUH
