//===- AmxTiles.h - Products of two tiles by two with AMX -------*- C++ -*-===//
//
// The eight tile registers hold, of 16 rows of 64 bytes each,
//
//              6: B, 16 columns   7: B, the next 16
//     4: A     0: C               1: C
//     5: A     2: C               3: C
//
// A is 16 rows of a matrix where they lie, a chunk of K of them: 64 bytes, or
// 32. Each row of B holds, for 16 columns, the 4 bytes or 2 bf16 of K that one
// 32-bit lane multiplies, which is a line of NarrowPanel.h. Four loads serve
// four products.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_AMXTILES_H
#define MMCC_CODEGEN_CPU_KERNELS_AMXTILES_H

#include "codegen/cpu/kernels/Scratch.h"
#include "codegen/cpu/kernels/Simd.h"

#if defined(__AMX_TILE__)

namespace mmcc::cpu {

constexpr int64_t kTileRows = 16, kTileBytes = 64;
/// Rows and columns of C, two tiles by two, and its row stride.
constexpr int64_t kAmxRows = 2 * kTileRows, kAmxCols = 2 * kPanel;
/// The least rows for which tiles are faster than vectors: of weights that they
/// read where they lie, which hides more of the memory's time, and of those
/// that have to be widened or copied before.
constexpr int64_t kAmxLeastRows = 2, kAmxLeastForCopies = 8;

enum class TileType { s8s8, bf16 };

/// What LDTILECFG reads: palette 1.
struct alignas(64) TileShapes {
  uint8_t palette = 1, startRow = 0, reserved[14] = {};
  uint16_t rowBytes[16] = {};
  uint8_t rows[16] = {};

  void set(int tile, int64_t rowCount, int64_t bytes) {
    rows[tile] = uint8_t(rowCount);
    rowBytes[tile] = uint16_t(rowCount ? bytes : 0);
  }
};

/// The tiles' shapes for `rows` <= 32 rows of A and chunks of so many bytes.
/// The tiles belong to the thread until it releases them.
MMK_INLINE void shapeTiles(int64_t rows, int64_t chunk) {
  TileShapes shapes;
  const int64_t first = minOf(rows, kTileRows), second = rows - first;
  shapes.set(0, first, kTileBytes);
  shapes.set(1, first, kTileBytes);
  shapes.set(2, second, kTileBytes);
  shapes.set(3, second, kTileBytes);
  shapes.set(4, first, chunk);
  shapes.set(5, second, chunk);
  shapes.set(6, chunk / 4, kTileBytes);
  shapes.set(7, chunk / 4, kTileBytes);
  _tile_loadconfig(&shapes);
}

MMK_INLINE void releaseTiles() { _tile_release(); }

template <TileType T, int C, int A, int B> MMK_INLINE void multiplyTiles() {
  if constexpr (T == TileType::s8s8)
    _tile_dpbssd(C, A, B);
  else
    _tile_dpbf16ps(C, A, B);
}

/// What a block of C is made of.
struct TileOperands {
  const void *a;
  int64_t aRow; // bytes
  const uint8_t *b[2];
  int64_t chunk, chunks;
  bool add = false; // to what c holds
};

/// What else a core does meanwhile: called after each of the four
/// products of a chunk, also where there are fewer.
struct NothingBetween {
  MMK_INLINE void operator()(int) const {}
  /// Before c is stored.
  MMK_INLINE void end() const {}
};

/// Tile C as it begins: `from` c where it lies, or zero.
template <int C>
MMK_INLINE void beginTile(bool add, const char *from, int64_t row) {
  if (add)
    _tile_loadd(C, from, row);
  else
    _tile_zero(C);
}

/// All tiles of c [32][32], cRow bytes apart, as they begin; without Second
/// those of the first 16 rows, or columns, alone.
template <bool SecondRows, bool SecondCols>
MMK_INLINE void beginBlock(bool add, const char *c, int64_t cRow) {
  const char *below = c + kTileRows * cRow;
  beginTile<0>(add, c, cRow);
  if constexpr (SecondCols)
    beginTile<1>(add, c + kTileBytes, cRow);
  if constexpr (SecondRows)
    beginTile<2>(add, below, cRow);
  if constexpr (SecondRows && SecondCols)
    beginTile<3>(add, below + kTileBytes, cRow);
}
/// Stores them.
template <bool SecondRows, bool SecondCols>
MMK_INLINE void storeBlock(char *c, int64_t cRow) {
  char *below = c + kTileRows * cRow;
  _tile_stored(0, c, cRow);
  if constexpr (SecondCols)
    _tile_stored(1, c + kTileBytes, cRow);
  if constexpr (SecondRows)
    _tile_stored(2, below, cRow);
  if constexpr (SecondRows && SecondCols)
    _tile_stored(3, below + kTileBytes, cRow);
}

/// A tile of B: `Once`, if it is read once before others take its place, past
/// the first level cache, which is left to A.
template <int B, bool Once> MMK_INLINE void loadColumns(const uint8_t *from) {
  if constexpr (Once)
    _tile_stream_loadd(B, from, kTileBytes);
  else
    _tile_loadd(B, from, kTileBytes);
}

/// c [32][32] of 32-bit lanes, cRow bytes apart, = a times b. Without Second,
/// the rows, or the columns, behind the first 16 are left alone.
template <TileType T, bool SecondRows, bool SecondCols, bool Once,
          typename Between>
MMK_INLINE void multiplyBlock(const TileOperands &o, void *c, int64_t cRow,
                              Between &&between) {
  char *to = static_cast<char *>(c);
  beginBlock<SecondRows, SecondCols>(o.add, to, cRow);
  const char *a = static_cast<const char *>(o.a);
  for (int64_t i = 0; i < o.chunks; ++i, a += o.chunk) {
    const int64_t line = i * o.chunk / 4 * kTileBytes;
    loadColumns<6, Once>(o.b[0] + line);
    _tile_loadd(4, a, o.aRow);
    multiplyTiles<T, 0, 4, 6>();
    between(0);
    if constexpr (SecondRows) {
      _tile_loadd(5, a + kTileRows * o.aRow, o.aRow);
      multiplyTiles<T, 2, 5, 6>();
    }
    between(1);
    if constexpr (SecondCols) {
      loadColumns<7, Once>(o.b[1] + line);
      multiplyTiles<T, 1, 4, 7>();
    }
    between(2);
    if constexpr (SecondRows && SecondCols)
      multiplyTiles<T, 3, 5, 7>();
    between(3);
  }
  between.end();
  storeBlock<SecondRows, SecondCols>(to, cRow);
}

/// Likewise for `rows` <= 32 rows, for which the tiles have their shapes, and
/// one panel or more, of which two take part; c has row stride cRow in lanes.
template <TileType T, bool Once = false, typename Between = NothingBetween>
MMK_INLINE void
multiplyBlock(int64_t rows, int64_t panels, const TileOperands &o, void *c,
              int64_t cRow = kAmxCols, Between &&between = Between()) {
  if (rows > kTileRows)
    panels > 1 ? multiplyBlock<T, true, true, Once>(o, c, cRow * 4, between)
               : multiplyBlock<T, true, false, Once>(o, c, cRow * 4, between);
  else
    panels > 1 ? multiplyBlock<T, false, true, Once>(o, c, cRow * 4, between)
               : multiplyBlock<T, false, false, Once>(o, c, cRow * 4, between);
}

} // namespace mmcc::cpu

#endif
#endif // MMCC_CODEGEN_CPU_KERNELS_AMXTILES_H
