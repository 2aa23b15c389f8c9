//===- AttentionPattern.h - What --attention asks for -----------*- C++ -*-===//
//
//     window=W        keys at most W tokens away
//     sparse=W,S      these, and every S-th key
//     full, auto      all keys, as the model has it
//     2:full          of layer 2 only; 0..3:window=64 of the first four
//
// Layers are self-attentions, counted from 0 in the order of the program. Of
// several rules for a layer the last one holds.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_ATTENTION_ATTENTIONPATTERN_H
#define MMCC_PASSES_ATTENTION_ATTENTIONPATTERN_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>

namespace mmcc {

struct AttentionPattern {
  /// The text of one --attention; nothing, and why in `error`, if it is
  /// malformed.
  static std::optional<AttentionPattern> parse(llvm::StringRef text,
                                               std::string &error);

  bool isFull() const { return window == 0; }
  bool appliesTo(int64_t layer) const {
    return firstLayer <= layer && layer <= lastLayer;
  }

  int64_t firstLayer = 0, lastLayer = INT64_MAX;
  /// Tokens on each side; 0: all.
  int64_t window = 0;
  /// 0: no further keys.
  int64_t stride = 0;
};

} // namespace mmcc

#endif // MMCC_PASSES_ATTENTION_ATTENTIONPATTERN_H
