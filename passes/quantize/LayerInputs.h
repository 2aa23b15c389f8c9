//===- LayerInputs.h - Values that linear layers read -----------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_LAYERINPUTS_H
#define MMCC_PASSES_QUANTIZE_LAYERINPUTS_H

#include "dialects/mm/MM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace mmcc::quantize {

/// A value [..., width] and the layers that read it, which can be quantized.
struct LayerInput {
  mlir::Value value;
  int64_t width;
  llvm::SmallVector<mm::LinearOp> layers;

  mlir::func::FuncOp func() const;
};

/// Why a layer cannot be quantized; empty if it can.
std::string whyNot(mm::LinearOp layer);

/// All of a module, function by function. What is known of an input is stored
/// by its place in this list: whoever asks later must see the same IR.
llvm::SmallVector<LayerInput> findLayerInputs(mlir::ModuleOp module);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_LAYERINPUTS_H
