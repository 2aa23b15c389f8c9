//===- Passes.h - Passes that make numbers narrower -------------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_PASSES_H
#define MMCC_PASSES_QUANTIZE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <memory>

namespace mmcc {

#define GEN_PASS_DECL
#include "passes/quantize/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/quantize/Passes.h.inc"

} // namespace mmcc

#endif // MMCC_PASSES_QUANTIZE_PASSES_H
