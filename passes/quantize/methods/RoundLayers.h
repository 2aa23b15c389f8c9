//===- RoundLayers.h - Weights of layers that read one value ----*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_METHODS_ROUNDLAYERS_H
#define MMCC_PASSES_QUANTIZE_METHODS_ROUNDLAYERS_H

#include "passes/quantize/methods/Activations.h"
#include "passes/quantize/methods/InputStatistics.h"
#include "passes/quantize/methods/NarrowWeight.h"

#include <optional>

namespace mmcc::quantize {

enum class Method { rtn, gptq, awq, smoothquant };

/// Nothing if there is no method of this name.
std::optional<Method> parseMethod(const std::string &name);

struct Rounding {
  Method method = Method::rtn;
  /// GPTQ: inputs that vary most first.
  bool actOrder = false;
  /// Nothing: activations stay as they are.
  std::optional<ActivationFormat> activations;

  bool needsGram() const { return method == Method::gptq; }
  bool needsStatistics() const {
    return method != Method::rtn || (activations && activations->isStatic);
  }
};

struct RoundedLayers {
  std::vector<NarrowWeight> weights;
  /// What x is divided by before it meets them; empty: 1.
  std::vector<float> inputScales;
  /// The scale of x's 8-bit numbers, if it is one for all rows.
  float staticScale = 1;

  /// As an .npz, so that what took long need not be done again. Returns a
  /// message on failure, else an empty string.
  std::string write(const std::string &path) const;
  /// False if there is no such file, or if it is of other weights or formats.
  bool read(const std::string &path,
            const std::vector<const WeightMatrix *> &weights,
            const std::vector<WeightFormat> &formats);
};

/// Rounds weights to their formats. `statistics` is read if the rounding needs
/// it. With `plain` every number is rounded to the nearest and x is not scaled.
RoundedLayers roundLayers(const std::vector<const WeightMatrix *> &weights,
                          const std::vector<WeightFormat> &formats,
                          const InputStatistics &statistics,
                          const Rounding &rounding, bool plain);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_METHODS_ROUNDLAYERS_H
