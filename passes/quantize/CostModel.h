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
// kernel_bench are what 4 bits gain with AVX-VNNI, integers with AVX-512 as
// such, and bf16 with AMX: 1.8 times what bytes take. Its 0.55 before that is
// BERT-base on Zen 4, 57.2 of 103.9 ms; Intel's processors with AMX have an
// AVX-512 instruction for it that is slower than f32, which timings show. Other
// levels widen 16 bits to f32. A weight's half is half as long to read: a step
// of Qwen2 0.5B took 0.45 to 0.6 of its time in f32.
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
