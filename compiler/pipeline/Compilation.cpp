//===- Compilation.cpp - One run of the pipeline --------------------------===//

#include "compiler/pipeline/Compilation.h"
#include "compiler/pipeline/AccuracyContract.h"
#include "compiler/pipeline/JointSearch.h"
#include "compiler/pipeline/LayerNote.h"
#include "compiler/pipeline/LayerStatistics.h"
#include "compiler/pipeline/PrecisionSearch.h"
#include "compiler/pipeline/Reporting.h"
#include "compiler/pipeline/Stages.h"
#include "compiler/pipeline/TokenSearch.h"
#include "dialects/plan/Plan.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/STLExtras.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include <set>

using namespace mmcc;

static mlir::DialectRegistry makeRegistry() {
  mlir::DialectRegistry registry;
  registerStages(registry);
  return registry;
}

Compilation::Compilation(const CompileOptions &options,
                         llvm::raw_ostream &messages)
    : options(options), messages(messages), context(makeRegistry()),
      reporting(&context, llvm::join(options.inputs, ", "), messages,
                options.explain) {
  context.loadAllAvailableDialects();
}

ExitCode Compilation::readIr() {
  const std::string &path = options.inputs.front();
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(path, /*IsText=*/true);
  if (!buffer) {
    messages << "mmcc: " << path << ": " << buffer.getError().message() << "\n";
    return ExitCode::input;
  }
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(*buffer), llvm::SMLoc());
  ir = mlir::parseSourceFile<mlir::ModuleOp>(sources, &context);
  return ir ? ExitCode::done : ExitCode::input;
}

ExitCode Compilation::runOne(Stage stage) {
  if (stage == Stage::import) {
    ir = runImport(&context, options, messages);
    return ir ? ExitCode::done : ExitCode::input;
  }
  return toExitCode(stage == Stage::emit ? runEmit(*ir, options)
                                         : runStage(stage, *ir, options));
}

ExitCode Compilation::run(Stage last) {
  if (options.from && !ir) {
    stageTimes.begin();
    if (ExitCode code = readIr(); code != ExitCode::done)
      return code;
    stageTimes.end("read");
    nextStage = static_cast<int>(*options.from) + 1;
  }
  for (; nextStage <= static_cast<int>(last); ++nextStage) {
    Stage stage = static_cast<Stage>(nextStage);
    stageTimes.begin();
    ExitCode code = runOne(stage);
    stageTimes.end(getName(stage));
    if (code != ExitCode::done) {
      // No failure without a reason, whatever a pass forgot.
      if (stage != Stage::import && reporting.errors() == 0)
        messages << "mmcc: " << llvm::join(options.inputs, ", ")
                 << ": the stage " << getName(stage) << " failed\n";
      return code;
    }
  }
  return ExitCode::done;
}

/// A line for each entry whose arena was planned, the same for all targets
/// once.
static void printArenas(mlir::ModuleOp module, llvm::raw_ostream &os) {
  std::set<std::string> lines;
  module.walk([&](plan::EntryOp entry) {
    auto bound = entry->getAttrOfType<mlir::IntegerAttr>("lower_bound");
    std::optional<mlir::AffineMap> bytes = entry.getArenaBytes();
    if (!bound || !bytes || !bytes->isSingleConstant())
      return;
    int64_t arena = bytes->getSingleConstantResult();
    std::string line;
    llvm::raw_string_ostream(line)
        << "arena of " << entry.getSymName() << ": " << arena << " bytes, "
        << llvm::format("%.3f",
                        bound.getInt() ? double(arena) / bound.getInt() : 1.0)
        << " x what is alive at once";
    lines.insert(line);
  });
  for (const std::string &line : lines)
    os << line << "\n";
}

static bool searchesBits(const CompileOptions &options) {
  return options.quantize && options.quantize->scheme == "auto";
}

/// Runs the model as it is, and whatever is to be known or chosen beforehand.
static ExitCode prepareMeasuring(CompileOptions &options,
                                 AccuracyContract &contract,
                                 std::unique_ptr<LayerStatistics> &statistics,
                                 llvm::raw_ostream &messages) {
  bool searchesTokens = options.tome == "auto";
  if (searchesTokens && options.quantize && !searchesBits(options) &&
      options.quantize->needsStatistics())
    return contract.fail(ExitCode::commandLine,
                         options.quantize->recorded() +
                             " looks at the samples of one model, --tome=auto "
                             "tries many: say which --tome");
  if (ExitCode code = contract.learn(); code != ExitCode::done)
    return code;
  if (searchesTokens)
    return searchesBits(options)
               ? searchJointly(contract, options, statistics, messages)
               : searchTokens(contract, options, messages);
  if (!options.quantize)
    return ExitCode::done;
  statistics = std::make_unique<LayerStatistics>();
  if (ExitCode code = statistics->collect(options, messages);
      code != ExitCode::done)
    return code;
  return searchesBits(options) ? searchPrecision(contract, options, messages)
                               : ExitCode::done;
}

ExitCode mmcc::compile(const CompileOptions &options,
                       llvm::raw_ostream &irStream,
                       llvm::raw_ostream &messages) {
  CompileOptions chosen = options;
  ReportInput reported;
  bool reports = !options.report.empty();
  if (reports)
    if (ExitCode code = prepareReport(options, reported, messages);
        code != ExitCode::done)
      return code;
  bool approximates = !options.tome.empty() || !options.prune.empty() ||
                      !options.attention.empty() || options.quantize ||
                      options.precision != "f32";
  bool measures = !options.calibrate.empty() && approximates;
  AccuracyContract contract(chosen, messages);
  std::unique_ptr<LayerStatistics> statistics;
  if (measures)
    if (ExitCode code =
            prepareMeasuring(chosen, contract, statistics, messages);
        code != ExitCode::done)
      return code;
  Compilation compilation(chosen, messages);
  if (reports) {
    if (ExitCode code = compilation.run(Stage::optimize);
        code != ExitCode::done)
      return code;
    reported.attention = collectAttention(compilation.module(), describeNodes);
  }
  if (options.stopAfter.value_or(Stage::emit) >= Stage::quantize &&
      (!options.from || *options.from < Stage::quantize)) {
    ExitCode code = compilation.run(Stage::quantize);
    // A search for tokens alone has measured already.
    if (code == ExitCode::done && measures &&
        (options.tome != "auto" || searchesBits(options)))
      code = contract.check(compilation.module());
    if (code != ExitCode::done)
      return code;
    if (std::string layers = noteLayers(compilation.module()); !layers.empty())
      chosen.notes.emplace_back(kLayerNote, layers);
  }
  ExitCode code = compilation.run(options.stopAfter.value_or(Stage::emit));
  if (options.time) {
    compilation.times().print(messages);
    if (code == ExitCode::done)
      printArenas(compilation.module(), messages);
  }
  if (code == ExitCode::done && options.stopAfter) {
    // With locations, so that --from still knows the nodes' names.
    compilation.module().print(irStream,
                               mlir::OpPrintingFlags().enableDebugInfo());
    irStream << "\n";
  }
  if (code == ExitCode::done && reports)
    return report(chosen, compilation.times(), std::move(reported), messages);
  return code;
}
