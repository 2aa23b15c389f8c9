//===- Gemm.cuh - gemm_f32, batch_gemm_f32 --------------------------------===//
//
// Rows of codegen/cpu/kernels/kernels.inc, which says what they compute and
// what their parameters mean. Weights lie in panels of 16 columns.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_GEMM_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_GEMM_CUH

#include "FewRows.cuh"
#include "Product.cuh"

namespace mmcc {

/// Element (k, n) of weights in panels [ceil(N/16)][depth][16].
template <typename T> struct Panels {
  const T *__restrict__ numbers;
  int64_t depth;
  __device__ float operator()(int64_t k, int64_t n) const {
    return float(numbers[(n / 16 * depth + k) * 16 + n % 16]);
  }
};

struct GemmParams {
  int64_t B, M, N, K, a_batch, a_row, m_block, n_block;
};

/// With NBlock = 16 the grid is that of panels: few rows take one each, more
/// rows leave blocks beyond the tiles without work.
template <int MBlock, int NBlock, typename Post>
__device__ void gemm(const float *__restrict__ a, const float *__restrict__ w,
                     const GemmParams &p, Post post) {
  const int64_t batch = blockIdx.z;
  const float *rows = a + batch * p.a_batch;
  auto number = [&](int64_t m, int64_t k) { return rows[m * p.a_row + k]; };
  auto out = [&](int64_t m, int64_t n, float sum) { post(batch, m, n, sum); };
  if (takesFewRows<MBlock, NBlock>(p.M, p.N, p.K, w, FloatLines<float>{},
                                   FewFloatRows(rows, p.a_row, p.K), out))
    return;
  if constexpr (MBlock > kFewRows)
    multiplyCell<MBlock>(p.M, p.N, p.K, number, Panels<float>{w, p.K}, out);
}

struct BatchGemmParams {
  int64_t B0, B1, M, N, K, a_b0, a_b1, a_row, a_col, b_b0, b_b1, b_row, b_col,
      m_block, n_block;
};

template <int MBlock, int NBlock, typename Post>
__device__ void batchGemm(const float *__restrict__ a,
                          const float *__restrict__ b, const BatchGemmParams &p,
                          Post post) {
  const int64_t b0 = blockIdx.z / p.B1, b1 = blockIdx.z % p.B1;
  const float *left = a + b0 * p.a_b0 + b1 * p.a_b1;
  const float *right = b + b0 * p.b_b0 + b1 * p.b_b1;
  static_assert(MBlock == NBlock);
  multiplyCell<MBlock>(
      p.M, p.N, p.K,
      [&](int64_t m, int64_t k) { return left[m * p.a_row + k * p.a_col]; },
      [&](int64_t k, int64_t n) { return right[k * p.b_row + n * p.b_col]; },
      [&](int64_t m, int64_t n, float sum) { post(b0, b1, m, n, sum); });
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_GEMM_CUH
