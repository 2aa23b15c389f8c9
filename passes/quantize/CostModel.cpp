//===- CostModel.cpp - What a linear layer takes in each scheme -----------===//

#include "passes/quantize/CostModel.h"

#include <algorithm>

namespace mmcc::quantize {

namespace {

struct Cost {
  double weight, row;
};

constexpr double kRow = 0.124; // f32 products of a row, beside reading a weight
constexpr double kRounding = 2, kLaunch = 17000;

Cost costOf(unsigned bits, bool integers) {
  if (bits == 8)
    return integers ? Cost{0.25, 0.53 * kRow} : Cost{0.22, 1.03 * kRow};
  return integers ? Cost{0.12, 0.70 * kRow} : Cost{0.20, 1.03 * kRow};
}

} // namespace

double costOf(const LayerExtents &layer,
              const std::optional<QuantizeRequest> &scheme) {
  bool integers = scheme && !scheme->activations.empty();
  Cost cost = scheme ? costOf(scheme->bits, integers) : Cost{1, kRow};
  double rows = double(layer.rows), in = double(layer.in);
  double time = std::max(cost.weight, cost.row * rows) * in * double(layer.out);
  if (integers)
    time += kRounding * rows * in + kLaunch;
  return time + kLaunch;
}

} // namespace mmcc::quantize
