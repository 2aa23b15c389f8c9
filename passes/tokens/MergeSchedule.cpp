//===- MergeSchedule.cpp - How many tokens each layer merges --------------===//

#include "passes/tokens/MergeSchedule.h"
#include "llvm/ADT/StringExtras.h"
#include <algorithm>
#include <cmath>

namespace mmcc {

using llvm::StringRef;

/// More than any model has, so that sums cannot overflow.
constexpr int64_t kMostTokens = int64_t(1) << 24;

static std::optional<int64_t> parseCount(StringRef text) {
  int64_t value;
  if (text.getAsInteger(10, value) || value < 0 || value > kMostTokens)
    return std::nullopt;
  return value;
}

static bool parseCounts(StringRef text, MergeSchedule &schedule) {
  if (text.contains("..")) {
    auto [first, last] = text.split("..");
    auto from = parseCount(first), to = parseCount(last);
    if (from && to)
      schedule.line = {*from, *to};
    return from && to;
  }
  llvm::SmallVector<StringRef> parts;
  text.split(parts, '/');
  for (StringRef part : parts) {
    std::optional<int64_t> count = parseCount(part);
    if (!count)
      return false;
    schedule.list.push_back(*count);
  }
  return true;
}

std::optional<MergeSchedule> MergeSchedule::parse(StringRef text,
                                                  std::string &error) {
  MergeSchedule schedule;
  llvm::SmallVector<StringRef> parts;
  text.split(parts, ',');
  bool good = true;
  for (StringRef part : parts) {
    auto [key, value] = part.split('=');
    bool first = schedule.list.empty() && !schedule.line && !schedule.ratio;
    if (key == "r" && first) {
      good &= parseCounts(value, schedule);
    } else if (key == "ratio" && first) {
      double ratio;
      good &= !value.getAsDouble(ratio) && ratio > 0 && ratio <= 1;
      schedule.ratio = ratio;
    } else if (key == "protect" && !schedule.protect) {
      schedule.protect = parseCount(value);
      good &= schedule.protect.has_value();
    } else if (part == "neighbours") {
      schedule.neighbours = true;
    } else {
      good = false;
    }
  }
  if (!good || (schedule.list.empty() && !schedule.line && !schedule.ratio)) {
    error = "expected r=N, r=N..M, r=N/N/... or ratio=X with 0 < X <= 1, then "
            "perhaps ,protect=N and ,neighbours";
    return std::nullopt;
  }
  return schedule;
}

llvm::SmallVector<int64_t> MergeSchedule::plan(int64_t layers, int64_t tokens,
                                               int64_t protected_) const {
  llvm::SmallVector<int64_t> result;
  const int64_t movable = tokens - protected_;
  for (int64_t layer = 0; layer < layers; ++layer) {
    int64_t wanted;
    if (ratio) {
      wanted = std::ceil((1 - *ratio) * movable / layers);
    } else if (line) {
      auto [from, to] = *line;
      // Halves round up.
      double place = layers > 1 ? double(layer) / (layers - 1) : 0.0;
      wanted = std::floor(from + (to - from) * place + 0.5);
    } else {
      wanted = list[std::min<size_t>(layer, list.size() - 1)];
    }
    int64_t merged =
        std::max<int64_t>(0, std::min(wanted, (tokens - protected_) / 2));
    tokens -= merged;
    result.push_back(merged);
  }
  return result;
}

} // namespace mmcc
