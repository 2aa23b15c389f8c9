//===- Passes.h - Passes that give one form to one meaning ------*- C++ -*-===//

#ifndef MMCC_PASSES_SIMPLIFY_PASSES_H
#define MMCC_PASSES_SIMPLIFY_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include <memory>

namespace mmcc {

#define GEN_PASS_DECL
#include "passes/simplify/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/simplify/Passes.h.inc"

} // namespace mmcc

#endif // MMCC_PASSES_SIMPLIFY_PASSES_H
