//===- InputScaling.h - A layer's input, divided ----------------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_INPUTSCALING_H
#define MMCC_PASSES_QUANTIZE_INPUTSCALING_H

#include "passes/quantize/LayerInputs.h"

namespace mmcc::quantize {

/// Divides what a norm gives by `scales` [width], in its own scale and offset,
/// if `input` comes from a norm over its last dimension and nothing but
/// `input.layers` reads it. False if not.
bool divideInNorm(const LayerInput &input, llvm::ArrayRef<float> scales);

/// `value` [..., width] over `scales` [width].
mlir::Value divide(mlir::OpBuilder &builder, mlir::Location loc,
                   mlir::Value value, llvm::ArrayRef<float> scales);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_INPUTSCALING_H
