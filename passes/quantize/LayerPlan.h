//===- LayerPlan.h - A scheme for each layer --------------------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_LAYERPLAN_H
#define MMCC_PASSES_QUANTIZE_LAYERPLAN_H

#include "passes/quantize/QuantizeRequest.h"
#include <vector>

namespace mmcc {

/// Schemes of the inputs of a module's layers (LayerInputs.h), in their order.
/// As text, equal neighbours together:
///
///     f32*2,w8a8-dynamic*10,w4a8/gptq,bf16
struct LayerPlan {
  /// Nothing: as it was.
  std::vector<std::optional<QuantizeRequest>> schemes;

  static std::optional<LayerPlan> parse(llvm::StringRef text,
                                        std::string &error);
  std::string str() const;
};

/// What a search chooses from, more bits first.
std::vector<QuantizeRequest> searchedSchemes();

/// "w4a8/gptq"; the method is left out if it is rtn. "f32" for nothing.
std::string describe(const std::optional<QuantizeRequest> &scheme);

} // namespace mmcc

#endif // MMCC_PASSES_QUANTIZE_LAYERPLAN_H
