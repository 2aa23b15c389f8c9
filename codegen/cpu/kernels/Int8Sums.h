//===- Int8Sums.h - Sums of products of bytes over one panel ----*- C++ -*-===//
//
// A Form says how rows of a, 8-bit integers, meet a panel (NarrowPanel.h). Each
// is exact:
//
//   Half     4-bit weights, unsigned, times a
//   Flipped  8-bit weights, made unsigned by adding 128, times a
//   Plain    8-bit weights that are unsigned, times a
//   Limited  8-bit weights of |w[k] + w[k+1]| <= 128 for every even k, times
//            a + 128
//   Wide     any 8-bit weights, in 16 bits, times a, in 16 bits
//
// With a dot product instruction (idot in SimdInt.h) there are the first three.
// Without, vpmaddubsw multiplies unsigned by signed bytes and adds two products
// in 16 bits, where 2 * 255 * 127 does not fit: 16 products of 4 bits do, and
// Limited keeps two of 8 bits within 255 * 128 < 2^15. Wide takes about a third
// longer.
//
// What was added comes off again: 128 times the sum of a, or of the weights.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_INT8SUMS_H
#define MMCC_CODEGEN_CPU_KERNELS_INT8SUMS_H

#include "codegen/cpu/kernels/NarrowPanel.h"

namespace mmcc::cpu {

enum class Form { Half, Flipped, Plain, Limited, Wide };

constexpr int bitsOf(Form form) { return form == Form::Half ? 4 : 8; }

/// What the rows of a hold.
template <Form F> struct FormOf {
  using Number = int8_t;
};
template <> struct FormOf<Form::Limited> {
  using Number = uint8_t;
};
template <> struct FormOf<Form::Wide> {
  using Number = int16_t;
};
template <Form F> using NumberOf = typename FormOf<F>::Number;

/// Added to each number of a, and to each weight.
template <Form F> constexpr int kAddedToA = F == Form::Limited ? 128 : 0;
template <Form F>
constexpr float kAddedToWeight = F == Form::Half      ? 8.0f
                                 : F == Form::Flipped ? 128.0f
                                                      : 0.0f;

/// The most rows of a tile: its sums fill the registers.
template <Form F>
constexpr int kInt8TileRows =
    kLanes == 16      ? (F != Form::Half || kHasDot ? 14 : 8)
    : F == Form::Half ? (kHasDot ? 6 : 4)
    : F == Form::Wide ? 2
                      : 6;

/// The weights of a product, and how they meet a.
struct Int8Problem {
  const uint8_t *w;
  const float *scale, *zero; // zero: null if implied
  const float *sums;
  int64_t depth, group, aBlock, step;

