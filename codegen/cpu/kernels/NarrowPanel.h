//===- NarrowPanel.h - Panels of 4-bit and 8-bit weights --------*- C++ -*-===//
//
// One layout serves products with floats and with integers, one row and many,
// and every level. A panel has 16 columns; a *line* of it is 64 bytes, a 32-bit
// lane a column:
//
//     8 bits, 4 rows of K a line          4 bits, 8 rows of K a line
//
//     column   0      1      2 ..         column   0             1 ..
//     byte 0   k+0    k+0    k+0          byte 0   k+0 | k+4     k+0 | k+4
//     byte 1   k+1    k+1    k+1          byte 1   k+1 | k+5     k+1 | k+5
//     byte 2   k+2    k+2    k+2          byte 2   k+2 | k+6     k+2 | k+6
//     byte 3   k+3    k+3    k+3          byte 3   k+3 | k+7     k+3 | k+7
//                                                  low   high half
//
// Bytes are two's complement; halves are 0 .. 15, where 8 stands for zero
// unless the weights have zeros of their own. What is multiplied is
// (number - zero) * scale, with scale and zero [ceil(N/16)][K/group][16] f32.
//
// As integers, a line of bytes times the same four bytes of A in every lane is
// what one dot product instruction takes (VNNI; or two multiply-adds), and it
// is a row of an AMX tile. As floats, a mask picks one row of K from the lanes.
// It leaves the number times a power of two, and one divided by that power is
// put into A beforehand, which is exact: no shift is needed.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_NARROWPANEL_H
#define MMCC_CODEGEN_CPU_KERNELS_NARROWPANEL_H

#include "codegen/cpu/kernels/SimdInt.h"

namespace mmcc::cpu {

constexpr int64_t kLineBytes = 64;

/// Rows of K that a line holds.
template <int Bits> constexpr int64_t kLineRows = 32 / Bits;

/// Row of K, within its line, that field i (bits [i * Bits, (i+1) * Bits) of a
/// lane) holds.
template <int Bits> constexpr int64_t rowOfField(int64_t i) {
  return Bits == 8 ? i : i / 2 + i % 2 * 4;
}

/// What a field holds for the weight zero, if weights have no zeros of their
/// own. (Bytes are read with their sign bit flipped.)
template <int Bits> constexpr float kImpliedZero = Bits == 8 ? 128.0f : 8.0f;
/// What reading adds to a number with a zero of its own.
template <int Bits> constexpr float kReadOffset = Bits == 8 ? 128.0f : 0.0f;

/// One vector of a line as lanes of unsigned fields.
template <int Bits> MMK_INLINE IVec loadFields(const uint8_t *line, int vec) {
  IVec lanes = iload(line + vec * kLanes * 4);
  return Bits == 8 ? ixor(lanes, iset32(int32_t(0x80808080))) : lanes;
}

/// The number in field I of each lane, times 2^(I * Bits) but for the last.
template <int Bits, int I> MMK_INLINE Vec fieldTimesPower(IVec lanes) {
  constexpr int last = 32 / Bits - 1;
  if constexpr (I == last)
    return itoFloat(ishr32<I * Bits>(lanes));
  else
    return itoFloat(
        iand(lanes, iset32(int32_t(((1u << Bits) - 1) << (I * Bits)))));
}

/// What an element of A that meets field i is multiplied by beforehand.
template <int Bits> constexpr float powerOfField(int64_t i) {
  return i == 32 / Bits - 1 ? 1.0f : 1.0f / float(int64_t(1) << (i * Bits));
}

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_NARROWPANEL_H
