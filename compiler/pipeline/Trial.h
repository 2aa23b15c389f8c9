//===- Trial.h - Artifacts that are run and thrown away ---------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_TRIAL_H
#define MMCC_COMPILER_PIPELINE_TRIAL_H

#include "compiler/calibrate/Execution.h"
#include "compiler/pipeline/CompileOptions.h"
#include "compiler/pipeline/ExitCode.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/raw_ostream.h"

namespace mmcc {

/// `options` without what concerns the artifact that stays: its report, its
/// code as text, what is told about it. Code is x86-64-v3's, so that every
/// machine measures alike.
CompileOptions trialOptions(const CompileOptions &options);

/// Compiles from the start and opens the entry that takes `sample`.
ExitCode openTrial(const CompileOptions &options, const Sample &sample,
                   Execution &execution, llvm::raw_ostream &messages);

/// Compiles IR that has passed the stage `reached`, which is used up.
ExitCode openTrial(mlir::OwningOpRef<mlir::ModuleOp> module, Stage reached,
                   const CompileOptions &options, const Sample &sample,
                   Execution &execution, llvm::raw_ostream &messages);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_TRIAL_H
