//===- Passes.h - Passes that form model-level operations -------*- C++ -*-===//

#ifndef MMCC_PASSES_FUSE_PASSES_H
#define MMCC_PASSES_FUSE_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include <memory>

namespace mmcc {

#define GEN_PASS_DECL
#include "passes/fuse/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/fuse/Passes.h.inc"

} // namespace mmcc

#endif // MMCC_PASSES_FUSE_PASSES_H
