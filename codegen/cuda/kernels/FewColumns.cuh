//===- FewColumns.cuh - Products of few rows by a weight in columns -------===//
//
// At most 8 rows times 16 columns, whose words lie one after the other. A warp
// has two columns and goes along them in pieces of 16 bytes, several under way
// before the first is multiplied:
//
//     warp 0   columns  0,  1    lane 0: piece 0, 32, ...   lane 31: piece 31,
//     63, ... warp 7   columns 14, 15
//
// Lanes' sums are added in one order, whoever came first.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_FEWCOLUMNS_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_FEWCOLUMNS_CUH

#include "FewRows.cuh"
#include "Team.cuh"

namespace mmcc {

/// 16 bytes of a column, or of a row.
struct alignas(16) PieceOfWords {
  uint32_t of[4];
};

/// 16 bytes at `from`, of which `bytes` are there; `places` is what is known of
/// the address.
__device__ inline PieceOfWords pieceAt(const void *from, int64_t bytes,
                                       uint64_t places) {
  if (places % 16 == 0 && bytes >= 16)
    return *static_cast<const PieceOfWords *>(from);
  PieceOfWords piece = {};
  const auto *single = static_cast<const uint8_t *>(from);
#pragma unroll
  for (int i = 0; i < 16; ++i)
    if (i < bytes)
      piece.of[i / 4] |= uint32_t(single[i]) << i % 4 * 8;
  return piece;
}

/// Rows of bf16, f16 or f32, which their weight is of, too.
template <typename T> struct FewStoredRows {
  const T *__restrict__ numbers;
  int64_t stride, depth;

  /// What is made of a piece of a column, once for all rows.
  static __device__ const PieceOfWords &prepare(const PieceOfWords &piece) {
    return piece;
  }
  /// What a piece of column n at `byte` adds to the sum of row m.
  __device__ float multiply(int64_t m, int64_t, int64_t byte,
                            const PieceOfWords &column) const {
    constexpr int64_t kBytes = sizeof(T);
    const PieceOfWords piece = pieceAt(
        reinterpret_cast<const char *>(numbers + m * stride) + byte,
        depth * kBytes - byte,
        reinterpret_cast<uint64_t>(numbers) | uint64_t(stride * kBytes));
    float sum = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if constexpr (kBytes == 2) {
        float x[2], w[2];
        unpack<T>(piece.of[i], x);
        unpack<T>(column.of[i], w);
        sum += x[0] * w[0] + x[1] * w[1];
      } else {
        sum += __uint_as_float(piece.of[i]) * __uint_as_float(column.of[i]);
      }
    return sum;
  }
};

/// Pieces of a column that a lane loads before it multiplies the first of them.
constexpr int kPiecesAhead = 4;

/// out(m, n, sum) for m < rows <= Rows and the 16 columns from n0 on of
/// `columns`, each of `rowLength` bytes. `a` as FewStoredRows.
template <int Rows, typename A, typename Out>
__device__ void
multiplyFewColumns(int64_t n0, int64_t rows, int64_t columns, int64_t rowLength,
                   const void *__restrict__ weight, const A &a, Out out) {
  constexpr int kColumns = kPanel / (cuda::kThreads / kWarp);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t pieces = (rowLength + 15) / 16;
  const auto *column = static_cast<const PieceOfWords *>(weight) +
                       (n0 + warp * kColumns) * pieces;
  float sums[kColumns][Rows] = {};
  for (int64_t first = lane; first < pieces; first += kWarp * kPiecesAhead) {
    PieceOfWords loaded[kColumns][kPiecesAhead];
#pragma unroll
    for (int c = 0; c < kColumns; ++c)
#pragma unroll
      for (int i = 0; i < kPiecesAhead; ++i)
        if (const int64_t piece = first + i * kWarp; piece < pieces)
          loaded[c][i] = column[c * pieces + piece];
#pragma unroll
    for (int i = 0; i < kPiecesAhead; ++i) {
      const int64_t piece = first + i * kWarp;
      if (piece >= pieces)
        break;
      std::decay_t<decltype(A::prepare(loaded[0][0]))> prepared[kColumns];
#pragma unroll
      for (int c = 0; c < kColumns; ++c)
        prepared[c] = A::prepare(loaded[c][i]);
#pragma unroll
      for (int r = 0; r < Rows; ++r)
        if (r < rows)
#pragma unroll
          for (int c = 0; c < kColumns; ++c)
            sums[c][r] += a.multiply(r, n0 + warp * kColumns + c, piece * 16,
                                     prepared[c]);
    }
  }
#pragma unroll
  for (int c = 0; c < kColumns; ++c)
#pragma unroll
    for (int r = 0; r < Rows; ++r) {
      const float sum = acrossWarp<Sum<float>>(sums[c][r]);
      const int64_t n = n0 + warp * kColumns + c;
      if (lane == r && r < rows && n < columns)
        out(r, n, sum);
    }
}

/// Whether this block's share are few rows of 16 columns, and then does it.
template <int MBlock, int NBlock, typename A, typename Out>
__device__ bool
takesFewColumns(int64_t rows, int64_t columns, int64_t rowLength,
                const void *__restrict__ weight, const A &a, Out out) {
  if constexpr (NBlock != kPanel)
    return false;
  if (rows > kFewRows)
    return false;
  withFewRows(rows, [&](auto most) {
    multiplyFewColumns<decltype(most)::value>(
        int64_t(blockIdx.x) * kPanel, rows, columns, rowLength, weight, a, out);
  });
  return true;
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_FEWCOLUMNS_CUH
