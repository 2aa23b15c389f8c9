//===- AttentionPattern.cpp - What --attention asks for -------------------===//

#include "passes/attention/AttentionPattern.h"

namespace mmcc {

using llvm::StringRef;

/// More tokens than any model has.
constexpr int64_t kMost = int64_t(1) << 30;

static bool parseNumber(StringRef text, int64_t least, int64_t &value) {
  return !text.getAsInteger(10, value) && value >= least && value <= kMost;
}

static bool parseLayers(StringRef text, AttentionPattern &pattern) {
  auto [first, last] = text.split("..");
  if (!parseNumber(first, 0, pattern.firstLayer))
    return false;
  pattern.lastLayer = pattern.firstLayer;
  return !text.contains("..") ||
         parseNumber(last, pattern.firstLayer, pattern.lastLayer);
}

std::optional<AttentionPattern> AttentionPattern::parse(StringRef text,
                                                        std::string &error) {
  AttentionPattern pattern;
  StringRef kind = text;
  bool good = true;
  if (text.contains(':')) {
    StringRef layers;
    std::tie(layers, kind) = text.split(':');
    good = parseLayers(layers, pattern);
  }
  if (kind.consume_front("window=")) {
    good &= parseNumber(kind, 1, pattern.window);
  } else if (kind.consume_front("sparse=")) {
    auto [window, stride] = kind.split(',');
    good &= parseNumber(window, 1, pattern.window) &&
            parseNumber(stride, 2, pattern.stride);
  } else {
    good &= kind == "full" || kind == "auto";
  }
  if (good)
    return pattern;
  error = "expected auto, full, window=W or sparse=W,S (W from 1, S from 2), "
          "perhaps for layers only: N:... or N..M:...";
  return std::nullopt;
}

} // namespace mmcc
