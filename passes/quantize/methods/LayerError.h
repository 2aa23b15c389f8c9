//===- LayerError.h - What narrow numbers do to a layer ---------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_METHODS_LAYERERROR_H
#define MMCC_PASSES_QUANTIZE_METHODS_LAYERERROR_H

#include "passes/quantize/methods/HalfFloats.h"
#include "passes/quantize/methods/RoundLayers.h"

namespace mmcc::quantize {

/// Outputs y of layers on sampled rows, and what narrow numbers make of them.
struct LayerError {
  double signal = 0; // sum of y^2
  double noise = 0;  // sum of (y' - y)^2
  double dot = 0;    // sum of y y'

  /// noise / signal; 0 for a layer that is exact.
  double ratio() const;
  /// Signal to quantization noise, in decibels; at most 200.
  double sqnr() const;
  double cosine() const;
};

/// Of layers that read one value, as roundLayers() rounded them. At most 128 of
/// the sampled rows are looked at.
LayerError errorOf(const std::vector<const WeightMatrix *> &weights,
                   const RoundedLayers &rounded,
                   const InputStatistics &statistics, const Rounding &rounding);

/// Of layers whose weights are in 16 bits, and beside bf16 their input, too.
LayerError errorOf(const std::vector<const WeightMatrix *> &weights,
                   HalfFloat type, const InputStatistics &statistics);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_METHODS_LAYERERROR_H
