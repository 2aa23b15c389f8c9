//===- Diff.cpp - Names the first node that departs -----------------------===//
//
// The reference is a compilation of the same model without optimisation and
// with every node's results as further outputs. Where outputs depart, the
// artifact runs once more, watched: what each launch stores is compared with
// the result of the node it stores. If all of that agrees, the model is
// compiled once more, optimised, with every node's results as outputs (which
// keeps some fusions from happening), and these are compared.
//
//===----------------------------------------------------------------------===//

#include "compiler/calibrate/Execution.h"
#include "compiler/pipeline/Compilation.h"
#include "compiler/pipeline/Taps.h"
#include "compiler/pipeline/Target.h"
#include "tools/mmcc/ChangedConstant.h"
#include "tools/mmcc/Comparison.h"
#include "tools/mmcc/Departure.h"
#include "tools/mmcc/TemporaryArtifact.h"
#include "tools/mmcc/Verbs.h"
#include "tools/npz/TensorArrays.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <map>

using namespace mmcc;

static ExitCode fail(ExitCode code, const llvm::Twine &message) {
  llvm::errs() << "mmcc diff: " << message << "\n";
  return code;
}

/// Compiles the model to a temporary artifact and runs it.
static ExitCode compileAndExecute(const CompileOptions &options,
                                  const std::string &stem,
                                  const std::vector<npz::Array> &arrays,
                                  Execution &execution) {
  TemporaryArtifact file;
  if (ExitCode code = file.compile(options); code != ExitCode::done)
    return code;
  std::string message = execute(file.path(), stem, arrays, execution);
  return message.empty() ? ExitCode::done : fail(ExitCode::input, message);
}

/// Reads `--reference` into `expected`, in the types of the outputs.
static ExitCode readReference(const std::string &path,
                              const Execution &execution,
                              std::vector<npz::Array> &arrays,
                              std::map<std::string, Tensor> &expected) {
  if (std::string message = npz::readNpz(path, arrays); !message.empty())
    return fail(ExitCode::input, message);
  for (size_t i = 0; i < execution.names.size(); ++i)
    for (npz::Array &array : arrays) {
      if (array.name != execution.names[i])
        continue;
      if (std::string message = tensorFromArray(execution.session.output(i),
                                                array, expected[array.name]);
          !message.empty())
        return fail(ExitCode::input, path + ": " + message);
    }
  if (expected.empty())
    return fail(ExitCode::input, path + ": holds no output of the artifact");
  return ExitCode::done;
}

/// The options that the artifact records, for the model at hand and one level;
/// nothing if they cannot be repeated.
static std::optional<CompileOptions> repeat(llvm::StringRef recorded,
                                            const std::string &model,
                                            llvm::StringRef isa) {
  std::vector<std::string> words = {"mmcc", "compile", model, "-o", "twin"};
  llvm::SmallVector<llvm::StringRef> options;
  recorded.split(options, ' ', -1, /*KeepEmpty=*/false);
  for (llvm::StringRef option : options) {
    if (option.starts_with("--from"))
      return std::nullopt;
    // A bound is for the search of a schedule, which is recorded, too.
    if (!option.starts_with("--max-drop") && !option.starts_with("--target"))
      words.push_back(option.str());
  }
  words.push_back(("--target=cpu:" + isa).str());
  std::vector<const char *> arguments;
  for (const std::string &word : words)
    arguments.push_back(word.c_str());
  CommandLine again;
  if (parseCommandLine(int(arguments.size()), arguments.data(), again))
    return std::nullopt;
  return again.compile;
}

/// The node whose constant in the artifact is not the model's, described; empty
/// if there is none.
static std::string findChangedNode(const CommandLine &commandLine,
                                   const std::string &stem,
                                   const std::string &isa) {
  runtime::Artifact artifact, twin;
  if (!artifact.open(commandLine.artifact.c_str(), 2).ok() ||
      !artifact.chooseVariant(isa).ok())
    return "";
  const auto *recorded = artifact.program().options();
  std::optional<CompileOptions> options =
      repeat(recorded ? recorded->c_str() : "",
             commandLine.compile.inputs.front(), isa);
  TemporaryArtifact file;
  if (!options || file.compile(*options) != ExitCode::done ||
      !twin.open(file.path().c_str(), 2).ok() || !twin.chooseVariant(isa).ok())
    return "";
  std::optional<ChangedConstant> changed =
      findChangedConstant(artifact, twin, stem);
  if (!changed)
    return "";
  Compilation compilation(*options, llvm::errs());
  if (compilation.run(Stage::import) != ExitCode::done)
    return "";
  std::optional<ConstantOwner> owner =
      findOwner(compilation.module(), *changed);
  if (!owner)
    return "";
  std::string text;
  llvm::raw_string_ostream(text)
      << "'" << owner->node << "': its constant '" << owner->constant
      << "' holds " << llvm::format("%.9g", changed->actual) << " instead of "
      << llvm::format("%.9g", changed->expected) << " (kernel "
      << changed->kernel << ")";
  return text;
}

