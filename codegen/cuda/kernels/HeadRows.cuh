//===- HeadRows.cuh - Queries, keys and values for tensor cores -----------===//
//
// Rows of a head become fragments in registers, which is how queries stay, or
// tiles in shared memory, which is how keys and values come, tile after tile.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_HEADROWS_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_HEADROWS_CUH

#include "Attention.cuh"
#include "Mma.cuh"

namespace mmcc {

/// Rows of a head in memory, `size` numbers each, which become Narrow: bf16 or
/// f16.
template <typename T, typename Narrow> struct HeadRows {
  const T *__restrict__ numbers;
  int64_t stride, size;

  /// Numbers d and d + 1 of row t as a word, 0 where there are none.
  __device__ uint32_t word(int64_t t, int64_t d, bool isIn) const {
    const T *from = numbers + t * stride + d;
    const float low = isIn && d < size ? float(from[0]) : 0;
    const float high = isIn && d + 1 < size ? float(from[1]) : 0;
    return packed<Narrow>(low, high);
  }

  /// This lane's part of rows first and second as fragments of Mma.cuh, 16
  /// numbers each; rows from `end` on are 0.
  template <int Chunks>
  __device__ void fragments(uint32_t (&words)[Chunks][4], int64_t first,
                            int64_t second, int64_t end) const {
#pragma unroll
    for (int chunk = 0; chunk < Chunks; ++chunk)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int64_t token = i % 2 ? second : first;
        words[chunk][i] =
            word(token, chunk * 16 + threadIdx.x % kWarp % 4 * 2 + i / 2 * 8,
                 token < end);
      }
  }

  /// Begins to bring rows [first, end) to a tile of Size numbers a row, the
  /// rest 0: copies, or, if bytes are no multiples of 16 or have to be rounded,
  /// words; Unroll of them at a time.
  template <int Rows, int Size, int Unroll, typename Tile>
  __device__ void bring(Tile &tile, int64_t first, int64_t end) const {
    if constexpr (std::is_same_v<T, Narrow>)
      if ((reinterpret_cast<uint64_t>(numbers) | uint64_t(stride * 2)) % 16 ==
          0) {
#pragma unroll Unroll
        for (int at = threadIdx.x; at < Rows * Size / 8; at += cuda::kThreads) {
          const int row = at / (Size / 8), d = at % (Size / 8) * 8;
          const bool isIn = first + row < end && d < size;
          copyAsync(tile.at(row, d),
                    numbers + (isIn ? (first + row) * stride + d : 0),
                    isIn ? int(least<int64_t>(size - d, 8)) * 2 : 0);
        }
        return;
      }
#pragma unroll Unroll
    for (int at = threadIdx.x; at < Rows * Size / 2; at += cuda::kThreads) {
      const int row = at / (Size / 2), d = at % (Size / 2) * 2;
      *static_cast<uint32_t *>(tile.at(row, d)) =
          word(first + row, d, first + row < end);
    }
  }
};

/// The tiles of keys that some of the queries [i0, iEnd) see, one by one.
class KeyTiles {
public:
  __device__ KeyTiles(const AttentionCell &cell, const AttentionParams &p,
                      const void *spans, int64_t i0, int64_t iEnd, int64_t size)
      : cell(cell), p(p), spans(spans), i0(i0), iEnd(iEnd), size(size) {
    if (p.spans == 0)
      span = {0, p.Skv, false};
  }

  /// False, and nothing else, behind the last one.
  __device__ bool next(KeySpan &tile) {
    for (;;) {
      while (at < span.end) {
        tile = {at, least(span.end, at + size), span.whole};
        at += size;
        if (tile.whole || p.sees(i0, iEnd - 1, tile.begin, tile.end - 1))
          return true;
      }
      if (which == p.spans)
        return false;
      span = cell.span(p, spans, which++);
      at = span.begin;
    }
  }

private:
  const AttentionCell &cell;
  const AttentionParams &p;
  const void *spans;
  int64_t i0, iEnd, size, which = 0, at = 0;
  KeySpan span = {};
};

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_HEADROWS_CUH
