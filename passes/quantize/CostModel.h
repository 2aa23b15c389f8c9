//===- CostModel.h - What a linear layer takes in each scheme ---*- C++ -*-===//
//
// For whoever has no timing of the machine at hand. A layer of few rows is
// bound by its weights, one of many by its products:
//
//     time = max(weight, rows x row) x in x out + rounding x rows x in + launch
//
// in units of what a weight of f32 takes to be read. The constants are fitted
// to whole models on two threads of an x86-64 CPU with AVX2 (README.md): steps
// of Qwen2 0.5B for `weight`, BERT-base of 128 tokens for `row`.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_QUANTIZE_COSTMODEL_H
#define MMCC_PASSES_QUANTIZE_COSTMODEL_H

#include "passes/quantize/QuantizeRequest.h"

namespace mmcc::quantize {

/// A layer's extents: rows at a call.
struct LayerExtents {
  int64_t rows, in, out;
};

/// The time of a layer in a scheme, or in f32.
double costOf(const LayerExtents &layer,
              const std::optional<QuantizeRequest> &scheme);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_COSTMODEL_H
