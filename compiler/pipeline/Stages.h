//===- Stages.h - What each stage does --------------------------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_STAGES_H
#define MMCC_COMPILER_PIPELINE_STAGES_H

#include "compiler/pipeline/CompileOptions.h"
#include "compiler/pipeline/ExitCode.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/Pass.h"

namespace mmcc {

/// How one stage ended.
enum class StageResult {
  done,
  rejected,    ///< the input is at fault; the reason is reported
  contract,    ///< --strict was not kept; the reason is reported
  environment, ///< the disk is; the reason is reported
  invalid,     ///< a pass left invalid IR behind: a bug
};

/// How a process ends with it.
ExitCode toExitCode(StageResult result);

/// Makes the dialects of all stages known to a context's registry, and all
/// passes known to MLIR's pass registry; the latter once a process.
void registerStages(mlir::DialectRegistry &registry);

/// The import stage. Null after an error; all of them are in `messages`.
mlir::OwningOpRef<mlir::ModuleOp> runImport(mlir::MLIRContext *context,
                                            const CompileOptions &options,
                                            llvm::raw_ostream &messages);

/// Any stage between import and emit. IR verifies before and after each pass.
StageResult runStage(Stage stage, mlir::ModuleOp module,
                     const CompileOptions &options);

/// The emit stage: code for each variant, then the artifact.
StageResult runEmit(mlir::ModuleOp module, const CompileOptions &options);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_STAGES_H
