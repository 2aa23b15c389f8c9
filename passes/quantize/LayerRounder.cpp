//===- LayerRounder.cpp - Rounds the layers that read one value -----------===//

#include "passes/quantize/LayerRounder.h"
#include "passes/quantize/LayerPlan.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;

namespace mmcc::quantize {

std::vector<const WeightMatrix *> LayerWeights::pointers() const {
  std::vector<const WeightMatrix *> all;
  for (const WeightMatrix &matrix : matrices)
    all.push_back(&matrix);
  return all;
}

LayerExtents LayerWeights::extents() const {
  LayerExtents extents{seen->rows / seen->calls, width, 0};
  for (const WeightMatrix &matrix : matrices)
    extents.out += matrix.out;
  return extents;
}

bool LayerWeights::fit(const QuantizeRequest &scheme) const {
  return !scheme.isHalf() ||
         llvm::all_of(matrices, [&](const WeightMatrix &matrix) {
           return fitsHalf(matrix, halfOf(scheme));
         });
}

HalfFloat halfOf(const QuantizeRequest &scheme) {
  return *parseHalf(scheme.format);
}

LayerError errorOf(const LayerWeights &weights, const QuantizeRequest &scheme,
                   const RoundedLayers &rounded) {
  if (scheme.isHalf())
    return errorOf(weights.pointers(), halfOf(scheme), *weights.seen);
  return errorOf(weights.pointers(), rounded, *weights.seen,
                 roundingOf(scheme, weights.width));
}

static NumberKind kindOf(const QuantizeRequest &scheme) {
  return scheme.format == "e4m3"   ? NumberKind::e4m3
         : scheme.format == "e5m2" ? NumberKind::e5m2
                                   : NumberKind::integer;
}

WeightFormat formatOf(const QuantizeRequest &scheme, int64_t depth) {
  NumberKind kind = kindOf(scheme);
  bool limited = scheme.bits == 8 && !scheme.asymmetric &&
                 !scheme.activations.empty() && kind == NumberKind::integer;
  bool wholeTensor =
      scheme.activations == "static" && kind != NumberKind::integer;
  return {scheme.bits,
          fitGroup(scheme.group, depth),
          scheme.asymmetric,
          limited,
          kind,
          wholeTensor};
}

Rounding roundingOf(const QuantizeRequest &scheme, int64_t depth) {
  Rounding rounding;
  rounding.method = parseMethod(scheme.method).value_or(Method::rtn);
  rounding.actOrder = scheme.actOrder;
  if (!scheme.activations.empty())
    rounding.activations =
        ActivationFormat{scheme.activations == "static",
                         fitGroup(scheme.group, depth), kindOf(scheme)};
  return rounding;
}

bool LayerRounder::knows(size_t index) const {
  return !statistics.empty() &&
         llvm::sys::fs::exists(statisticsPath(statistics, index));
}

void LayerRounder::look(LayerWeights &weights) const {
  if (weights.seen || !knows(weights.index))
    return;
  InputStatistics seen;
  if (seen.read(statisticsPath(statistics, weights.index), weights.width,
                /*withGram=*/false)
          .empty())
    weights.seen = std::move(seen);
}

std::string LayerRounder::round(LayerWeights &weights,
                                const QuantizeRequest &scheme,
                                RoundedLayers &rounded) const {
  if (scheme.isHalf())
    return "";
  Rounding rounding = roundingOf(scheme, weights.width);
  std::vector<WeightFormat> formats(weights.matrices.size(),
                                    formatOf(scheme, weights.width));
  // A sum of squares takes long to turn into numbers; rounding does not.
  std::string kept = statistics + "/rounded." + std::to_string(weights.index) +
                     "." + scheme.scheme + "." + scheme.method + ".npz";
  bool keeps = scheme.method != "rtn";
  if (keeps && rounded.read(kept, weights.pointers(), formats))
    return "";
  InputStatistics seen;
  if (rounding.needsStatistics()) {
    std::string message = seen.read(statisticsPath(statistics, weights.index),
                                    weights.width, rounding.needsGram());
    if (!message.empty())
      return "nothing is known of its input: " + message;
  }
  rounded =
      roundLayers(weights.pointers(), formats, seen, rounding, weights.isTable);
  return keeps ? rounded.write(kept) : "";
}

} // namespace mmcc::quantize
