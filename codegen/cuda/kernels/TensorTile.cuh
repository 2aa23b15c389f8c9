//===- TensorTile.cuh - Tiles of products on tensor cores -----------------===//
//
// A block of 256 threads makes a tile of Rows x Columns from stages of 16 words
// along K (Mma.cuh), in three buffers of shared memory:
//
//     a [Rows][16 words]       rows of A 20 words apart
//     b [Columns][16 words]    columns of B, likewise
//
// At that distance eight rows' words lie in different banks, as ldmatrix reads
// them. While a stage is multiplied the next two are on their way: whoever
// brings one `begin`s (asynchronous copies, or loads into registers) and
// `end`s (what came into registers is converted and stored).
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_TENSORTILE_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_TENSORTILE_CUH

#include "Blocking.cuh"
#include "Mma.cuh"

namespace mmcc {

constexpr int kStageWords = 16, kStepWords = 8, kPanel = 16;
constexpr int kRowPitch = kStageWords + 4;

/// A stage's share of rows of A, or of columns of B.
template <int Count> using StageRows = uint32_t[Count][kRowPitch];

template <int Rows, int Columns> struct TensorStage {
  alignas(16) StageRows<Rows> a;
  alignas(16) StageRows<Columns> b;
};

/// Eight warps on a tile, and where this thread's sums are in it.
template <int Rows, int Columns> struct TensorShape {
  static_assert(cuda::kThreads == 256 && (Rows == 64 || Rows == 128) &&
                (Columns == 64 || Columns == 128));
  static constexpr int kWarpRows = Rows == 128 && Columns == 128 ? 64 : 32;
  static constexpr int kWarpsDown = Rows / kWarpRows;
  static constexpr int kWarpColumns = Columns / (8 / kWarpsDown);
  static constexpr int kDown = kWarpRows / 16, kAcross = kWarpColumns / 8;

  static __device__ int lane() { return threadIdx.x % 32; }
  static __device__ int warpRow() {
    return int(threadIdx.x / 32) % kWarpsDown * kWarpRows;
  }
  static __device__ int warpColumn() {
    return int(threadIdx.x / 32) / kWarpsDown * kWarpColumns;
  }
  /// Of sum i of fragment (down, across).
  static __device__ int row(int down, int i) {
    return warpRow() + down * 16 + lane() / 4 + i / 2 * 8;
  }
  static __device__ int column(int across, int i) {
    return warpColumn() + across * 8 + lane() % 4 * 2 + i % 2;
  }
};

/// Sums of one thread.
template <typename T, int Rows, int Columns> struct TensorSums {
  using Shape = TensorShape<Rows, Columns>;
  T of[Shape::kDown][Shape::kAcross][4] = {};

  /// f(row, column, sum) for each, in the tile.
  template <typename F> __device__ void each(F f) {
#pragma unroll
    for (int down = 0; down < Shape::kDown; ++down)
#pragma unroll
      for (int across = 0; across < Shape::kAcross; ++across)
#pragma unroll
        for (int i = 0; i < 4; ++i)
          f(Shape::row(down, i), Shape::column(across, i), of[down][across][i]);
  }
};

template <int Rows, int Columns> struct TensorStages {
  TensorStage<Rows, Columns> at[cuda::kTensorStages];
};

/// Adds A B over `words` words of K to `sums`. a.begin(rows, word) brings A's
/// words [word, word + 16), b.begin B's, both zero where there is nothing;
/// end(rows) finishes it. After each step of 8 words `after`
/// is called with the number of words that have been multiplied and with the
/// words of A of this lane, [kDown][4]. Every thread of the block calls it.
template <typename Math, int Rows, int Columns, typename A, typename B,
          typename After>
__device__ void
multiplyStages(TensorStages<Rows, Columns> &stages,
               TensorSums<typename Math::Sum, Rows, Columns> &sums,
               int64_t words, A &a, B &b, After after) {
  using Shape = TensorShape<Rows, Columns>;
  constexpr int kAhead = cuda::kTensorStages - 1;
  const int64_t count = (words + kStageWords - 1) / kStageWords;
  auto stageOf = [&](int64_t i) -> TensorStage<Rows, Columns> & {
    return stages.at[int(i % cuda::kTensorStages)];
  };
  auto begin = [&](int64_t i) {
    if (i < count) {
      a.begin(stageOf(i).a, i * kStageWords);
      b.begin(stageOf(i).b, i * kStageWords);
    }
    commitCopies(); // also of nothing, so that groups count stages
  };
  auto end = [&](int64_t i) {
    if (i < count) {
      a.end(stageOf(i).a);
      b.end(stageOf(i).b);
    }
  };
  __syncthreads(); // a tile before may still be multiplied
  for (int i = 0; i < kAhead; ++i) {
    begin(i);
    end(i);
  }
  for (int64_t i = 0; i < count; ++i) {
    waitForCopies<kAhead - 1>();
    __syncthreads(); // stage i is there, and that of i - 1 is free
    begin(i + kAhead);
    const TensorStage<Rows, Columns> &stage = stageOf(i);
#pragma unroll
    for (int step = 0; step < kStageWords; step += kStepWords) {
      uint32_t left[Shape::kDown][4];
#pragma unroll
      for (int down = 0; down < Shape::kDown; ++down) {
        // Matrices: rows 0-7 and 8-15 of words 0-3, then of words 4-7.
        const int row = Shape::warpRow() + down * 16 + Shape::lane() % 16;
        loadMatrices(left[down], &stage.a[row][step + Shape::lane() / 16 * 4]);
#pragma unroll
        for (int j = 0; j < 4; ++j)
          left[down][j] = Math::prepare(left[down][j]);
      }
#pragma unroll
      for (int across = 0; across < Shape::kAcross; across += 2) {
        // Matrices: columns 0-7 with words 0-3 and 4-7, then columns 8-15.
        const int column = Shape::warpColumn() + across * 8 +
                           Shape::lane() / 16 * 8 + Shape::lane() % 8;
        uint32_t right[4];
        loadMatrices(right, &stage.b[column][step + Shape::lane() / 8 % 2 * 4]);
#pragma unroll
        for (int j = 0; j < 4; ++j)
          right[j] = Math::prepareRight(right[j]);
#pragma unroll
        for (int half = 0; half < 2; ++half)
#pragma unroll
          for (int down = 0; down < Shape::kDown; ++down)
            Math::multiply(sums.of[down][across + half], left[down],
                           right[half * 2], right[half * 2 + 1]);
      }
      after(i * kStageWords + step + kStepWords, left);
    }
    end(i + kAhead);
  }
}

//===----------------------------------------------------------------------===//
// Who brings rows and columns
//===----------------------------------------------------------------------===//

/// Rows of bytes in memory whose words are multiplied as they are: row m of
/// `rows` at `numbers` + m * rowBytes, `rowLength` bytes of it. Columns of B
/// are such rows, too, where they lie one after the other.
template <int Count> struct StoredRows {
  const char *numbers;
  int64_t rowBytes, rows, rowLength;

  __device__ void begin(StageRows<Count> &stage, int64_t word) {
    // Copies of 16 bytes want addresses that are multiples of it.
    const uint64_t places = reinterpret_cast<uint64_t>(numbers) | rowBytes;
#pragma unroll
    for (int i = 0; i < Count * 4 / cuda::kThreads; ++i) {
      const int chunk = threadIdx.x + i * cuda::kThreads;
      const int row = chunk / 4, at = chunk % 4 * 4;
      const int64_t byte = (word + at) * 4, left = rowLength - byte;
      const bool isIn = row < rows && left > 0;
      const int bytes = isIn ? int(least<int64_t>(left, 16)) : 0;
      const char *from = numbers + (isIn ? row * rowBytes + byte : 0);
      if (places % 16 == 0) {
        copyAsync(&stage[row][at], from, bytes);
        continue;
      }
      for (int w = 0; w < 4; ++w)
        stage[row][at + w] = wordAt(from + w * 4, bytes - w * 4, places);
    }
  }
  __device__ void end(StageRows<Count> &) {}

private:
  static __device__ uint32_t wordAt(const char *from, int bytes,
                                    uint64_t places) {
    if (places % 4 == 0 && bytes >= 4)
      return *reinterpret_cast<const uint32_t *>(from);
    uint32_t word = 0;
    for (int i = 0; i < 4 && i < bytes; ++i)
      word |= uint32_t(uint8_t(from[i])) << 8 * i;
    return word;
  }
};

/// Columns n0 and up of `columns` of a weight in columns (plan.get_constant),
/// of `rowLength` bytes each.
template <int Count>
__device__ StoredRows<Count> storedColumns(const void *weight, int64_t n0,
                                           int64_t columns, int64_t rowLength) {
  const int64_t pitch = (rowLength + 15) / 16 * 16;
  return {static_cast<const char *>(weight) + n0 * pitch, pitch, columns - n0,
          rowLength};
}

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_TENSORTILE_CUH