/// Prints the first tap of the optimised model that departs.
static ExitCode nameFirstTap(const CommandLine &commandLine,
                             const std::string &stem,
                             const std::vector<npz::Array> &arrays,
                             const Execution &reference, llvm::StringRef isa) {
  CompileOptions options = commandLine.compile;
  options.targets = {("cpu:" + isa).str()};
  options.taps = true;
  options.optimize = true;
  Execution optimized;
  ExitCode code = compileAndExecute(options, stem, arrays, optimized);
  if (code != ExitCode::done)
    return code;
  for (size_t i = 0; i < reference.names.size(); ++i) {
    llvm::StringRef name = reference.names[i];
    const Tensor *actual = optimized.find(name.str());
    if (!actual || !name.consume_front(kTapPrefix))
      continue;
    Comparison comparison = compare(*actual, reference.outputs[i]);
    if (!comparison.equal)
      return fail(ExitCode::contract, "the first node that departs is '" +
                                          name + "': " + comparison.detail);
  }
  return fail(ExitCode::contract,
              "no node departs by itself: the difference comes with a fusion "
              "(mmcc explain lists them)");
}

ExitCode mmcc::diff(const CommandLine &commandLine) {
  std::vector<npz::Array> arrays, expectedArrays;
  if (std::string message = npz::readNpz(commandLine.inputs, arrays);
      !message.empty())
    return fail(ExitCode::input, message);
  std::string stem =
      llvm::sys::path::stem(commandLine.compile.inputs.front()).str();
  Execution artifact, reference;
  if (std::string message =
          execute(commandLine.artifact, stem, arrays, artifact);
      !message.empty())
    return fail(ExitCode::input, commandLine.artifact + " on " +
                                     commandLine.inputs + ": " + message);

  CompileOptions options = commandLine.compile;
  options.targets = {("cpu:" + getCpuLevels().front()).str()};
  options.optimize = false;
  options.taps = true;
  ExitCode code = compileAndExecute(options, stem, arrays, reference);
  if (code != ExitCode::done)
    return code;
  std::map<std::string, Tensor> expected;
  if (commandLine.reference.empty()) {
    for (size_t i = 0; i < reference.names.size(); ++i)
      expected[reference.names[i]] = reference.outputs[i];
  } else {
    code = readReference(commandLine.reference, artifact, expectedArrays,
                         expected);
    if (code != ExitCode::done)
      return code;
  }

  Tolerance tolerance;
  tolerance.sqnr = commandLine.sqnr;
  double worst = 0, leastSqnr = HUGE_VAL;
  bool departs = false;
  for (size_t i = 0; i < artifact.names.size(); ++i) {
    auto found = expected.find(artifact.names[i]);
    if (found == expected.end())
      return fail(ExitCode::input,
                  "nothing to compare output '" + artifact.names[i] + "' with");
    Comparison comparison =
        compare(artifact.outputs[i], found->second, tolerance);
    worst = std::max(worst, comparison.worst);
    leastSqnr = std::min(leastSqnr, comparison.sqnr);
    if (comparison.equal)
      continue;
    departs = true;
    llvm::errs() << "mmcc diff: output '" << artifact.names[i]
                 << "' departs: " << comparison.detail << "\n";
  }
  if (departs) {
    // First in the artifact's constants and in what it stores on its way, then
    // in what the model's optimised form does with every value kept.
    std::string isa = mmcc_model_isa(artifact.model.get());
    std::string found;
    // Narrow constants are none of the model's.
    if (!tolerance.sqnr)
      found = findChangedNode(commandLine, stem, isa);
    Departure departure;
    if (found.empty()) {
      departure = findDeparture(artifact, arrays, reference, tolerance);
      found = departure.first;
    }
    if (found.empty() && tolerance.sqnr)
      return fail(ExitCode::contract,
                  "no node departs by itself; the noisiest is " +
                      departure.noisiest);
    if (!found.empty())
      return fail(ExitCode::contract,
                  "the first node that departs is " + found);
    return nameFirstTap(commandLine, stem, arrays, reference, isa);
  }
  llvm::outs() << artifact.names.size() << " outputs agree"
               << llvm::format(", largest difference %.3g", worst);
  if (tolerance.sqnr)
    llvm::outs() << llvm::format(", least SQNR %.1f dB", leastSqnr);
  llvm::outs() << "\n";
  return ExitCode::done;
}
