//===- AttentionFacts.h - Every attention and its tokens --------*- C++ -*-===//

#ifndef MMCC_COMPILER_REPORT_ATTENTIONFACTS_H
#define MMCC_COMPILER_REPORT_ATTENTIONFACTS_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace mmcc {

/// An object for each mm.attention, in order: entry, node (as `describe` names
/// a location), kind, limits, size, queries and keys (a number, or the text of
/// a size that depends on the call).
llvm::json::Array
collectAttention(mlir::ModuleOp module,
                 llvm::function_ref<std::string(mlir::Location)> describe);

} // namespace mmcc

#endif // MMCC_COMPILER_REPORT_ATTENTIONFACTS_H
