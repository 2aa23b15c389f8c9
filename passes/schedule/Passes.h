//===- Passes.h - Placing what lower made -----------------------*- C++ -*-===//

#ifndef MMCC_PASSES_SCHEDULE_PASSES_H
#define MMCC_PASSES_SCHEDULE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mmcc {
#define GEN_PASS_DECL
#include "passes/schedule/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/schedule/Passes.h.inc"
} // namespace mmcc

#endif // MMCC_PASSES_SCHEDULE_PASSES_H
