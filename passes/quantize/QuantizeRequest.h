//===- QuantizeRequest.h - Which numbers are to be narrow -------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_QUANTIZEREQUEST_H
#define MMCC_PASSES_QUANTIZE_QUANTIZEREQUEST_H

#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace mmcc {

/// A scheme by name: w and the bits of weights, a and those of activations.
///
///     w3a16, w4a16, w8a16    weights only; activations stay as they are
///     w4a8                   activations in 8 bits by group of a token
///     w8a8-dynamic           activations in 8 bits by token
struct QuantizeRequest {
  std::string scheme;
  unsigned bits = 4;
  /// Numbers that share a scale; 0: all of a column.
  int64_t group = 128;
  bool asymmetric = false;
  /// "rows": integers whose scale is found at the call; empty: as they are.
  std::string activations;

  /// Nothing, with a message in `error`, if there is no such scheme.
  static std::optional<QuantizeRequest> parse(llvm::StringRef scheme,
                                              std::string &error);
  /// The pass that carries it out, with its options; `explain`: it says what
  /// stayed as it was.
  std::string pass(bool explain) const;
  /// As on the command line, with what is not the scheme's default.
  std::string recorded() const;
};

} // namespace mmcc

#endif // MMCC_PASSES_QUANTIZE_QUANTIZEREQUEST_H
