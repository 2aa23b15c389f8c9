//===- Compilation.h - One run of the pipeline ------------------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_COMPILATION_H
#define MMCC_COMPILER_PIPELINE_COMPILATION_H

#include "compiler/pipeline/CompileOptions.h"
#include "compiler/pipeline/ExitCode.h"
#include "compiler/pipeline/Messages.h"
#include "compiler/pipeline/StageTimes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

namespace mmcc {

/// Owns the IR between the stages. Everything that goes wrong is in `messages`
/// when run() returns.
class Compilation {
public:
  Compilation(const CompileOptions &options, llvm::raw_ostream &messages);

  /// Runs the stages that have not run yet (with `options.from`: those after
  /// it), up to `last` and with it.
  ExitCode run(Stage last);
  /// The IR after the last stage that ran.
  mlir::ModuleOp module() const { return *ir; }
  const StageTimes &times() const { return stageTimes; }

private:
  ExitCode runOne(Stage stage);
  ExitCode readIr();

  const CompileOptions &options;
  llvm::raw_ostream &messages;
  mlir::MLIRContext context;
  Messages reporting;
  StageTimes stageTimes;
  mlir::OwningOpRef<mlir::ModuleOp> ir;
  int nextStage = 0;
};

/// What `mmcc compile` does: an artifact at `options.output`, or with
/// `options.stopAfter` IR in `irStream`.
ExitCode compile(const CompileOptions &options, llvm::raw_ostream &irStream,
                 llvm::raw_ostream &messages);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_COMPILATION_H
