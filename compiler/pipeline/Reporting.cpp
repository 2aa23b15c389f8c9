//===- Reporting.cpp - What --report asks for -----------------------------===//

#include "compiler/pipeline/Reporting.h"
#include "compiler/calibrate/Samples.h"
#include "compiler/pipeline/Compilation.h"
#include "compiler/report/Report.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Path.h"

using namespace mmcc;

/// The artifact once more, with the source map of its merged tokens, at `path`.
static ExitCode compileWithMap(const CompileOptions &options,
                               const std::string &path) {
  CompileOptions mapped = options;
  mapped.output = path;
  mapped.tomeMap = true;
  mapped.report.clear();
  mapped.calibrate.clear();
  mapped.maxDrop.reset();
  mapped.dumpCode.clear();
  mapped.time = mapped.explain = false;
  mapped.targets.resize(1);
  // What there is to say was said when the artifact itself was compiled.
  return compile(mapped, llvm::nulls(), llvm::nulls());
}

static ExitCode fail(const CompileOptions &options, ExitCode code,
                     const std::string &message, llvm::raw_ostream &messages) {
  messages << "mmcc: --report=" << options.report << ": " << message << "\n";
  return code;
}

ExitCode mmcc::prepareReport(const CompileOptions &options, ReportInput &input,
                             llvm::raw_ostream &messages) {
  llvm::StringRef folder = llvm::sys::path::parent_path(options.report);
  if (!folder.empty() && !llvm::sys::fs::is_directory(folder))
    return fail(options, ExitCode::environment, "there is no such folder",
                messages);
  if (options.calibrate.empty())
    return ExitCode::done;
  Samples samples;
  std::vector<npz::Array> sample;
  std::string message = samples.open(options.calibrate);
  if (message.empty())
    message = samples.read(0, sample);
  if (!message.empty())
    return fail(options, ExitCode::input, message, messages);
  input.sample = std::move(sample);
  input.sampleName = llvm::sys::path::filename(samples.path(0)).str();
  return ExitCode::done;
}

ExitCode mmcc::report(const CompileOptions &options, const StageTimes &times,
                      ReportInput input, llvm::raw_ostream &messages) {
  input.artifact = options.output;
  for (const StageTimes::Row &row : times.all())
    input.stages.push_back({row.stage, row.seconds, row.peakMegabytes});
  llvm::SmallString<128> path;
  bool merges = !options.tome.empty();
  if (merges &&
      !llvm::sys::fs::createTemporaryFile("mmcc-report", "mmcc", path) &&
      compileWithMap(options, path.str().str()) == ExitCode::done)
    input.mapArtifact = path.str().str();
  llvm::FileRemover remover(path, /*deleteIt=*/!path.empty());
  std::string message = writeReport(input, options.report);
  return message.empty()
             ? ExitCode::done
             : fail(options, ExitCode::environment, message, messages);
}