  int64_t groups() const { return depth / group; }
  int64_t steps() const { return depth / step; }
};

template <int Rows> using PanelSums = IVec[Rows][kPanelVecs];

template <int Rows> MMK_INLINE void clearSums(PanelSums<Rows> &sum) {
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
    for (int v = 0; v < kPanelVecs; ++v)
      sum[r][v] = izero();
}

MMK_INLINE void fetchAhead(const uint8_t *line) {
  _mm_prefetch(reinterpret_cast<const char *>(line + 2048), _MM_HINT_T0);
}

/// Sums over [k0, k0 + depth) of K, from `line` on. The few rows of a tile that
/// waits for memory, or for the sum before, keep Split partial sums.
template <int Rows, typename AddLine>
MMK_INLINE void sumLines(const uint8_t *line, int64_t lineRows, int64_t k0,
                         int64_t depth, PanelSums<Rows> &sum,
                         const AddLine &add) {
  constexpr int Unroll = 4, Split = Rows == 1 ? 4 : Rows <= 3 ? 2 : 1;
  PanelSums<Rows> part[Split];
#pragma clang loop unroll(full)
  for (int i = 0; i < Split; ++i)
    clearSums<Rows>(part[i]);
  for (int64_t k = k0; k < k0 + depth; k += Unroll * lineRows)
#pragma clang loop unroll(full)
    for (int u = 0; u < Unroll; ++u, line += kLineBytes) {
      fetchAhead(line);
      add(line, k + u * lineRows, part[u % Split]);
    }
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
    for (int v = 0; v < kPanelVecs; ++v) {
      sum[r][v] = part[0][r][v];
#pragma clang loop unroll(full)
      for (int i = 1; i < Split; ++i)
        sum[r][v] = iadd32(sum[r][v], part[i][r][v]);
    }
}

/// Lanes of 32-bit sums of Rows rows, aRow apart, times one panel over
/// [k0, k0 + depth) of K, a multiple of 32.
template <Form F, int Rows> struct Sums;

/// The halves of a line, k .. k+3 and k+4 .. k+7 of K.
struct Halves {
  IVec first, second;
  MMK_INLINE Halves(const uint8_t *line, int v) {
    const IVec low = iset32(0x0f0f0f0f);
    IVec both = iload(line + v * kLanes * 4);
    first = iand(both, low);
    second = iand(ishr16<4>(both), low);
  }
};

template <int Rows> struct Sums<Form::Half, Rows> {
  MMK_INLINE static void add(const uint8_t *line, const int8_t *a, int64_t aRow,
                             int64_t k0, int64_t depth, PanelSums<Rows> &sum) {
    if constexpr (kHasDot)
      sumLines<Rows>(
          line, kLineRows<4>, k0, depth, sum,
          [&](const uint8_t *line, int64_t k, PanelSums<Rows> &part) {
#pragma clang loop unroll(full)
            for (int v = 0; v < kPanelVecs; ++v) {
              const Halves w(line, v);
#pragma clang loop unroll(full)
              for (int r = 0; r < Rows; ++r) {
                part[r][v] = idot(part[r][v], w.first, iquad(a + r * aRow + k));
                part[r][v] =
                    idot(part[r][v], w.second, iquad(a + r * aRow + k + 4));
              }
            }
          });
    else
      addShort(line, a, aRow, k0, depth, sum);
  }

  /// 16 products are summed in 16 bits.
  MMK_INLINE static void addShort(const uint8_t *line, const int8_t *a,
                                  int64_t aRow, int64_t k0, int64_t depth,
                                  PanelSums<Rows> &sum) {
    constexpr int64_t ShortRows = 32;
    clearSums<Rows>(sum);
    for (int64_t k = k0; k < k0 + depth; k += ShortRows) {
      PanelSums<Rows> part;
#pragma clang loop unroll(full)
      for (int u = 0; u < ShortRows / 8; ++u, line += kLineBytes) {
        fetchAhead(line);
#pragma clang loop unroll(full)
        for (int v = 0; v < kPanelVecs; ++v) {
          const Halves w(line, v);
#pragma clang loop unroll(full)
          for (int r = 0; r < Rows; ++r) {
            IVec product = iadd16(
                imaddBytes(w.first, iquad(a + r * aRow + k + u * 8)),
                imaddBytes(w.second, iquad(a + r * aRow + k + u * 8 + 4)));
            part[r][v] = u == 0 ? product : iadd16(part[r][v], product);
          }
        }
      }
#pragma clang loop unroll(full)
      for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
        for (int v = 0; v < kPanelVecs; ++v)
          sum[r][v] = iadd32(sum[r][v], imadd16(part[r][v], iset16(1)));
    }
  }
};

/// Unsigned bytes of a line times signed ones of a.
template <bool Flip, int Rows> struct UnsignedSums {
  MMK_INLINE static void add(const uint8_t *line, const int8_t *a, int64_t aRow,
                             int64_t k0, int64_t depth, PanelSums<Rows> &sum) {
    sumLines<Rows>(line, kLineRows<8>, k0, depth, sum,
                   [&](const uint8_t *line, int64_t k, PanelSums<Rows> &part) {
#pragma clang loop unroll(full)
                     for (int v = 0; v < kPanelVecs; ++v) {
                       const IVec w = Flip ? loadFields<8>(line, v)
                                           : iload(line + v * kLanes * 4);
#pragma clang loop unroll(full)
                       for (int r = 0; r < Rows; ++r)
                         part[r][v] =
                             idot(part[r][v], w, iquad(a + r * aRow + k));
                     }
                   });
  }
};
template <int Rows>
struct Sums<Form::Flipped, Rows> : UnsignedSums<true, Rows> {};
template <int Rows>
struct Sums<Form::Plain, Rows> : UnsignedSums<false, Rows> {};

template <int Rows> struct Sums<Form::Limited, Rows> {
  MMK_INLINE static void add(const uint8_t *line, const uint8_t *a,
                             int64_t aRow, int64_t k0, int64_t depth,
                             PanelSums<Rows> &sum) {
    clearSums<Rows>(sum);
    for (int64_t k = k0; k < k0 + depth; k += 4, line += kLineBytes) {
      fetchAhead(line);
#pragma clang loop unroll(full)
      for (int r = 0; r < Rows; ++r) {
        const IVec four = iquad(a + r * aRow + k);
#pragma clang loop unroll(full)
        for (int v = 0; v < kPanelVecs; ++v)
          sum[r][v] = idot(sum[r][v], four, iload(line + v * kLanes * 4));
      }
    }
  }
};

template <int Rows> struct Sums<Form::Wide, Rows> {
  MMK_INLINE static void add(const uint8_t *line, const int16_t *a,
                             int64_t aRow, int64_t k0, int64_t depth,
                             PanelSums<Rows> &sum) {
    IVec half[Rows][2 * kPanelVecs];
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
      for (int v = 0; v < 2 * kPanelVecs; ++v)
        half[r][v] = izero();
    for (int64_t k = k0; k < k0 + depth; k += 4, line += kLineBytes) {
      fetchAhead(line);
      IVec four[Rows];
#pragma clang loop unroll(full)
      for (int r = 0; r < Rows; ++r)
        four[r] = ioctet(a + r * aRow + k);
#pragma clang loop unroll(full)
      for (int v = 0; v < 2 * kPanelVecs; ++v) {
        IVec weights = iwiden8(line + v * kLanes * 2);
#pragma clang loop unroll(full)
        for (int r = 0; r < Rows; ++r)
          half[r][v] = iadd32(half[r][v], imadd16(weights, four[r]));
      }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
      for (int v = 0; v < kPanelVecs; ++v)
        sum[r][v] = ijoin(half[r][2 * v], half[r][2 * v + 1]);
  }
};

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_INT8SUMS_H
