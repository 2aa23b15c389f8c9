//===- InputTaps.h - What layers are given, as outputs ----------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_INPUTTAPS_H
#define MMCC_COMPILER_PIPELINE_INPUTTAPS_H

#include "mlir/IR/OwningOpRef.h"
#include "passes/quantize/LayerInputs.h"

namespace mmcc {

/// A module with the function of these layer inputs alone, which gives for the
/// i-th of them, as outputs 2i and 2i + 1 (i alone without `gram`),
///
///     x [rows, width]        its rows
///     x^T x [width, width]   their Gram matrix
///
/// and nothing else. `places`: of the inputs in findLayerInputs(module).
mlir::OwningOpRef<mlir::ModuleOp>
tapLayerInputs(mlir::ModuleOp module, llvm::ArrayRef<size_t> places, bool gram);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_INPUTTAPS_H
