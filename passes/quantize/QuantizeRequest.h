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
///     w8a8                   activations in 8 bits by one scale for all
///     fp8, fp8-e5m2          weights only, as floats of 8 bits (e4m3, e5m2)
///     fp8-dynamic            both as floats (e4m3), with a scale a token and a
///                            column
///     fp8-static             the same, with one scale for all activations and
///                            one for all of a weight
///     auto                   for each layer what a search finds
///
/// A plan (LayerPlan.h) may have layers in 16 bits, too. For all of a model
/// that is what --precision says:
///
///     bf16                   weights and activations, without scales
///     f16                    the same, activations where they are proven to
///                            fit; in a plan weights only
struct QuantizeRequest {
  std::string scheme;
  unsigned bits = 4;
  /// Numbers that share a scale; 0: all of a column.
  int64_t group = 128;
  bool asymmetric = false;
  /// int, e4m3 or e5m2; bf16 or f16.
  std::string format = "int";
  /// "rows": numbers of `format` whose scale is found at the call; "static": of
  /// a scale found on samples; empty: as they are.
  std::string activations;
  /// rtn, gptq, awq or smoothquant (methods/RoundLayers.h).
  std::string method = "rtn";
  bool actOrder = false;
  /// Folder of what layers are given on samples; empty: not known.
  std::string statistics;
  /// The scheme "auto": what a search chose (LayerPlan.h); empty before.
  std::string plan;

  /// Nothing, with a message in `error`, if there is no such scheme.
  static std::optional<QuantizeRequest> parse(llvm::StringRef scheme,
                                              std::string &error);
  /// bf16 or f16.
  static QuantizeRequest half(llvm::StringRef type);
  bool isHalf() const { return bits == 16; }
  /// Whether it wants to know what layers are given, and whether it wants
  /// their inputs' Gram matrices.
  bool needsStatistics() const;
  bool needsGram() const;
  /// What attention may round its operands to, beside such layers: f32, bf16 or
  /// i8.
  std::string attentionOperands() const;
  /// Why the options do not go together; empty if they do.
  std::string conflict() const;
  /// The pass that carries it out, with its options; `explain`: it says what
  /// stayed as it was; `level`: gains are reckoned for.
  std::string pass(bool explain, llvm::StringRef level) const;
  /// As on the command line, with what is not the scheme's default.
  std::string recorded() const;
};

} // namespace mmcc

#endif // MMCC_PASSES_QUANTIZE_QUANTIZEREQUEST_H
