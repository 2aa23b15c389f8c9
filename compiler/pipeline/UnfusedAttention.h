//===- UnfusedAttention.h - What --strict refuses ---------------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_UNFUSEDATTENTION_H
#define MMCC_COMPILER_PIPELINE_UNFUSEDATTENTION_H

#include "mlir/IR/BuiltinOps.h"

namespace mmcc {

/// Fails, with an error at each, if a softmax between two matrix products has
/// stayed outside of mm.attention.
mlir::LogicalResult checkAttentionIsFused(mlir::ModuleOp module);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_UNFUSEDATTENTION_H
