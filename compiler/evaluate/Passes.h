//===- Passes.h - Evaluation of constant subgraphs --------------*- C++ -*-===//

#ifndef MMCC_COMPILER_EVALUATE_PASSES_H
#define MMCC_COMPILER_EVALUATE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <functional>
#include <memory>
#include <string>

namespace mmcc {

/// Compiles a module in `mm`, whose only function has no arguments, into an
/// artifact at `path` with code for x86-64-v3. Reports its own errors. The
/// pipeline hands this in, so that evaluation depends on no back end.
using CompileConstants = std::function<mlir::LogicalResult(
    mlir::ModuleOp module, const std::string &path)>;

std::unique_ptr<mlir::Pass>
createEvaluateConstantsPass(CompileConstants compile);

} // namespace mmcc

#endif // MMCC_COMPILER_EVALUATE_PASSES_H
