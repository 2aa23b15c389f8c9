//===- Passes.h - Passes that recognise attention ---------------*- C++ -*-===//

#ifndef MMCC_PASSES_ATTENTION_PASSES_H
#define MMCC_PASSES_ATTENTION_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include <memory>

namespace mmcc {

#define GEN_PASS_DECL
#include "passes/attention/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/attention/Passes.h.inc"

} // namespace mmcc

#endif // MMCC_PASSES_ATTENTION_PASSES_H
