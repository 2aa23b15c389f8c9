//===- TensorGemm.cuh - Products with narrow weights ----------------------===//
//
// Rows of codegen/cpu/kernels/kernels.inc, on tensor cores; gemm_tf32, which is
// gemm_f32 in tf32, a GPU has alone. bf16 by bf16, f16 by f16 and bytes by
// bytes are what the rows say. Activations of f32 beside weights of 16 bits and
// fewer are multiplied in tf32, which holds f16, bf16 and the 8-bit floats as
// they are and has f32's range; sums are of f32.
//
// A block has a tile of MBlock x NBlock. With NBlock = 16 the grid is that of
// panels, one a block: at most 8 rows take FewRows; with more, blocks beyond
// the tiles have nothing to do.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_TENSORGEMM_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_TENSORGEMM_CUH

#include "FewColumns.cuh"
#include "Gemm.cuh"
#include "WarpgroupTile.cuh"

namespace mmcc {

/// Columns of a tile.
template <int NBlock> constexpr int kTileColumns = cuda::tileColumns(NBlock);
static_assert(sizeof(TensorStages<128, 64>) ==
                      cuda::tensorSharedBytes(128, 64) &&
                  sizeof(TensorStages<64, 128>) ==
                      cuda::tensorSharedBytes(64, 128),
              "what the launch asks for");

/// out(m, n, sum) for the tile of this block. makeA(m0) gives who brings rows
/// m0 and up, makeB(n0) columns n0 and up.
template <typename Math, int MBlock, int NBlock, typename MakeA, typename MakeB,
          typename Out>
__device__ void tensorCell(int64_t rows, int64_t columns, int64_t depth,
                           MakeA makeA, MakeB makeB, Out out) {
  constexpr int kColumns = kTileColumns<NBlock>;
  using Stages = TensorStages<MBlock, kColumns>;
  MMCC_DYNAMIC_SHARED(Stages, stages);
  const int64_t m0 = int64_t(blockIdx.y) * MBlock;
  const int64_t n0 = int64_t(blockIdx.x) * kColumns;
  if (n0 >= columns)
    return;
  auto a = makeA(m0);
  auto b = makeB(n0);
  TensorSums<typename Math::Sum, MBlock, kColumns> sums;
  multiplyStages<Math>(stages, sums,
                       (depth + Math::kPerWord - 1) / Math::kPerWord, a, b,
                       [](int64_t, const auto &) {});
  sums.each([&](int row, int column, float sum) {
    if (m0 + row < rows && n0 + column < columns)
      out(m0 + row, n0 + column, sum);
  });
}

//===----------------------------------------------------------------------===//
// gemm_bf16_bf16, gemm_f16_f16, gemm_tf32
//===----------------------------------------------------------------------===//

/// Rows of T by a weight of T in columns, both multiplied as they are.
/// maps as in warpgroupCell.
template <typename Math, int MBlock, int NBlock, typename T, typename Post>
__device__ void storedGemm(const T *__restrict__ a, const T *__restrict__ w,
                           const GemmParams &p,
                           [[maybe_unused]] const TensorMap *maps, Post post) {
  constexpr int64_t kBytes = sizeof(T);
  const int64_t batch = blockIdx.z;
  const T *rows = a + batch * p.a_batch;
  auto out = [&](int64_t m, int64_t n, float sum) { post(batch, m, n, sum); };
  if (takesFewColumns<MBlock, NBlock>(
          p.M, p.N, p.K * kBytes, w, FewStoredRows<T>{rows, p.a_row, p.K}, out))
    return;
  if constexpr (MBlock > kFewRows) {
    auto makeA = [&](int64_t m0) {
      return StoredRows<MBlock>{
          reinterpret_cast<const char *>(rows + m0 * p.a_row), p.a_row * kBytes,
          p.M - m0, p.K * kBytes};
    };
    auto makeB = [&](int64_t n0) {
      return storedColumns<kTileColumns<NBlock>>(w, n0, p.N, p.K * kBytes);
    };
#ifdef MMCC_WARPGROUPS
    if constexpr (Math::kPerWord == 2)
      return warpgroupCell<Math, MBlock, kTileColumns<NBlock>>(
          p.M, p.N, p.K * kBytes, makeA, makeB, maps, out);
#endif
    tensorCell<Math, MBlock, NBlock>(p.M, p.N, p.K, makeA, makeB, out);
  }
}

/// T: bf16 or f16.
template <int MBlock, int NBlock, typename T, typename Post>
__device__ void gemmHalves(const T *__restrict__ a, const T *__restrict__ w,
                           const GemmParams &p, const TensorMap *maps,
                           Post post) {
  storedGemm<HalfMath<T>, MBlock, NBlock>(a, w, p, maps, post);
}
template <int MBlock, int NBlock, typename Post>
__device__ void gemmTf32(const float *__restrict__ a,
                         const float *__restrict__ w, const GemmParams &p,
                         Post post) {
  storedGemm<RoundingTf32Math, MBlock, NBlock>(a, w, p, nullptr, post);
}

//===----------------------------------------------------------------------===//
// gemm_f32_*
//===----------------------------------------------------------------------===//

/// Rows of f32 by weights that Lines makes tf32 of.
template <int MBlock, int NBlock, typename Lines, typename Post>
__device__ void widenedGemm(const float *__restrict__ a,
                            const typename Lines::Stored *__restrict__ w,
                            const Lines &unit, int64_t M, int64_t N, int64_t K,
                            int64_t a_batch, int64_t a_row, Post post) {
  const int64_t batch = blockIdx.z;
  const float *rows = a + batch * a_batch;
  auto out = [&](int64_t m, int64_t n, float sum) { post(batch, m, n, sum); };
  if (takesFewRows<MBlock, NBlock>(M, N, K, w, unit,
                                   FewFloatRows(rows, a_row, K), out))
    return;
  if constexpr (MBlock > kFewRows)
    tensorCell<Tf32Math, MBlock, NBlock>(
        M, N, K,
        [&](int64_t m0) {
          return StoredRows<MBlock>{
              reinterpret_cast<const char *>(rows + m0 * a_row), a_row * 4,
              M - m0, K * 4};
        },
        [&](int64_t n0) {
          return WidenedPanels<kTileColumns<NBlock>, Lines>{
              w, (K + Lines::kRows - 1) / Lines::kRows, n0 / kPanel,
              panelsOf(N), unit};
        },
        out);
}

template <int MBlock, int NBlock, typename Post>
__device__ void gemmHalf(const float *__restrict__ a, const f16 *__restrict__ w,
                         const GemmParams &p, Post post) {
  widenedGemm<MBlock, NBlock>(a, w, FloatLines<f16>{}, p.M, p.N, p.K, p.a_batch,
                              p.a_row, post);
}
template <int MBlock, int NBlock, typename Post>
__device__ void gemmHalf(const float *__restrict__ a,
                         const bf16 *__restrict__ w, const GemmParams &p,
                         Post post) {
  widenedGemm<MBlock, NBlock>(a, reinterpret_cast<const uint32_t *>(w),
                              Bf16Lines(), p.M, p.N, p.K, p.a_batch, p.a_row,
                              post);
}

struct ScaledGemmParams {
  int64_t B, M, N, K, a_batch, a_row, group, m_block, n_block;
};

template <int MBlock, int NBlock, typename T, typename Post>
__device__ void gemmFloat8(const float *__restrict__ a, const T *__restrict__ w,
                           const float *__restrict__ scale,
                           const ScaledGemmParams &p, Post post) {
  const GroupScales scales{scale, nullptr, p.group, p.K / p.group};
  widenedGemm<MBlock, NBlock>(a, w, FloatLines<T>{scales}, p.M, p.N, p.K,
                              p.a_batch, p.a_row, post);
}

struct NarrowGemmParams {
  int64_t B, M, N, K, a_batch, a_row, group, zeros, m_block, n_block;
};

template <int MBlock, int NBlock, typename Lines, typename Post>
__device__ void
gemmNarrow(const float *__restrict__ a, const void *__restrict__ w,
           const float *__restrict__ scale, const float *__restrict__ zero,
           const NarrowGemmParams &p, Post post) {
  const GroupScales scales{scale, p.zeros ? zero : nullptr, p.group,
                           p.K / p.group};
  widenedGemm<MBlock, NBlock>(a, static_cast<const uint32_t *>(w),
                              Lines{scales}, p.M, p.N, p.K, p.a_batch, p.a_row,
                              post);
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_TENSORGEMM_CUH
