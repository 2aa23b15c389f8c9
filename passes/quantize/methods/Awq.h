//===- Awq.h - Finer steps for inputs that are large ------------*- C++ -*-===//
//
// J. Lin et al., 2023, arXiv 2306.00978.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_QUANTIZE_METHODS_AWQ_H
#define MMCC_PASSES_QUANTIZE_METHODS_AWQ_H

#include "passes/quantize/methods/InputStatistics.h"
#include "passes/quantize/methods/NarrowWeight.h"

namespace mmcc::quantize {

/// Scales s [in] under which x / s times rounded W s is nearest to x W on the
/// sampled rows, for the weights of all layers that read x:
///
///     s = max(m^alpha, 1e-4), over sqrt(max s min s)    m = mean of |x|
///
/// for the best alpha of 0, 0.05, .. 0.95. Empty for alpha 0, where s is 1.
/// `losses`: the mean squared error of each alpha.
std::vector<float>
searchAwqScales(const std::vector<const WeightMatrix *> &weights,
                const std::vector<WeightFormat> &formats,
                const InputStatistics &statistics,
                std::vector<double> *losses = nullptr);

/// Rounds W s to nearest, each group's range cut to the share of 1, 0.95, ..
/// 0.55 that leaves the least error of what x / s times the group gives.
/// `scales`: s, or empty for 1. `shares` [in / group, out] of the ranges.
NarrowWeight roundClipped(const WeightMatrix &weight,
                          const WeightFormat &format,
                          const std::vector<float> &scales,
                          const InputStatistics &statistics,
                          std::vector<float> *shares = nullptr);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_METHODS_AWQ_H
