//===- WarpgroupTile.cuh - Tiles of products on Hopper --------------------===//
//
// As TensorTile.cuh, by the instruction of WarpgroupMma.cuh: a block's two
// warpgroups make a tile of Rows x Columns, each 64 rows of it, or half of the
// columns where there are no more rows. A stage has 128 bytes along K of each
// row of A and of each column of B, and is multiplied in four steps:
//
//     a [Rows][128 bytes]      b [Columns][128 bytes]
//
// A block takes at most half of a multiprocessor's shared memory, so that one
// multiplies while another waits, begins or ends. Stages go round: while
// products of one are under way, and those of the one before may be, the rest
// are being brought.
//
//     stage      i - 1        i            i + 1 ...
//                may still    begins to be on their way
//                be read      multiplied
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_WARPGROUPTILE_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_WARPGROUPTILE_CUH

#include "BulkCopy.cuh"
#include "FewColumns.cuh"

#ifdef MMCC_WARPGROUPS

namespace mmcc {

template <int Rows, int Columns> struct WarpgroupStage {
  alignas(kSwizzleBytes) char a[Rows * kLineBytes];
  alignas(kSwizzleBytes) char b[Columns * kLineBytes];
};
template <int Rows, int Columns> struct WarpgroupStages {
  static constexpr int kCount = cuda::warpgroupStages(Rows, Columns);
  WarpgroupStage<Rows, Columns> at[kCount];
};

/// The stages in dynamic shared memory, which is aligned to 16 bytes only.
template <int Rows, int Columns> struct WarpgroupMemory {
  using Stages = WarpgroupStages<Rows, Columns>;
  static constexpr int kBarrierBytes = 64;
  CopyBarrier barriers[kBarrierBytes / sizeof(CopyBarrier)];
  char bytes[sizeof(Stages) + kSwizzleBytes];
  static_assert(Stages::kCount * sizeof(CopyBarrier) <= kBarrierBytes &&
                    sizeof(barriers) + sizeof(bytes) ==
                        cuda::warpgroupSharedBytes(Rows, Columns),
                "what the launch asks for");

  __device__ Stages &stages() { return inSwizzles<Stages>(bytes); }
};

/// Two warpgroups on a tile, and where this thread's sums are in it.
template <int Rows, int Columns> struct WarpgroupShape {
  static_assert(cuda::kThreads == 256 && (Rows == 64 || Rows == 128) &&
                (Columns == 64 || Columns == 128));
  static constexpr int kColumns = Rows == 128 ? Columns : Columns / 2;
  static constexpr int kSums = kColumns / 2;

  static __device__ int warpgroup() { return threadIdx.x / 128; }
  static __device__ int firstRow() {
    return Rows == 128 ? warpgroup() * 64 : 0;
  }
  static __device__ int firstColumn() {
    return Rows == 128 ? 0 : warpgroup() * kColumns;
  }
  /// Of sum i.
  static __device__ int row(int i) {
    return firstRow() + int(threadIdx.x / 32 % 4) * 16 +
           int(threadIdx.x % 32) / 4 + i / 2 % 2 * 8;
  }
  static __device__ int column(int i) {
    return firstColumn() + i / 4 * 8 + int(threadIdx.x % 4) * 2 + i % 2;
  }
};

/// Sums of one thread, which the first product sets.
template <typename T, int Rows, int Columns> struct WarpgroupSums {
  using Shape = WarpgroupShape<Rows, Columns>;
  T of[Shape::kSums];

  __device__ void clear() {
#pragma unroll
    for (int i = 0; i < Shape::kSums; ++i)
      of[i] = 0;
  }

  /// f(row, column, sum) for each, in the tile.
  template <typename F> __device__ void each(F f) {
#pragma unroll
    for (int i = 0; i < Shape::kSums; ++i)
      f(Shape::row(i), Shape::column(i), of[i]);
  }
};

/// Rows (or columns) in memory that become lines as they are, zeros beyond.
/// Where there is a map they are its rows from `first` on.
template <int Count> struct StoredLines {
  StoredRows<Count> stored;
  const TensorMap *map;
  int first, batch;

  /// Begins to bring bytes [byte, byte + 128) of each row.
  __device__ void begin(char *lines, int64_t byte) const {
    // Copies of 16 bytes want addresses that are multiples of it.
    const auto [numbers, rowBytes, rows, rowLength] = stored;
    const uint64_t places = reinterpret_cast<uint64_t>(numbers) | rowBytes;
    const int piece = threadIdx.x % 8;
    const int64_t from = byte + piece * kPieceBytes, left = rowLength - from;
#pragma unroll
    for (int i = 0; i < Count * 8 / cuda::kThreads; ++i) {
      const int row = threadIdx.x / 8 + i * (cuda::kThreads / 8);
      const bool isIn = row < rows && left > 0;
      const int bytes = isIn ? int(least<int64_t>(left, kPieceBytes)) : 0;
      const char *source = numbers + (isIn ? row * rowBytes + from : 0);
      char *target = lines + pieceOffset(row, piece);
      if (places % kPieceBytes == 0) {
        copyAsync(target, source, bytes);
        continue;
      }
      storePiece(target, pieceAt(source, bytes, places).of);
    }
  }
  /// The same by the map, in one thread.
  __device__ void begin(char *lines, int byte, CopyBarrier &barrier) const {
    copyBox(lines, map, barrier, byte, first, batch);
  }
};

/// Whether products of each stage are summed by themselves, and then with those
/// of the stages before: for a type whose instruction keeps too few bits.
template <typename Math> constexpr bool sumsApart = false;

/// Adds A B over `bytes` bytes of K to `sums`; `a` and `b` bring lines. Every
/// thread of the block calls it.
template <typename Math, int Rows, int Columns>
__device__ void
multiplyLines(WarpgroupMemory<Rows, Columns> &memory,
              WarpgroupSums<typename Math::Sum, Rows, Columns> &sums,
              int64_t bytes, const StoredLines<Rows> &a,
              const StoredLines<Columns> &b) {
  using Shape = WarpgroupShape<Rows, Columns>;
  using Stage = WarpgroupStage<Rows, Columns>;
  constexpr int kStages = WarpgroupStages<Rows, Columns>::kCount;
  // Of the others, one is multiplied and one may still be read.
  constexpr int kAhead = kStages - 2;
  static_assert(kAhead >= 1);
  WarpgroupStages<Rows, Columns> &stages = memory.stages();
  const int count = int((bytes + kLineBytes - 1) / kLineBytes);
  const bool areMapped = a.map && b.map;
  if (areMapped) {
    if (threadIdx.x == 0)
      beginBarriers(memory.barriers);
    __syncthreads(); // barriers are there
  }
  auto begin = [&](int i) {
    const int slot = i % kStages;
    Stage &stage = stages.at[slot];
    if (areMapped) {
      if (threadIdx.x == 0 && i < count) {
        CopyBarrier &barrier = memory.barriers[slot];
        expectBytes(barrier, sizeof(Stage));
        a.begin(stage.a, i * kLineBytes, barrier);
        b.begin(stage.b, i * kLineBytes, barrier);
      }
      return;
    }
    if (i < count) {
      a.begin(stage.a, int64_t(i) * kLineBytes);
      b.begin(stage.b, int64_t(i) * kLineBytes);
    }
    commitCopies(); // also of nothing, so that groups count stages
  };
  for (int i = 0; i < kAhead; ++i)
    begin(i);
  [[maybe_unused]] WarpgroupSums<typename Math::Sum, Rows, Columns> part;
  for (int i = 0; i < count; ++i) {
    if (areMapped) {
      waitForBytes(memory.barriers[i % kStages], i / kStages);
    } else {
      waitForCopies<kAhead - 1>();
      fenceOperands();
    }
    __syncthreads(); // stage i is there, and nobody reads that of i - 2
    begin(i + kAhead);
    const Stage &stage = stages.at[i % kStages];
    const uint32_t left =
        sharedAddress(stage.a) + Shape::firstRow() * kLineBytes;
    const uint32_t right =
        sharedAddress(stage.b) + Shape::firstColumn() * kLineBytes;
    beginProducts();
#pragma unroll
    for (int step = 0; step < kLineBytes; step += kStepBytes)
      if constexpr (sumsApart<Math>)
        multiplyWarpgroup(Math(), part.of, operandAt(left, step),
                          operandAt(right, step), step > 0);
      else
        multiplyWarpgroup(Math(), sums.of, operandAt(left, step),
                          operandAt(right, step), i > 0 || step > 0);
    commitProducts();
    if constexpr (sumsApart<Math>) {
      waitForProducts<0>();
      takeSums(part.of);
#pragma unroll
      for (int s = 0; s < Shape::kSums; ++s)
        sums.of[s] = i > 0 ? sums.of[s] + part.of[s] : part.of[s];
    } else {
      waitForProducts<1>(); // those of i - 1
    }
  }
  if constexpr (!sumsApart<Math>) {
    waitForProducts<0>();
    takeSums(sums.of);
  }
  if (count == 0)
    sums.clear();
}

/// out(m, n, sum) for the tile of this block, as tensorCell of TensorGemm.cuh:
/// makeA(m0) and makeB(n0) give StoredRows. `maps`, unless null, are of all
/// rows of each batch, and of all columns.
template <typename Math, int Rows, int Columns, typename MakeA, typename MakeB,
          typename Out>
__device__ void warpgroupCell(int64_t rows, int64_t columns, int64_t depthBytes,
                              MakeA makeA, MakeB makeB, const TensorMap *maps,
                              Out out) {
  using Memory = WarpgroupMemory<Rows, Columns>;
  MMCC_DYNAMIC_SHARED(Memory, memory);
  const int64_t m0 = int64_t(blockIdx.y) * Rows;
  const int64_t n0 = int64_t(blockIdx.x) * Columns;
  if (n0 >= columns)
    return;
  WarpgroupSums<typename Math::Sum, Rows, Columns> sums;
  const StoredLines<Rows> a{makeA(m0), maps, int(m0), int(blockIdx.z)};
  const StoredLines<Columns> b{makeB(n0), maps ? maps + 1 : nullptr, int(n0),
                               0};
  multiplyLines<Math>(memory, sums, depthBytes, a, b);
  sums.each([&](int row, int column, typename Math::Sum sum) {
    if (m0 + row < rows && n0 + column < columns)
      out(m0 + row, n0 + column, sum);
  });
}

} // namespace mmcc

#endif // MMCC_WARPGROUPS

#endif // MMCC_CODEGEN_CUDA_KERNELS_WARPGROUPTILE_CUH
