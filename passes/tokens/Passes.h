//===- Passes.h - Passes that reduce the number of tokens -------*- C++ -*-===//

#ifndef MMCC_PASSES_TOKENS_PASSES_H
#define MMCC_PASSES_TOKENS_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <memory>

namespace mmcc {

#define GEN_PASS_DECL
#include "passes/tokens/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/tokens/Passes.h.inc"

} // namespace mmcc

#endif // MMCC_PASSES_TOKENS_PASSES_H
