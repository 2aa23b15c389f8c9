//===- Activations.h - Inputs of a layer in 8 bits --------------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_METHODS_ACTIVATIONS_H
#define MMCC_PASSES_QUANTIZE_METHODS_ACTIVATIONS_H

#include "passes/quantize/methods/InputStatistics.h"
#include "passes/quantize/methods/NarrowWeight.h"

namespace mmcc::quantize {

/// How a row's scales are found.
struct ActivationFormat {
  /// One scale for all rows, known beforehand; else each row has its own.
  bool isStatic = false;
  /// Numbers of a row that share a scale, if it is the row's own.
  int64_t block = 0;
  /// Integers, or floats of 8 bits.
  NumberKind kind = NumberKind::integer;
};

/// The static scale of x / s, in integers, under which x / s keeps most of its
/// energy: of ranges from the largest magnitude down to a tenth of it, the one
/// of the least mean squared error. `scales`: s, or empty for 1. All rows are
/// looked at by their histogram; where each input has a scale of its own, the
/// sampled ones.
float searchStaticScale(const InputStatistics &statistics,
                        const std::vector<float> &scales);

/// The static scale that covers the largest magnitude of x / s. Floats gain
/// nothing by a smaller one: what a number loses does not depend on the scale.
float coveringStaticScale(const InputStatistics &statistics,
                          const std::vector<float> &scales,
                          NumberKind kind = NumberKind::integer);

/// SmoothQuant: scales s [in] that move outliers of x into the weights of all
/// layers that read x, so that x / s and W s, both in 8 bits, are nearest to x
/// W on the sampled rows (G. Xiao et al., 2022, arXiv 2211.10438):
///
///     s = max|x|^alpha / max|W|^(1 - alpha)    1 where either maximum is 0
///
/// for the best alpha of 0, 0.05, .. 1. Empty if none is better than s = 1.
/// `losses`: the mean squared error of each alpha.
std::vector<float> searchSmoothScales(
    const std::vector<const WeightMatrix *> &weights,
    const std::vector<WeightFormat> &formats, const InputStatistics &statistics,
    const ActivationFormat &activations, std::vector<double> *losses = nullptr);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_METHODS_ACTIVATIONS_H
