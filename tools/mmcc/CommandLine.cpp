//===- CommandLine.cpp - Reads mmcc's arguments ---------------------------===//
//
// The one file of the compiler that is built with exceptions: CLI11 throws.
//
//===----------------------------------------------------------------------===//

#include "tools/mmcc/CommandLine.h"
#include "compiler/pipeline/Target.h"
#include "passes/attention/AttentionPattern.h"
#include "passes/tokens/MergeSchedule.h"
#include "passes/tokens/PruneRequest.h"
#include "tools/mmcc/HelpText.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"
#include <CLI/CLI.hpp>
#include <cstdio>
#include <set>

using namespace mmcc;

namespace {

/// A rejected value: becomes the message, with exit code 2.
struct Refusal {
  std::string message;
};

/// Values of the options as CLI11 collects them.
struct Raw {
  std::vector<std::string> models, targets, dims;
  std::string from, stopAfter, level = "1", tome = "off", quantize = "none";
  std::optional<std::string> maxDrop;
  std::optional<int64_t> groupSize;
  bool asymmetric = false, actOrder = false;
  std::string method, device = "cpu";
  bool help = false;
};

import::DimBinding parseDim(const std::string &option) {
  if (auto binding = import::parseDimBinding(option))
    return *binding;
  throw Refusal{"--dim " + option + ": expected NAME=N or NAME=LO..HI"};
}

std::optional<Stage> parseStageOption(const std::string &name,
                                      const std::string &option) {
  if (name.empty())
    return std::nullopt;
  std::optional<Stage> stage = parseStage(name);
  if (!stage || *stage == Stage::emit)
    throw Refusal{option + "=" + name + ": no such stage (" + listStages() +
                  "; emit writes the artifact)"};
  return stage;
}

void addModelOptions(CLI::App *app, Raw &raw, CompileOptions &options) {
  app->add_option("MODEL", raw.models)->required();
  app->add_option("--target", raw.targets)->allow_extra_args(false);
  app->add_option("--dim", raw.dims)->allow_extra_args(false);
  app->add_option("-O", raw.level)->check(CLI::IsMember({"0", "1"}));
}

void addApproximations(CLI::App *app, Raw &raw, CompileOptions &options) {
  app->add_option("--tome", raw.tome)->allow_extra_args(false);
  app->add_flag("--tome-map", options.tomeMap);
  app->add_option("--prune", options.prune);
  app->add_flag("--prune-map", options.pruneMap);
  app->add_option("--attention", options.attention)->allow_extra_args(false);
  app->add_option("--precision", options.precision)
      ->check(CLI::IsMember({"f32", "bf16", "f16", "tf32", "auto"}));
  app->add_option("--quantize", raw.quantize);
  app->add_option("--group-size", raw.groupSize);
  app->add_flag("--asymmetric", raw.asymmetric);
  app->add_option("--method", raw.method)
      ->check(CLI::IsMember({"rtn", "gptq", "awq", "smoothquant"}));
  app->add_flag("--act-order", raw.actOrder);
}

void addCompileOptions(CLI::App *app, Raw &raw, CompileOptions &options) {
  addModelOptions(app, raw, options);
  addApproximations(app, raw, options);
  app->add_option("--kv", options.kv)
      ->check(CLI::IsMember({"f32", "f16", "int8", "fp8", "off"}));
  app->add_option("--calibrate", options.calibrate);
  app->add_option("--tuning", options.tuning);
  app->add_option("--max-drop", raw.maxDrop);
  app->add_option("-o,--output", options.output);
  app->add_option("--stop-after", raw.stopAfter);
  app->add_option("--from", raw.from);
  app->add_option("--dump-code", options.dumpCode);
  app->add_option("--report", options.report);
  app->add_flag("--strict", options.strict);
  app->add_flag("--time", options.time);
}

/// What the artifact records: all that changes its content, in one order.
std::string recordOptions(const Raw &raw, const CompileOptions &options) {
  std::string text = "--target=" + llvm::join(options.targets, ",");
  for (const import::DimBinding &dim : options.dims)
    text += " --dim " + dim.name + "=" + std::to_string(dim.lo) +
            (dim.hi == dim.lo ? "" : ".." + std::to_string(dim.hi));
  if (!options.optimize)
    text += " -O0";
  for (const std::string &pattern : options.attention)
    text += " --attention=" + pattern;
  if (options.tomeMap)
    text += " --tome-map";
  if (options.maxDrop)
    text += " --max-drop=" + *raw.maxDrop;
  if (!options.tome.empty() && options.tome != "auto")
    text += " --tome=" + options.tome;
  if (!options.prune.empty())
    text += " --prune=" + options.prune;
  if (options.pruneMap)
    text += " --prune-map";
  if (options.kv != "f32")
    text += " --kv=" + options.kv;
  if (options.precision != "f32")
    text += " --precision=" + options.precision;
  if (options.quantize)
    text += " " + options.quantize->recorded();
  if (!raw.from.empty())
    text += " --from=" + raw.from;
  return text;
}

void interpretContract(const Raw &raw, CompileOptions &options) {
  if (raw.maxDrop) {
    double drop;
    if (llvm::StringRef(*raw.maxDrop).getAsDouble(drop) || !(drop >= 0))
      throw Refusal{"--max-drop=" + *raw.maxDrop +
                    ": expected a number of points, 0 or more"};
    options.maxDrop = drop;
    if (options.calibrate.empty())
      throw Refusal{"--max-drop is measured on samples: --calibrate=FOLDER"};
  }
}

/// What passes of the stage optimize do needs that stage.
void requireOptimize(const Raw &raw, const CompileOptions &options,
                     const std::string &option) {
  if (!options.optimize)
    throw Refusal{option + " takes effect when the model is optimised, which "
                           "-O0 leaves out"};
  if (options.from && *options.from >= Stage::optimize)
    throw Refusal{option +
                  " takes effect in the stage optimize, which --from=" +
                  raw.from + " leaves out"};
}

void interpretAttention(const Raw &raw, CompileOptions &options) {
  bool limits = false;
  for (const std::string &text : options.attention) {
    std::string error;
    auto pattern = AttentionPattern::parse(text, error);
    if (!pattern)
      throw Refusal{"--attention=" + text + ": " + error};
    limits |= !pattern->isFull();
  }
  if (limits)
    requireOptimize(raw, options, "--attention");
  else
    options.attention.clear();
}

void interpretTokens(const Raw &raw, CompileOptions &options) {
  // A bound without a schedule asks for the best that keeps it.
  std::string tome = raw.tome;
  bool isExact = options.attention.empty() && options.prune.empty() &&
                 !options.quantize && options.precision == "f32";
  if (tome == "off" && options.maxDrop && isExact)
    tome = "auto";
  if (tome == "off") {
    if (options.tomeMap)
      throw Refusal{"--tome-map needs --tome"};
    if (!options.calibrate.empty() && isExact && options.report.empty())
      throw Refusal{"--calibrate has nothing to measure without --tome, "
                    "--prune, --attention, --precision, --quantize or "
                    "--report"};
    return;
  }
  std::string error;
  if (tome == "auto") {
    if (!options.maxDrop)
      throw Refusal{"--tome=auto needs --max-drop and --calibrate"};
  } else if (!MergeSchedule::parse(tome, error)) {
    throw Refusal{"--tome=" + tome + ": " + error + ", auto or off"};
  }
  requireOptimize(raw, options, "--tome");
  options.tome = tome;
}

void interpretPruning(const Raw &raw, CompileOptions &options) {
  if (options.prune == "off")
    options.prune.clear();
  if (options.prune.empty()) {
    if (options.pruneMap)
      throw Refusal{"--prune-map needs --prune"};
    return;
  }
  std::string error;
  // Quotes and braces would end the name on its way to the pass.
  if (!PruneRequest::parse(options.prune, error))
    throw Refusal{"--prune=" + options.prune + ": " + error + ", or off"};
  if (llvm::StringRef(options.prune).find_first_of("\"'{}") !=
      llvm::StringRef::npos)
    throw Refusal{"--prune=" + options.prune +
                  ": a name with quotes or braces cannot be given"};
  requireOptimize(raw, options, "--prune");
}

/// What passes of the stage quantize do needs that stage.
void requireQuantize(const Raw &raw, const CompileOptions &options,
                     const std::string &option) {
  if (!options.optimize)
    throw Refusal{option + " takes effect when the model is optimised, which "
                           "-O0 leaves out"};
  if (options.from && *options.from >= Stage::quantize)
    throw Refusal{option +
                  " takes effect in the stage quantize, which --from=" +
                  raw.from + " leaves out"};
}

void interpretState(const Raw &raw, const CompileOptions &options) {
  if (options.kv != "f32" && options.kv != "off")
    requireQuantize(raw, options, "--kv");
}

void interpretPrecision(const Raw &raw, const CompileOptions &options) {
  if (options.precision == "f32")
    return;
  if (raw.quantize != "none")
    throw Refusal{"--precision=" + options.precision +
                  " and --quantize=" + raw.quantize +
                  " both say what weights are stored in: give one of them"};
  requireQuantize(raw, options, "--precision");
}

void interpretQuantization(const Raw &raw, CompileOptions &options) {
  bool hasGpu = llvm::any_of(options.targets, [](const std::string &target) {
    return llvm::StringRef(target).starts_with("cuda:");
  });
  if (!options.tuning.empty() && raw.quantize != "auto" && !hasGpu)
    throw Refusal{"--tuning times what --quantize=auto chooses from, and "
                  "products on GPUs"};
  if (raw.quantize == "none") {
    if (raw.groupSize || raw.asymmetric || !raw.method.empty() || raw.actOrder)
      throw Refusal{"--group-size, --asymmetric, --method and --act-order need "
                    "--quantize"};
    return;
  }
  std::string error;
  auto request = QuantizeRequest::parse(raw.quantize, error);
  if (!request)
    throw Refusal{"--quantize=" + raw.quantize + ": " + error};
  requireQuantize(raw, options, "--quantize");
  if (raw.groupSize) {
    int64_t group = *raw.groupSize;
    if (group < 0 || group % 32 != 0)
      throw Refusal{"--group-size=" + std::to_string(group) +
                    ": expected a multiple of 32, or 0 for whole columns"};
    request->group = group;
  }
  request->asymmetric = raw.asymmetric;
  request->actOrder = raw.actOrder;
  if (!raw.method.empty())
    request->method = raw.method;
  if (std::string reason = request->conflict(); !reason.empty())
    throw Refusal{reason};
  if (request->scheme == "auto" && (options.calibrate.empty() || !raw.maxDrop))
    throw Refusal{"--quantize=auto searches under a bound: give --max-drop and "
                  "a folder of samples with --calibrate"};
  if (request->needsStatistics() && options.calibrate.empty())
    throw Refusal{request->recorded() +
                  " looks at samples: give a folder of them with --calibrate"};
  options.quantize = request;
}

void interpret(const Raw &raw, CommandLine &commandLine) {
  CompileOptions &options = commandLine.compile;
  options.inputs = raw.models;
  std::set<std::string> stems;
  for (const std::string &path : raw.models) {
    if (llvm::StringRef(path).ends_with(".json") && raw.models.size() > 1)
      throw Refusal{path + " names all models; give no others beside it"};
    std::string stem = llvm::sys::path::stem(path).str();
    if (!stems.insert(stem).second)
      throw Refusal{"two models would give entry points named '" + stem + "'"};
  }
  std::string error;
  options.targets = parseTargets(raw.targets, error);
  if (!error.empty())
    throw Refusal{error};
  std::set<std::string> names;
  for (const std::string &dim : raw.dims) {
    options.dims.push_back(parseDim(dim));
    if (!names.insert(options.dims.back().name).second)
      throw Refusal{"--dim " + dim + ": the dimension is given twice"};
  }
  options.optimize = raw.level != "0";
  options.from = parseStageOption(raw.from, "--from");
  options.stopAfter = parseStageOption(raw.stopAfter, "--stop-after");
  if (options.from && options.stopAfter && *options.stopAfter <= *options.from)
    throw Refusal{"--stop-after=" + raw.stopAfter +
                  " is not after --from=" + raw.from};
  if (options.from && raw.models.size() > 1)
    throw Refusal{"--from takes one file of IR"};
  if (options.from && !options.dims.empty())
    throw Refusal{"--dim takes effect at import, which --from leaves out"};
  interpretContract(raw, options);
  interpretAttention(raw, options);
  interpretPruning(raw, options);
  interpretPrecision(raw, options);
  interpretQuantization(raw, options);
  interpretTokens(raw, options);
  interpretState(raw, options);
  if (commandLine.verb == Verb::compile) {
    if (options.output.empty() && !options.stopAfter)
      throw Refusal{"say where to write the artifact: -o OUT.mmcc"};
    if (!options.report.empty() && options.stopAfter)
      throw Refusal{"--report shows the artifact, which --stop-after=" +
                    raw.stopAfter + " leaves out"};
  }
  options.recorded = recordOptions(raw, options);
}

/// cpu, cuda or cuda:N.
void interpretDevice(const Raw &raw, CommandLine &commandLine) {
  llvm::StringRef device = raw.device;
  if (device == "cpu")
    return;
  int number = 0;
  bool known = device.consume_front("cuda");
  if (known && device.consume_front(":"))
    known = !device.getAsInteger(10, number) && number >= 0;
  else
    known &= device.empty();
  if (!known)
    throw Refusal{"'" + raw.device + "' is no device"};
  commandLine.gpu = number;
}

bool isVerb(llvm::StringRef word) {
  return word == "compile" || word == "inspect" || word == "explain" ||
         word == "doctor" || word == "diff" || word == "tune";
}

} // namespace

