//===- Panels.cuh - Weights as they lie in the file -----------------------===//
//
// Weights are in panels of 16 columns, and a panel is lines of 16 words or
// numbers (codegen/cpu/kernels: kernels.inc, NarrowPanel.h). What tensor cores
// multiply as it is was brought into columns when it was uploaded; what is
// narrower becomes tf32 or bytes on its way into shared memory:
//
//     bf16    line k / 2: pairs (k, k + 1)            tf32
//     i8      line k / 4: bytes k .. k + 3            tf32
//     u4      line k / 8: nibbles, low k .. k + 3,    bytes, or tf32
//                         high k + 4 .. k + 7
//     f32, f16, f8  line k: a number a column         tf32
//
// Scale and zero of column n for row k are element [n / 16][k / group][n % 16].
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_PANELS_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_PANELS_CUH

#include "TensorTile.cuh"

namespace mmcc {

/// Panels of so many columns.
__device__ inline int64_t panelsOf(int64_t columns) {
  return (columns + kPanel - 1) / kPanel;
}

/// Scales, and zeros if there are any, of groups along K.
struct GroupScales {
  const float *__restrict__ scale;
  const float *__restrict__ zero; // null: none
  int64_t group, groups;

  __device__ int64_t place(int64_t k, int64_t n) const {
    return (n / kPanel * groups + k / group) * kPanel + n % kPanel;
  }
  __device__ float scaleOf(int64_t k, int64_t n) const {
    return scale ? scale[place(k, n)] : 1.0f;
  }
  __device__ float zeroOf(int64_t k, int64_t n, float implied) const {
    return zero ? zero[place(k, n)] : implied;
  }
};

/// What a nibble holds for the weight zero, if weights have no zeros.
constexpr int kImpliedNibble = 8;

/// A word of nibbles as two words of bytes, each less `less`.
__device__ inline void unpackNibbles(uint32_t word, uint32_t less,
                                     uint32_t (&bytes)[2]) {
  bytes[0] = __vsub4(word & 0x0f0f0f0f, less * 0x01010101u);
  bytes[1] = __vsub4(word >> 4 & 0x0f0f0f0f, less * 0x01010101u);
}

//===----------------------------------------------------------------------===//
// Numbers of a column's words: what one thread makes of one word or number
//===----------------------------------------------------------------------===//

/// What is loaded for a word or number at row k of column n, before it is
/// anything.
template <typename T> struct ScaledWord {
  T stored;
  float scale, zero;
};

/// Floats of T: a line is a row of K.
template <typename T> struct FloatLines {
  using Stored = T;
  static constexpr int kRows = 1;
  GroupScales scales;
  __device__ ScaledWord<T> load(T stored, int64_t k, int64_t n) const {
    return {stored, scales.scaleOf(k, n), 0};
  }
  static __device__ void widen(const ScaledWord<T> &word, float (&numbers)[1]) {
    numbers[0] = float(word.stored) * word.scale;
  }
};
/// bf16: a word is two rows of K.
struct Bf16Lines {
  using Stored = uint32_t;
  static constexpr int kRows = 2;
  __device__ ScaledWord<Stored> load(Stored word, int64_t, int64_t) const {
    return {word, 1, 0};
  }
  static __device__ void widen(const ScaledWord<Stored> &word,
                               float (&numbers)[2]) {
    numbers[0] = __uint_as_float(word.stored << 16);
    numbers[1] = __uint_as_float(word.stored & 0xffff0000u);
  }
};
/// Signed bytes: a word is four rows of K.
struct ByteLines {
  using Stored = uint32_t;
  static constexpr int kRows = 4;
  GroupScales scales;
  __device__ ScaledWord<Stored> load(Stored word, int64_t k, int64_t n) const {
    return {word, scales.scaleOf(k, n), scales.zeroOf(k, n, 0)};
  }
  static __device__ void widen(const ScaledWord<Stored> &word,
                               float (&numbers)[4]) {
    for (int i = 0; i < 4; ++i)
      numbers[i] =
          (float(int8_t(word.stored >> 8 * i)) - word.zero) * word.scale;
  }
};
/// Nibbles: a word is eight rows of K.
struct NibbleLines {
  using Stored = uint32_t;
  static constexpr int kRows = 8;
  GroupScales scales;
  __device__ ScaledWord<Stored> load(Stored word, int64_t k, int64_t n) const {
    return {word, scales.scaleOf(k, n), scales.zeroOf(k, n, kImpliedNibble)};
  }
  static __device__ void widen(const ScaledWord<Stored> &word,
                               float (&numbers)[8]) {
    // A number below 2^23 in the last bits of the float 2^23 is that much more.
    constexpr uint32_t magic = 0x4b000000;
    const float zero = __uint_as_float(magic) + word.zero;
    for (int i = 0; i < 8; ++i) {
      const uint32_t nibble = word.stored >> (i % 4 * 8 + i / 4 * 4) & 0xf;
      numbers[i] = (__uint_as_float(nibble | magic) - zero) * word.scale;
    }
  }
};

//===----------------------------------------------------------------------===//
// Who brings B
//===----------------------------------------------------------------------===//

/// The share of a thread in `Lines` lines of a tile's panels: at most kEach
/// words or numbers.
template <int Columns, int Lines> struct PanelShare {
  static constexpr int kAll = Columns * Lines;
  static constexpr int kEach = (kAll + cuda::kThreads - 1) / cuda::kThreads;

  /// f(which of them, panel of the tile, line, column of the panel)
  template <typename F> static __device__ void each(F f) {
#pragma unroll
    for (int i = 0; i < kEach; ++i)
      if (const int at = threadIdx.x + i * cuda::kThreads;
          kAll % cuda::kThreads == 0 || at < kAll)
        f(i, at / (Lines * kPanel), at / kPanel % Lines, at % kPanel);
  }
};

/// Stores neighbouring words, as many at a time as there are.
template <int Count>
__device__ void storeWords(uint32_t *to, const uint32_t (&words)[Count]) {
  constexpr int kMost = Count < 4 ? Count : 4;
  struct alignas(kMost * 4) Piece {
    uint32_t of[kMost];
  };
#pragma unroll
  for (int i = 0; i < Count; i += kMost) {
    Piece piece;
#pragma unroll
    for (int j = 0; j < kMost; ++j)
      piece.of[j] = words[i + j];
    *reinterpret_cast<Piece *>(to + i) = piece;
  }
}

/// Panels whose numbers become tf32: `lines` lines of 16 stored words or
/// numbers, each of Lines::kRows rows of K.
template <int Columns, typename Lines> struct WidenedPanels {
  using Stored = typename Lines::Stored;
  static constexpr int kRows = Lines::kRows;
  using Share = PanelShare<Columns, kStageWords / kRows>;
  const Stored *__restrict__ stored;
  int64_t lines, first, last;
  Lines unit;
  ScaledWord<Stored> loaded[Share::kEach];

  __device__ void begin(StageRows<Columns> &, int64_t word) {
    Share::each([&](int i, int panel, int row, int column) {
      const int64_t line = word / kRows + row;
      const int64_t n = (first + panel) * kPanel + column;
      // What is not there has the scale 0.
      loaded[i] = {};
      if (first + panel < last && line < lines)
        loaded[i] = unit.load(
            stored[((first + panel) * lines + line) * kPanel + column],
            line * kRows, n);
    });
  }
  __device__ void end(StageRows<Columns> &stage) {
    Share::each([&](int i, int panel, int row, int column) {
      float numbers[kRows];
      Lines::widen(loaded[i], numbers);
      uint32_t words[kRows];
#pragma unroll
      for (int r = 0; r < kRows; ++r)
        words[r] = toTf32(numbers[r]);
      storeWords(&stage[panel * kPanel + column][row * kRows], words);
    });
  }
};

/// Panels of nibbles that become signed bytes, each less `less`.
template <int Columns> struct NibblePanels {
  using Share = PanelShare<Columns, kStageWords / 2>;
  const uint32_t *__restrict__ stored;
  int64_t lines, first, last;
  uint32_t less;
  uint32_t words[Share::kEach];

  __device__ void begin(StageRows<Columns> &, int64_t word) {
    Share::each([&](int i, int panel, int row, int column) {
      const int64_t line = word / 2 + row;
      // What is not there meets zeros of A, or columns that nobody stores.
      const bool isIn = first + panel < last && line < lines;
      words[i] =
          isIn ? stored[((first + panel) * lines + line) * kPanel + column] : 0;
    });
  }
  __device__ void end(StageRows<Columns> &stage) {
    Share::each([&](int i, int panel, int row, int column) {
      uint32_t bytes[2];
      unpackNibbles(words[i], less, bytes);
      storeWords(&stage[panel * kPanel + column][row * 2], bytes);
    });
  }
};

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_PANELS_CUH
