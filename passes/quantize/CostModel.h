//===- CostModel.h - What a linear layer takes in each scheme ---*- C++ -*-===//
//
// For whoever has no timing of the machine at hand. A layer of few rows is
// bound by its weights, one of many by its products:
//
//     time = max(weight, rows x row) x in x out + rounding x rows x in + launch
//
// in units of what a weight of f32 takes to be read. The constants are fitted
// on two threads (README.md): steps of Qwen2 0.5B with AVX2 for `weight`,
// BERT-base of 128 tokens for `row`, which depends on the level. Of
// kernel_bench are what 4 bits gain with AVX-VNNI, and integers with AVX-512 as
// such.
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

/// Whether `level` is the name of one that costs are known of.
bool hasCosts(llvm::StringRef level);

/// The time of a layer in a scheme, or in f32, on a machine of a level that
/// hasCosts.
double costOf(const LayerExtents &layer,
              const std::optional<QuantizeRequest> &scheme,
              llvm::StringRef level);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_COSTMODEL_H
