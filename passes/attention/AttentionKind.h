//===- AttentionKind.h - What an attention is, for people -------*- C++ -*-===//

#ifndef MMCC_PASSES_ATTENTION_ATTENTIONKIND_H
#define MMCC_PASSES_ATTENTION_ATTENTIONKIND_H

#include "dialects/mm/MM.h"
#include <string>

namespace mmcc {

struct AttentionKind {
  /// "full", "causal", "windowed", "sliding", "sparse", "blocks", "cached" or
  /// "cross".
  std::string kind;
  /// What else its mask says: ", window 6 and 5 ahead, a bias"; perhaps empty.
  std::string limits;
  /// "3 heads, 60 x 60 tokens of 24"
  std::string size;
  /// Rows of tokens that look at each other: windows, or the batch; and the
  /// heads of each, wherever the operation has its windows.
  mm::Dim rows, heads, keyHeads;
};

/// What the mask of an attention says of its pairs, as a person would.
AttentionKind getKind(mm::AttentionOp op);

} // namespace mmcc

#endif // MMCC_PASSES_ATTENTION_ATTENTIONKIND_H