std::optional<ExitCode> mmcc::parseCommandLine(int argc,
                                               const char *const *argv,
                                               CommandLine &commandLine) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    std::fputs(kHelp, arguments.empty() ? stderr : stdout);
    return arguments.empty() ? ExitCode::commandLine : ExitCode::done;
  }
  if (arguments[0] == "--version") {
    std::puts("mmcc " MMCC_VERSION);
    return ExitCode::done;
  }
  std::string verb = "compile";
  if (isVerb(arguments[0])) {
    verb = arguments[0];
    arguments.erase(arguments.begin());
  }

  CLI::App app;
  app.set_help_flag();
  Raw raw;
  app.add_flag("-h,--help", raw.help);
  const char *help = kCompileHelp;
  if (verb == "compile") {
    addCompileOptions(&app, raw, commandLine.compile);
  } else if (verb == "inspect") {
    commandLine.verb = Verb::inspect;
    help = kInspectHelp;
    app.add_option("FILE", commandLine.artifact)->required();
    app.add_flag("--json", commandLine.json);
    app.add_flag("--commands", commandLine.commands);
  } else if (verb == "explain") {
    commandLine.verb = Verb::explain;
    help = kExplainHelp;
    addModelOptions(&app, raw, commandLine.compile);
    addApproximations(&app, raw, commandLine.compile);
  } else if (verb == "doctor") {
    commandLine.verb = Verb::doctor;
    help = kDoctorHelp;
    addModelOptions(&app, raw, commandLine.compile);
  } else if (verb == "diff") {
    commandLine.verb = Verb::diff;
    help = kDiffHelp;
    std::vector<std::string> &models = raw.models;
    models.resize(1);
    app.add_option("MODEL", models[0])->required();
    app.add_option("FILE", commandLine.artifact)->required();
    app.add_option("--inputs", commandLine.inputs)->required();
    app.add_option("--reference", commandLine.reference);
    app.add_option("--sqnr", commandLine.sqnr);
    app.add_option("--dim", raw.dims)->allow_extra_args(false);
  } else {
    commandLine.verb = Verb::tune;
    help = kTuneHelp;
    app.add_option("FILE", commandLine.artifact)->required();
    app.add_option("--device", raw.device);
    app.add_option("--tuning", commandLine.compile.tuning)->required();
  }

  // Help wins over what else may be wrong with the line.
  for (const std::string &argument : arguments)
    if (argument == "--help" || argument == "-h") {
      std::fputs(help, stdout);
      return ExitCode::done;
    }
  try {
    std::reverse(arguments.begin(), arguments.end());
    app.parse(arguments);
    if (commandLine.verb == Verb::tune)
      interpretDevice(raw, commandLine);
    else if (commandLine.verb != Verb::inspect)
      interpret(raw, commandLine);
    return std::nullopt;
  } catch (const CLI::ParseError &error) {
    std::fprintf(stderr, "mmcc %s: %s (see mmcc %s --help)\n", verb.c_str(),
                 error.what(), verb.c_str());
  } catch (const Refusal &refusal) {
    std::fprintf(stderr, "mmcc %s: %s\n", verb.c_str(),
                 refusal.message.c_str());
  }
  return ExitCode::commandLine;
}
