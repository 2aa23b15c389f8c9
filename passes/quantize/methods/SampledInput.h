//===- SampledInput.h - A layer's sampled rows as it gets them --*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_METHODS_SAMPLEDINPUT_H
#define MMCC_PASSES_QUANTIZE_METHODS_SAMPLEDINPUT_H

#include "passes/quantize/methods/Activations.h"
#include "passes/quantize/methods/Samples.h"

namespace mmcc::quantize {

/// The sampled rows over `scales`.
Rows divided(const InputStatistics &statistics, const Scales &scales);

/// The largest magnitude of all rows over `scales`.
double largestOf(const InputStatistics &statistics, const Scales &scales);

/// A static scale for numbers of up to this magnitude; 1 for 0.
double staticScaleOf(double largest, NumberKind kind);

/// What `count` numbers mean as 8-bit ones, in their place.
void roundAll(float *numbers, int64_t count, float scale, NumberKind kind);

/// x as its 8-bit numbers mean it. `staticScale` is read if the format is
/// static.
Rows rounded(Rows x, const ActivationFormat &format, double staticScale);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_METHODS_SAMPLEDINPUT_H
