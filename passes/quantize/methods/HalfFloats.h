//===- HalfFloats.h - Weights in 16 bits ------------------------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_METHODS_HALFFLOATS_H
#define MMCC_PASSES_QUANTIZE_METHODS_HALFFLOATS_H

#include "passes/quantize/methods/WeightMatrix.h"

#include <optional>
#include <string>

namespace mmcc::quantize {

/// bf16 has f32's range and 8 bits, f16 11 bits from 2^-14 to 65504 and fewer
/// down to 2^-24.
enum class HalfFloat { bf16, f16 };

/// Of "bf16" and "f16"; nothing for other names.
std::optional<HalfFloat> parseHalf(const std::string &name);

/// What x means in 16 bits, to nearest even: of finite numbers in range.
float roundedToHalf(float x, HalfFloat type);

/// Rounds `count` f32 at `from`, of any alignment, to nearest even.
void roundToHalf(const char *from, int64_t count, HalfFloat type, uint16_t *to);

/// Whether no number becomes infinite, and none was to begin with.
bool fitsHalf(const WeightMatrix &weight, HalfFloat type);

/// f16 if it fits and no column loses more by it than by bf16, which would be
/// one whose numbers are below f16's normal range: by the sum of squared
/// errors, since a few tiny numbers are in every column. Else bf16, if that
/// fits.
std::optional<HalfFloat> chooseHalf(const WeightMatrix &weight);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_METHODS_HALFFLOATS_H
