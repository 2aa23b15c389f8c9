//===- StridedRead.h - Reading tensors in packed order ----------*- C++ -*-===//
//
// Both functions write a stretch of the packed bytes that starts anywhere, so
// that a file can be written block by block.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_ARTIFACT_STRIDEDREAD_H
#define MMCC_CODEGEN_ARTIFACT_STRIDEDREAD_H

#include <cstdint>
#include <vector>

namespace mmcc::artifact {

constexpr int64_t kPanelColumns = 16;

/// Strides are in elements everywhere.
struct Dimension {
  int64_t extent, stride;
};

/// A tensor read in row-major order of `dims`.
struct DenseRead {
  const char *data; // of the first element read
  std::vector<Dimension> dims;

  /// Makes dimensions that follow each other in memory one.
  void coalesce();
  /// Writes elements [first, first + count).
  template <typename T>
  void read(int64_t first, int64_t count, char *into) const;
};

/// Columns of a panels16 matrix [K = K0 * K1 * K2, N], of each group.
struct MatrixPiece {
  const char *data; // of the first element read
  int64_t group_stride;
  Dimension k0, k1, k2, n;
  int64_t first_column;
};

/// Matrices [K, N] as [groups][ceil(N/16)][K][16].
struct PanelRead {
  std::vector<MatrixPiece> pieces;
  int64_t groups, k, n;

  /// Writes rows of 16 elements, [first, first + count) of all of them. `into`
  /// is zero-filled.
  template <typename T>
  void read(int64_t first, int64_t count, char *into) const;
};

/// Matrices [K, N] of 16-bit elements as [ceil(N/16)][ceil(K/2)][16][2].
struct PairRead {
  /// Writes lines of two rows, [first, first + count) of all of them.
  static void read(const PanelRead &panels, int64_t first, int64_t count,
                   uint8_t *into);
};

constexpr int64_t kLineBytes = 64;

/// Matrices of small numbers, a byte each, as lines of panels (see
/// codegen/cpu/kernels/NarrowPanel.h).
struct LineRead {
  int bits;   // 4 or 8
  int offset; // added to 4-bit numbers, which are stored unsigned

  /// Writes lines [first, first + count) of all of them.
  void read(const PanelRead &panels, int64_t first, int64_t count,
            uint8_t *into) const;
};

} // namespace mmcc::artifact

#endif // MMCC_CODEGEN_ARTIFACT_STRIDEDREAD_H
