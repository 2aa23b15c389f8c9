//===- RoundLayers.cpp - Weights of layers that read one value ------------===//

#include "passes/quantize/methods/RoundLayers.h"
#include "passes/quantize/methods/Awq.h"
#include "passes/quantize/methods/Gptq.h"
#include "passes/quantize/methods/RoundToNearest.h"
#include "passes/quantize/methods/Samples.h"

namespace mmcc::quantize {

std::optional<Method> parseMethod(const std::string &name) {
  if (name == "rtn")
    return Method::rtn;
  if (name == "gptq")
    return Method::gptq;
  if (name == "awq")
    return Method::awq;
  if (name == "smoothquant")
    return Method::smoothquant;
  return std::nullopt;
}

RoundedLayers roundLayers(const std::vector<const WeightMatrix *> &weights,
                          const std::vector<WeightFormat> &formats,
                          const InputStatistics &statistics,
                          const Rounding &rounding, bool plain) {
  RoundedLayers result;
  Method method = plain ? Method::rtn : rounding.method;
  if (method == Method::awq)
    result.inputScales = searchAwqScales(weights, formats, statistics);
  if (method == Method::smoothquant)
    result.inputScales =
        searchSmoothScales(weights, formats, statistics, *rounding.activations);
  std::optional<Gptq> gptq;
  if (method == Method::gptq)
    gptq.emplace(statistics, rounding.actOrder);
  for (size_t i = 0; i < weights.size(); ++i) {
    const WeightMatrix &weight = *weights[i];
    if (gptq && gptq->isValid())
      result.weights.push_back(gptq->round(weight, formats[i]));
    else if (method == Method::awq)
      result.weights.push_back(
          roundClipped(weight, formats[i], result.inputScales, statistics));
    else if (result.inputScales.empty())
      result.weights.push_back(roundToNearest(weight, formats[i]));
    else
      result.weights.push_back(roundToNearest(
          scaled(weight, scalesOrOnes(result.inputScales, weight.in)),
          formats[i]));
  }
  if (rounding.activations && rounding.activations->isStatic) {
    NumberKind kind = rounding.activations->kind;
    result.staticScale =
        method == Method::smoothquant || kind != NumberKind::integer
            ? coveringStaticScale(statistics, result.inputScales, kind)
            : searchStaticScale(statistics, result.inputScales);
  }
  return result;
}

} // namespace mmcc::quantize
