//===- CostModel.cpp - What a linear layer takes in each scheme -----------===//

#include "passes/quantize/CostModel.h"

#include <algorithm>
#include <cassert>

namespace mmcc::quantize {

namespace {

struct Cost {
  double weight, row;
};

/// What is widened to f32 on its way to the products takes a little longer.
constexpr double kWidened = 1.03;

/// Products of a row in f32, beside reading a weight, and what integers of 8
/// and of 4 bits, and bf16, take of that.
struct LevelCosts {
  llvm::StringLiteral level;
  double row, bytes, nibbles, bf16;
};

constexpr LevelCosts kLevels[] = {
    {"x86-64-v3", 0.124, 0.53, 0.70, kWidened},
    {"x86-64-v3-avxvnni", 0.124, 0.38, 0.42, kWidened},
    {"x86-64-v4", 0.093, 0.70, 0.59, kWidened},
    {"x86-64-v4-vnni-bf16", 0.093, 0.27, 0.30, 0.55},
    {"x86-64-v4-amx", 0.046, 0.12, 0.18, 0.21},
};
constexpr double kRounding = 2, kStoring = 0.5, kLaunch = 17000;

const LevelCosts *find(llvm::StringRef level) {
  for (const LevelCosts &costs : kLevels)
    if (costs.level == level)
      return &costs;
  return nullptr;
}

Cost costOf(const QuantizeRequest &scheme, const LevelCosts &on) {
  if (scheme.isHalf())
    return {0.5, (scheme.scheme == "bf16" ? on.bf16 : kWidened) * on.row};
  bool isByte = scheme.bits == 8;
  // No CPU multiplies floats of 8 bits.
  if (scheme.activations.empty() || scheme.format != "int")
    return {isByte ? 0.22 : 0.20, kWidened * on.row};
  return isByte ? Cost{0.25, on.bytes * on.row}
                : Cost{0.12, on.nibbles * on.row};
}

} // namespace

bool hasCosts(llvm::StringRef level) { return find(level); }

double costOf(const LayerExtents &layer,
              const std::optional<QuantizeRequest> &scheme,
              llvm::StringRef level) {
  const LevelCosts *on = find(level);
  assert(on && "a level without costs");
  Cost cost = scheme ? costOf(*scheme, *on) : Cost{1, on->row};
  double rows = double(layer.rows), in = double(layer.in);
  double time = std::max(cost.weight, cost.row * rows) * in * double(layer.out);
  // Whoever makes the input stores it in bf16, too; integers have a launch.
  if (scheme && scheme->scheme == "bf16")
    time += kStoring * rows * in;
  if (scheme && !scheme->activations.empty())
    time += kRounding * rows * in + kLaunch;
  return time + kLaunch;
}

} // namespace mmcc::quantize
