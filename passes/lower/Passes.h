//===- Passes.h - From mm to plan -------------------------------*- C++ -*-===//

#ifndef MMCC_PASSES_LOWER_PASSES_H
#define MMCC_PASSES_LOWER_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <string>
#include <vector>

namespace mmcc {
#define GEN_PASS_DECL
#include "passes/lower/Passes.h.inc"

std::unique_ptr<mlir::Pass>
createLowerToPlan(const std::vector<std::string> &targets);

#define GEN_PASS_REGISTRATION
#include "passes/lower/Passes.h.inc"
} // namespace mmcc

#endif // MMCC_PASSES_LOWER_PASSES_H
