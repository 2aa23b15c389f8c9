//===- PruneRequest.h - How many image tokens stay --------------*- C++ -*-===//
//
//     keep=144       so many
//     ratio=0.25     this share of them, rounded up
//
// followed, if need be, by `,at=NAME`: the input or node of the model whose
// value holds the image tokens. Otherwise the pass finds where they are joined
// with text.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_TOKENS_PRUNEREQUEST_H
#define MMCC_PASSES_TOKENS_PRUNEREQUEST_H

#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace mmcc {

struct PruneRequest {
  /// The text of --prune; nothing, and why in `error`, if it is malformed.
  static std::optional<PruneRequest> parse(llvm::StringRef text,
                                           std::string &error);

  /// How many of `tokens` stay.
  int64_t count(int64_t tokens) const;

  std::optional<int64_t> keep;
  std::optional<double> ratio;
  /// Empty: to be found.
  std::string at;
};

} // namespace mmcc

#endif // MMCC_PASSES_TOKENS_PRUNEREQUEST_H
