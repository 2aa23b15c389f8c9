//===- CostModel.cpp - What a linear layer takes in each scheme -----------===//

#include "passes/quantize/CostModel.h"

#include <algorithm>
#include <cassert>

namespace mmcc::quantize {

namespace {

struct Cost {
  double weight, row;
};

/// Products of a row in f32, beside reading a weight, and what integers take of
/// that.
struct LevelCosts {
  llvm::StringLiteral level;
  double row, bytes, halves;
};

constexpr LevelCosts kLevels[] = {
    {"x86-64-v3", 0.124, 0.53, 0.70},
    {"x86-64-v3-avxvnni", 0.124, 0.38, 0.42},
    {"x86-64-v4", 0.093, 0.70, 0.59},
    {"x86-64-v4-vnni-bf16", 0.093, 0.27, 0.30},
    {"x86-64-v4-amx", 0.046, 0.12, 0.18},
};
constexpr double kRounding = 2, kLaunch = 17000;

const LevelCosts *find(llvm::StringRef level) {
  for (const LevelCosts &costs : kLevels)
    if (costs.level == level)
      return &costs;
  return nullptr;
}

Cost costOf(unsigned bits, bool integers, const LevelCosts &on) {
  if (!integers)
    return {bits == 8 ? 0.22 : 0.20, 1.03 * on.row};
  return bits == 8 ? Cost{0.25, on.bytes * on.row}
                   : Cost{0.12, on.halves * on.row};
}

} // namespace

bool hasCosts(llvm::StringRef level) { return find(level); }

double costOf(const LayerExtents &layer,
              const std::optional<QuantizeRequest> &scheme,
              llvm::StringRef level) {
  const LevelCosts *on = find(level);
  assert(on && "a level without costs");
  bool integers = scheme && !scheme->activations.empty();
  Cost cost = scheme ? costOf(scheme->bits, integers, *on) : Cost{1, on->row};
  double rows = double(layer.rows), in = double(layer.in);
  double time = std::max(cost.weight, cost.row * rows) * in * double(layer.out);
  if (integers)
    time += kRounding * rows * in + kLaunch;
  return time + kLaunch;
}

} // namespace mmcc::quantize
