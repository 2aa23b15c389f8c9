//===- MergeSchedule.h - How many tokens each layer merges ------*- C++ -*-===//
//
//     r=8          eight in every layer
//     r=8..0       falling (or rising) evenly from the first layer to the last
//     r=8/8/4/0    one number a layer; the last one holds for those after it
//     ratio=0.5    equally many in every layer, so that half of the tokens are
//                  left at the end
//
// followed, if need be, by `,protect=P` (the first P tokens take no part;
// otherwise the pass finds class and register tokens itself) and `,neighbours`
// (only tokens beside each other merge, as in audio).
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_TOKENS_MERGESCHEDULE_H
#define MMCC_PASSES_TOKENS_MERGESCHEDULE_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace mmcc {

struct MergeSchedule {
  /// The text of --tome; nothing, and why in `error`, if it is malformed.
  static std::optional<MergeSchedule> parse(llvm::StringRef text,
                                            std::string &error);

  /// Tokens that each of `layers` layers merges, from `tokens` of which
  /// `protected_` take no part. No layer merges more than half of the others.
  llvm::SmallVector<int64_t> plan(int64_t layers, int64_t tokens,
                                  int64_t protected_) const;

  /// What is wanted: numbers by layer, a line from the first to the last, or
  /// the share that is left.
  llvm::SmallVector<int64_t> list;
  std::optional<std::pair<int64_t, int64_t>> line;
  std::optional<double> ratio;
  std::optional<int64_t> protect;
  bool neighbours = false;
};

} // namespace mmcc

#endif // MMCC_PASSES_TOKENS_MERGESCHEDULE_H
