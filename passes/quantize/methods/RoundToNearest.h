//===- RoundToNearest.h - Each number by itself -----------------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_METHODS_ROUNDTONEAREST_H
#define MMCC_PASSES_QUANTIZE_METHODS_ROUNDTONEAREST_H

#include "passes/quantize/methods/NarrowWeight.h"

namespace mmcc::quantize {

/// The scale that covers `count` numbers: their largest magnitude becomes the
/// format's largest number, or, if asymmetric, their range, made to hold zero,
/// the format's range. Of zeros only the scale is 1.
GroupScale coverRange(const float *numbers, int64_t count,
                      const WeightFormat &format);

/// The scale that covers all numbers of a weight.
GroupScale coverTensor(const WeightMatrix &weight, const WeightFormat &format);

/// Every group, or all of the weight, covered by its range, every number
/// rounded to the nearest.
NarrowWeight roundToNearest(const WeightMatrix &weight,
                            const WeightFormat &format);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_METHODS_ROUNDTONEAREST_H
