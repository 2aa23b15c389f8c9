//===- LayerStatistics.cpp - What layers are given on samples -------------===//

#include "compiler/pipeline/LayerStatistics.h"
#include "compiler/calibrate/InputCollector.h"
#include "compiler/calibrate/Samples.h"
#include "compiler/pipeline/Compilation.h"
#include "compiler/pipeline/InputTaps.h"
#include "compiler/pipeline/Trial.h"
#include "llvm/Support/FileSystem.h"

using namespace mmcc;

namespace {

/// Bytes that the statistics of the layers of one pass over the samples may
/// take.
constexpr int64_t kMostBytes = int64_t(1) << 30;
/// Rows of a sample that x is reckoned with.
constexpr int64_t kTypicalRows = 2048;

class Collection {
public:
  Collection(const CompileOptions &options, llvm::StringRef folder,
             llvm::raw_ostream &messages)
      : options(trialOptions(options)), folder(folder),
        gram(options.quantize->needsGram()), messages(messages) {
    this->options.quantize.reset();
    calibrate = options.calibrate;
  }

  ExitCode run() {
    std::string message = samples.open(calibrate);
    if (message.empty())
      message = samples.read(0, first);
    if (!message.empty())
      return fail(message);
    Compilation compilation(options, messages);
    if (ExitCode code = compilation.run(Stage::optimize);
        code != ExitCode::done)
      return code;
    mlir::ModuleOp module = compilation.module();
    std::vector<size_t> places;
    auto inputs = quantize::findLayerInputs(module);
    std::string chosen = chooseFunction(module);
    if (chosen.empty())
      return fail(samples.path(0) + ": lacks an input of every entry");
    for (size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i].func().getSymName() == chosen)
        places.push_back(i);
    for (size_t begin = 0, end; begin < places.size(); begin = end) {
      int64_t bytes = 0;
      for (end = begin; end < places.size(); ++end) {
        bytes += bytesOf(inputs[places[end]].width);
        if (end > begin && bytes > kMostBytes)
          break;
      }
      messages << "mmcc: calibrate: what layers are given, " << begin + 1
               << " to " << end << " of " << places.size() << " values, on "
               << samples.size() << " samples\n";
      messages.flush();
      llvm::ArrayRef<size_t> some(places.data() + begin, end - begin);
      if (ExitCode code = collect(module, inputs, some); code != ExitCode::done)
        return code;
    }
    return ExitCode::done;
  }

private:
  ExitCode fail(const std::string &message) {
    messages << "mmcc: calibrate: " << message << "\n";
    return ExitCode::input;
  }

  int64_t bytesOf(int64_t width) const {
    int64_t rows = width * kTypicalRows * int64_t(sizeof(float));
    int64_t products = width * width * int64_t(sizeof(float) + sizeof(double));
    return rows + (gram ? products : 0);
  }

  /// Of the functions whose arguments the samples have, the one with most.
  std::string chooseFunction(mlir::ModuleOp module) const {
    std::string chosen;
    unsigned most = 0;
    for (auto func : module.getOps<mlir::func::FuncOp>()) {
      bool fits = true;
      for (unsigned i = 0; i < func.getNumArguments(); ++i) {
        auto name = func.getArgAttrOfType<mlir::StringAttr>(i, "mm.name");
        fits &= name && findArray(first.arrays, name.str());
      }
      if (fits && (chosen.empty() || func.getNumArguments() > most)) {
        chosen = func.getSymName().str();
        most = func.getNumArguments();
      }
    }
    return chosen;
  }

  /// One pass over the samples.
  ExitCode collect(mlir::ModuleOp module,
                   llvm::ArrayRef<quantize::LayerInput> inputs,
                   llvm::ArrayRef<size_t> places) {
    Execution execution;
    if (ExitCode code =
            openTrial(tapLayerInputs(module, places, gram), Stage::optimize,
                      options, first, execution, messages);
        code != ExitCode::done)
      return code;
    std::vector<InputCollector> collectors;
    for (size_t place : places)
      collectors.emplace_back(inputs[place].width, samples.size());
    size_t step = gram ? 2 : 1;
    for (size_t s = 0; s < samples.size(); ++s) {
      std::vector<npz::Array> arrays;
      std::string message = samples.read(s, arrays);
      if (!message.empty())
        return fail(message);
      message = execution.run(arrays);
      for (size_t i = 0; message.empty() && i < collectors.size(); ++i) {
        const Tensor *out = &execution.outputs[step * i];
        message = collectors[i].add(out[0], gram ? &out[1] : nullptr);
      }
      if (!message.empty())
        return fail(samples.path(s) + ": " + message);
    }
    for (size_t i = 0; i < places.size(); ++i) {
      std::string path = quantize::statisticsPath(folder, places[i]);
      std::string message = std::move(collectors[i]).finish().write(path);
      if (message.empty())
        continue;
      messages << "mmcc: calibrate: " << message << "\n";
      return ExitCode::environment;
    }
    return ExitCode::done;
  }

  CompileOptions options;
  std::string folder, calibrate;
  bool gram;
  llvm::raw_ostream &messages;
  Samples samples;
  Sample first;
};

} // namespace

LayerStatistics::~LayerStatistics() {
  if (!folder.empty())
    llvm::sys::fs::remove_directories(folder);
}

ExitCode LayerStatistics::collect(CompileOptions &options,
                                  llvm::raw_ostream &messages) {
  if (std::error_code failure =
          llvm::sys::fs::createUniqueDirectory("mmcc-calibrate", folder)) {
    messages << "mmcc: cannot make a temporary folder: " << failure.message()
             << "\n";
    folder.clear();
    return ExitCode::environment;
  }
  options.quantize->statistics = folder.str().str();
  return Collection(options, folder, messages).run();
}
