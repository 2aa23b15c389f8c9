//===- Tune.cpp - Times the open choices of an artifact -------------------===//
//
// On a processor that is the scheme of each linear layer (on a GPU:
// TuneProducts.cpp). An artifact tells their
// extents in its note "layers" (LayerExtents.h); rows that depend on the call
// are timed as one, as sixteen and as 128.
//
//===----------------------------------------------------------------------===//

#include "compiler/pipeline/LayerNote.h"
#include "compiler/pipeline/LayerTimer.h"
#include "passes/quantize/LayerPlan.h"
#include "runtime/loader/Artifact.h"
#include "tools/mmcc/Verbs.h"
#include "llvm/Support/Format.h"

using namespace mmcc;
using quantize::LayerExtents;

/// Threads that verify the file.
static constexpr unsigned kThreads = 2;

static ExitCode fail(ExitCode code, const llvm::Twine &message) {
  llvm::errs() << "mmcc: " << message << "\n";
  return code;
}

static std::string noteOf(const runtime::Artifact &file) {
  const auto *notes = file.program().notes();
  for (uint32_t i = 0; i < runtime::lengthOf(notes); ++i)
    if (notes->Get(i)->key()->str() == kLayerNote && notes->Get(i)->value())
      return notes->Get(i)->value()->str();
  return "";
}

ExitCode mmcc::tune(const CommandLine &commandLine) {
  runtime::Artifact file;
  runtime::Status status = file.open(commandLine.artifact.c_str(), kThreads);
  if (!status.ok())
    return fail(ExitCode::input, status.message());
  TuningRecord record;
  if (std::string message = record.open(commandLine.compile.tuning);
      !message.empty())
    return fail(ExitCode::input, message);
  if (commandLine.gpu) {
    if (ExitCode code = tuneProducts(file, *commandLine.gpu, record);
        code != ExitCode::done)
      return code;
    std::string message = record.save();
    return message.empty() ? ExitCode::done
                           : fail(ExitCode::environment, message);
  }
  std::optional<std::vector<LayerExtents>> layers = parseLayers(noteOf(file));
  if (!layers)
    return fail(ExitCode::input,
                file.name() + ": its note 'layers' cannot be read");
  if (layers->empty())
    return fail(ExitCode::input, file.name() +
                                     ": has no linear layer whose scheme is "
                                     "open");
  LayerTimer timer(record, llvm::errs());
  llvm::outs() << TuningRecord::thisMachine() << "\n";
  std::vector<std::optional<QuantizeRequest>> schemes = {std::nullopt};
  for (const QuantizeRequest &scheme : searchedSchemes())
    schemes.push_back(scheme);
  for (const LayerExtents &layer : *layers) {
    LayerExtents at = TuningRecord::rounded(layer);
    llvm::outs() << at.rows << " x " << at.in << " x " << at.out << ":";
    for (const auto &scheme : schemes) {
      double time = timer.time(at, scheme);
      if (!(time > 0))
        return ExitCode::environment;
      llvm::outs() << (scheme ? ", " : " ") << describe(scheme)
                   << llvm::format(" %.1f us", time);
    }
    llvm::outs() << "\n";
    llvm::outs().flush();
  }
  std::string message = record.save();
  return message.empty() ? ExitCode::done
                         : fail(ExitCode::environment, message);
}
