//===- Passes.h - Passes that keep state between calls ---------*- C++ -*-===//

#ifndef MMCC_PASSES_STATE_PASSES_H
#define MMCC_PASSES_STATE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <memory>

namespace mmcc {

#define GEN_PASS_DECL
#include "passes/state/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/state/Passes.h.inc"

} // namespace mmcc

#endif // MMCC_PASSES_STATE_PASSES_H
