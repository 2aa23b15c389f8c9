//===- StateBlocks.h - Keys or values in a state's blocks -------*- C++ -*-===//
//
// A state is a table of the addresses of its blocks, of kStateTokens each:
//
//   block   [batch][heads] of   elements [tokens][width], then, if the type is
//                               scaled, f32 scales [tokens]
//
// 64 bytes behind a block can be read.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_STATEBLOCKS_H
#define MMCC_CODEGEN_CPU_KERNELS_STATEBLOCKS_H

#include "codegen/cpu/kernels/Scratch.h"
#include "codegen/cpu/kernels/Stored.h"

namespace mmcc::cpu {

/// The tokens of one head.
template <typename Stored> struct StateTokens {
  using Element = typename Stored::Element;

  uint8_t *const *table;
  int64_t width;
  int64_t begin; // of the head in a block, in bytes

  /// `place` is the head's: b * heads + h.
  StateTokens(const void *table, int64_t width, int64_t place)
      : table(static_cast<uint8_t *const *>(table)), width(width),
        begin(place * kStateTokens *
              (width * int64_t(sizeof(Element)) + (Stored::scaled ? 4 : 0))) {}

  MMK_INLINE Element *block(int64_t t) const {
    return reinterpret_cast<Element *>(table[t / kStateTokens] + begin);
  }
  /// Elements of token t.
  MMK_INLINE Element *at(int64_t t) const {
    return block(t) + t % kStateTokens * width;
  }
  /// Its scale.
  MMK_INLINE float *scale(int64_t t) const {
    return reinterpret_cast<float *>(block(t) + kStateTokens * width) +
           t % kStateTokens;
  }
  /// How many tokens from t on, before `end`, lie in t's block.
  MMK_INLINE int64_t run(int64_t t, int64_t end) const {
    return minOf(kStateTokens - t % kStateTokens, end - t);
  }
};

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_STATEBLOCKS_H
