//===- AccuracyContract.h - What approximations may cost --------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_ACCURACYCONTRACT_H
#define MMCC_COMPILER_PIPELINE_ACCURACYCONTRACT_H

#include "compiler/calibrate/Accuracy.h"
#include "compiler/pipeline/CompileOptions.h"
#include "compiler/pipeline/ExitCode.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/raw_ostream.h"

namespace mmcc {

/// Measures on the samples of `options.calibrate` what the approximations of
/// `options` lose, and compares it with `options.maxDrop`. Progress and what is
/// wrong go to `messages`.
class AccuracyContract {
public:
  AccuracyContract(CompileOptions &options, llvm::raw_ostream &messages)
      : options(options), messages(messages) {}

  /// Reads the samples, and runs the model as it is on them.
  ExitCode learn();
  /// Runs a changed model; `tome` is its --tome, in messages.
  ExitCode measure(Execution &changed, const std::string &tome,
                   Measured &measured);
  /// Measures the model that `quantized` is the IR of, after that stage, writes
  /// the result to `options.notes` and fails if it loses too much.
  ExitCode check(mlir::ModuleOp quantized);

  /// Writes to `options.notes` what was asked for and what it costs.
  void note(const Measured &measured);
  ExitCode fail(ExitCode code, const llvm::Twine &message);

  const Accuracy &accuracy() const { return judge; }
  const Sample &sample() const { return first; }

private:
  /// Writes to `options.notes` what narrow numbers do to each layer.
  void noteLayers(mlir::ModuleOp quantized);
  /// The options that are measured, with `tome` for what was asked for.
  std::string describeAsked(const std::string &tome) const;

  CompileOptions &options;
  llvm::raw_ostream &messages;
  Samples samples;
  Accuracy judge;
  Sample first;
};

/// Points, as people read them.
std::string describePoints(double points);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_ACCURACYCONTRACT_H
