//===- FewRows.cuh - Products of few rows, bound by reading weights -------===//
//
// At most 8 rows times one panel of 16 columns. The 256 threads are 16 columns
// times 16 parts of K; neighbours read neighbouring words, and each has several
// lines under way before it multiplies one:
//
//     thread     0 .. 15   16 .. 31        240 .. 255
//     line       l         l + 1      ..   l + 15         then l + 16, ...
//
// Parts are summed in order, so that results do not depend on who came first.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_FEWROWS_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_FEWROWS_CUH

#include "Panels.cuh"

namespace mmcc {

constexpr int kFewRows = cuda::kFewRows, kParts = cuda::kThreads / kPanel;
/// Lines that a thread loads before it multiplies the first of them.
constexpr int kLinesAhead = 8;

/// Rows of A for few rows: read(m, k, numbers) gives neighbours along K, zeros
/// beyond `depth`, and k is a multiple of how many they are.
struct FewFloatRows {
  const float *__restrict__ numbers;
  int64_t stride, depth;
  bool inFours;

  __device__ FewFloatRows(const float *numbers, int64_t stride, int64_t depth)
      : numbers(numbers), stride(stride), depth(depth),
        inFours((reinterpret_cast<uint64_t>(numbers) | uint64_t(stride * 4)) %
                    16 ==
                0) {}

  template <int N>
  __device__ void read(int64_t m, int64_t k, float (&x)[N]) const {
    const float *from = numbers + m * stride + k;
    if constexpr (N % 4 == 0) {
      // Loads are what there is most of: four numbers take one.
      if (inFours && k + N <= depth) {
#pragma unroll
        for (int i = 0; i < N; i += 4) {
          const FourFloats four =
              *reinterpret_cast<const FourFloats *>(from + i);
#pragma unroll
          for (int j = 0; j < 4; ++j)
            x[i + j] = four.of[j];
        }
        return;
      }
    }
#pragma unroll
    for (int i = 0; i < N; ++i)
      x[i] = k + i < depth ? from[i] : 0.0f;
  }
};
/// One buffer for all instances of sumParts.
__device__ inline float *partsBuffer() {
  __shared__ float parts[kParts * kFewRows * kPanel];
  return parts;
}

/// Sums of each part, then out(m, column of the panel, sum) for m < rows.
template <int Rows, typename Out>
__device__ void sumParts(const float (&sums)[Rows], int64_t rows, Out out) {
  auto *parts = reinterpret_cast<float(*)[Rows][kPanel]>(partsBuffer());
  const int column = threadIdx.x % kPanel, part = threadIdx.x / kPanel;
  __syncthreads(); // sums before may still be read
  for (int r = 0; r < Rows; ++r)
    parts[part][r][column] = sums[r];
  __syncthreads(); // all parts are there
  for (int r = part; r < Rows && r < rows; r += kParts) {
    float sum = 0;
    for (int i = 0; i < kParts; ++i)
      sum += parts[i][r][column];
    out(r, column, sum);
  }
}

/// out(m, n, sum over k of a(m, k) * w[k, n]) for m < rows <= Rows and the
/// columns n of a panel, as Lines has them. `a` are rows as FewFloatRows is.
template <int Rows, typename Lines, typename A, typename Out>
__device__ void multiplyFewRows(int64_t panel, int64_t rows, int64_t columns,
                                int64_t depth,
                                const typename Lines::Stored *__restrict__ w,
                                const Lines &unit, A a, Out out) {
  constexpr int kRows = Lines::kRows;
  const int64_t lines = (depth + kRows - 1) / kRows;
  const int column = threadIdx.x % kPanel, part = threadIdx.x / kPanel;
  const int64_t n = panel * kPanel + column;
  const auto *from = w + panel * lines * kPanel + column;
  float sums[Rows] = {};
  for (int64_t first = part; first < lines; first += kParts * kLinesAhead) {
    ScaledWord<typename Lines::Stored> loaded[kLinesAhead];
#pragma unroll
    for (int i = 0; i < kLinesAhead; ++i)
      if (const int64_t line = first + i * kParts; line < lines)
        loaded[i] = unit.load(from[line * kPanel], line * kRows, n);
#pragma unroll
    for (int i = 0; i < kLinesAhead; ++i) {
      const int64_t line = first + i * kParts;
      if (line >= lines)
        break;
      float numbers[kRows];
      Lines::widen(loaded[i], numbers);
#pragma unroll
      for (int r = 0; r < Rows; ++r)
        if (r < rows) {
          float x[kRows];
          a.read(r, line * kRows, x);
#pragma unroll
          for (int j = 0; j < kRows; ++j)
            sums[r] += x[j] * numbers[j];
        }
    }
  }
  sumParts(sums, rows, [&](int64_t m, int c, float sum) {
    if (panel * kPanel + c < columns)
      out(m, panel * kPanel + c, sum);
  });
}

/// Calls f with the number of rows rounded up, as a constant.
template <typename F> __device__ void withFewRows(int64_t rows, F f) {
  if (rows == 1)
    f(std::integral_constant<int, 1>());
  else if (rows <= 4)
    f(std::integral_constant<int, 4>());
  else
    f(std::integral_constant<int, kFewRows>());
}

/// Whether this block's share are few rows of a panel, and then does it: a(m,
/// k) are numbers of A.
template <int MBlock, int NBlock, typename Lines, typename A, typename Out>
__device__ bool takesFewRows(int64_t rows, int64_t columns, int64_t depth,
                             const typename Lines::Stored *w, const Lines &unit,
                             A a, Out out) {
  if constexpr (NBlock != kPanel)
    return false;
  if (rows > kFewRows)
    return false;
  withFewRows(rows, [&](auto most) {
    multiplyFewRows<decltype(most)::value>(blockIdx.x, rows, columns, depth, w,
                                           unit, a, out);
  });
  return true;
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_FEWROWS_CUH
