//===- Trial.cpp - Artifacts that are run and thrown away -----------------===//

#include "compiler/pipeline/Trial.h"
#include "compiler/pipeline/Compilation.h"
#include "compiler/pipeline/Stages.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"

using namespace mmcc;

CompileOptions mmcc::trialOptions(const CompileOptions &options) {
  CompileOptions trial = options;
  trial.calibrate.clear();
  trial.maxDrop.reset();
  trial.stopAfter.reset();
  trial.dumpCode.clear();
  trial.time = trial.explain = trial.tomeMap = trial.pruneMap = false;
  trial.report.clear();
  trial.kv = "off";
  trial.targets = {"cpu:x86-64-v3"};
  return trial;
}

/// Lets `write` make an artifact in a temporary file, and opens it.
static ExitCode
openWritten(const CompileOptions &options, const Sample &sample,
            Execution &execution, llvm::raw_ostream &messages,
            llvm::function_ref<ExitCode(const CompileOptions &)> write) {
  llvm::SmallString<128> path;
  if (std::error_code failure =
          llvm::sys::fs::createTemporaryFile("mmcc-trial", "mmcc", path)) {
    messages << "mmcc: cannot make a temporary file: " << failure.message()
             << "\n";
    return ExitCode::environment;
  }
  llvm::FileRemover remover(path);
  CompileOptions there = options;
  there.output = path.str().str();
  if (ExitCode code = write(there); code != ExitCode::done)
    return code;
  std::string message = execution.openFor(there.output, sample);
  if (message.empty())
    return ExitCode::done;
  messages << "mmcc: calibrate: " << message << "\n";
  return ExitCode::input;
}

ExitCode mmcc::openTrial(const CompileOptions &options, const Sample &sample,
                         Execution &execution, llvm::raw_ostream &messages) {
  auto write = [&](const CompileOptions &there) {
    // What the passes say is said once, when the artifact itself is compiled.
    std::string text;
    llvm::raw_string_ostream said(text);
    ExitCode code = compile(there, llvm::nulls(), said);
    if (code != ExitCode::done)
      messages << text;
    return code;
  };
  return openWritten(options, sample, execution, messages, write);
}

ExitCode mmcc::openTrial(mlir::OwningOpRef<mlir::ModuleOp> module,
                         Stage reached, const CompileOptions &options,
                         const Sample &sample, Execution &execution,
                         llvm::raw_ostream &messages) {
  auto write = [&](const CompileOptions &there) {
    StageResult result = StageResult::done;
    for (int next = int(reached) + 1;
         result == StageResult::done && next < int(Stage::emit); ++next)
      result = runStage(Stage(next), *module, there);
    if (result == StageResult::done)
      result = runEmit(*module, there);
    return toExitCode(result);
  };
  return openWritten(options, sample, execution, messages, write);
}
