//===- TokenSearch.cpp - Token merging under an accuracy contract ---------===//
//
// The search. What a schedule saves is counted in tokens that later layers do
// not compute. First the largest equal number a layer that keeps the bound, by
// halving; then, with steps that halve too, more tokens in one layer at a time,
// the earliest first, since those save most. Every candidate is compiled and
// run on all samples; at most kMostTrials are. Whoever picks the best of many
// picks luck as well: a candidate keeps the bound only with the standard error
// of its loss added, so that the bound holds on other samples, too.
//
//===----------------------------------------------------------------------===//

#include "compiler/pipeline/TokenSearch.h"
#include "compiler/calibrate/Accuracy.h"
#include "compiler/pipeline/Compilation.h"
#include "passes/tokens/EncoderStream.h"
#include "passes/tokens/MergeSchedule.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Format.h"
#include <map>

using namespace mmcc;

namespace {

constexpr int kMostTrials = 48;

using Counts = llvm::SmallVector<int64_t>;

std::string describe(const Counts &counts) {
  std::string text = "r=";
  llvm::raw_string_ostream os(text);
  llvm::interleave(counts, os, "/");
  return text;
}

std::string number(double value) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.4g", value);
  return text;
}

class Search {
public:
  Search(CompileOptions &options, llvm::raw_ostream &messages)
      : options(options), messages(messages) {}

  ExitCode run() {
    if (ExitCode code = learn(); code != ExitCode::done)
      return code;
    if (options.tome != "auto")
      return checkGiven();
    if (ExitCode code = findEncoder(); code != ExitCode::done)
      return code;
    return choose();
  }

private:
  ExitCode fail(ExitCode code, const llvm::Twine &message) {
    messages << "mmcc: " << message << "\n";
    return code;
  }

  /// Compiles with `tome` and opens the result; `exact` leaves all other
  /// approximations out as well.
  ExitCode build(const std::string &tome, Execution &execution,
                 bool exact = false) {
    CompileOptions candidate = options;
    candidate.tome = tome;
    if (exact) {
      candidate.attention.clear();
      candidate.prune.clear();
      candidate.quantize.reset();
    }
    candidate.calibrate.clear();
    candidate.maxDrop.reset();
    candidate.stopAfter.reset();
    candidate.dumpCode.clear();
    candidate.time = candidate.explain = candidate.tomeMap = false;
    candidate.pruneMap = false;
    candidate.report.clear();
    candidate.targets = {"cpu:x86-64-v3"};
    llvm::SmallString<128> path;
    if (std::error_code failure =
            llvm::sys::fs::createTemporaryFile("mmcc-calibrate", "mmcc", path))
      return fail(ExitCode::environment,
                  "cannot make a temporary file: " + failure.message());
    llvm::FileRemover remover(path);
    candidate.output = path.str().str();
    // What the passes say is said once, when the artifact itself is compiled.
    std::string text;
    llvm::raw_string_ostream said(text);
    ExitCode code = compile(candidate, llvm::nulls(), said);
    if (code != ExitCode::done) {
      messages << text;
      return code;
    }
    std::string message = execution.open(candidate.output, "");
    return message.empty() ? ExitCode::done : fail(ExitCode::bug, message);
  }

  /// The samples, and what the model gives without merging.
  ExitCode learn() {
    if (options.inputs.size() > 1)
      return fail(ExitCode::commandLine,
                  "--calibrate takes one model at a time");
    std::string message = samples.open(options.calibrate);
    if (!message.empty())
      return fail(ExitCode::input, message);
    Execution unchanged;
    if (ExitCode code = build("", unchanged, /*exact=*/true);
        code != ExitCode::done)
      return code;
    message = accuracy.learn(unchanged, samples);
    if (!message.empty())
      return fail(ExitCode::input, message);
    messages << "mmcc: calibrate: " << accuracy.rows() << " rows of "
             << samples.size() << " samples, " << accuracy.metric() << " "
             << number(accuracy.baseline()) << " of the model as it is\n";
    return ExitCode::done;
  }

  /// Points that `tome` loses.
  ExitCode lose(const std::string &tome, Measured &measured) {
    Execution changed;
    if (ExitCode code = build(tome, changed); code != ExitCode::done)
      return code;
    std::string message = accuracy.measure(changed, samples, measured);
    if (!message.empty())
      return fail(ExitCode::input, message);
    messages << "mmcc: calibrate: " << describeAsked(tome) << ": "
             << number(measured.points) << ", " << number(measured.lost)
             << " +- " << number(measured.error) << " lost\n";
    return ExitCode::done;
  }

  /// The options that are measured, with `tome` in place of what was asked for.
  std::string describeAsked(const std::string &tome) const {
    std::string text;
    for (const std::string &pattern : options.attention)
      text += (text.empty() ? "--attention=" : " --attention=") + pattern;
    if (!options.prune.empty())
      text += (text.empty() ? "--prune=" : " --prune=") + options.prune;
    if (options.quantize)
      text += (text.empty() ? "" : " ") + options.quantize->recorded();
    if (!tome.empty())
      text += (text.empty() ? "--tome=" : " --tome=") + tome;
    return text;
  }

  void note(const Measured &measured) {
    auto add = [&](const char *key, const std::string &value) {
      options.notes.emplace_back(key, value);
    };
    if (!options.attention.empty())
      add("attention", llvm::join(options.attention, " "));
    if (!options.prune.empty())
      add("prune", options.prune);
    if (options.quantize)
      add("quantize", options.quantize->scheme);
    if (!options.tome.empty())
      add("tome", options.tome);
    add("accuracy.metric", accuracy.metric());
    add("accuracy.rows", std::to_string(accuracy.rows()));
    add("accuracy.before", number(accuracy.baseline()));
    add("accuracy.after", number(measured.points));
    add("accuracy.drop", number(measured.lost));
    add("accuracy.drop_error", number(measured.error));
    if (options.maxDrop)
      add("accuracy.max_drop", number(*options.maxDrop));
  }

  ExitCode checkGiven() {
    Measured measured;
    if (ExitCode code = lose(options.tome, measured); code != ExitCode::done)
      return code;
    note(measured);
    double lost = measured.lost;
    if (options.maxDrop && lost > *options.maxDrop)
      return fail(ExitCode::contract,
                  describeAsked(options.tome) + " loses " + number(lost) +
                      " points of " + accuracy.metric() + ", --max-drop=" +
                      number(*options.maxDrop) + " allows no more than that");
    return ExitCode::done;
  }

  /// Layers and tokens of the longest encoder.
  ExitCode findEncoder() {
    CompileOptions plain = options;
    plain.tome.clear();
    plain.explain = false;
    Compilation compilation(plain, messages);
    if (ExitCode code = compilation.run(Stage::optimize);
        code != ExitCode::done)
      return code;
    for (auto func : compilation.module().getOps<mlir::func::FuncOp>())
      for (const EncoderStream &stream : findStreams(func)) {
        if (!stream.reason.empty() || stream.tokens.count <= tokens)
          continue;
        tokens = stream.tokens.count;
        protect = stream.tokens.protect;
        layers = stream.layers.size();
      }
    // Let the pass say why.
    Execution unused;
    return layers > 0 ? ExitCode::done : build("r=1", unused);
  }

  /// Token-layers that need not be computed.
  int64_t saved(const Counts &counts) const {
    int64_t sum = 0;
    for (size_t layer = 0; layer < counts.size(); ++layer)
      sum += counts[layer] * int64_t(counts.size() - layer);
    return sum;
  }

  /// Whether the bound holds; remembers the best that does.
  ExitCode attempt(const Counts &counts, bool &keeps) {
    auto [known, isNew] = tried.try_emplace(describe(counts));
    if (isNew)
      if (ExitCode code = lose(known->first, known->second);
          code != ExitCode::done)
        return code;
    keeps = known->second.lost + 2 * known->second.error <= *options.maxDrop;
    if (keeps && saved(counts) > saved(best)) {
      best = counts;
      bestMeasured = known->second;
    }
    return ExitCode::done;
  }

  bool exhausted() const { return tried.size() >= kMostTrials; }

  /// What a layer really merges when it is asked for `counts`.
  Counts clamp(const Counts &counts) const {
    MergeSchedule schedule;
    schedule.list = counts;
    return schedule.plan(layers, tokens, protect);
  }

  ExitCode choose() {
    best.assign(layers, 0);
    int64_t low = 0, high = (tokens - protect) / layers + 1;
    while (high - low > 1 && !exhausted()) {
      int64_t middle = low + (high - low) / 2;
      bool keeps = false;
      if (ExitCode code = attempt(clamp(Counts(layers, middle)), keeps);
          code != ExitCode::done)
        return code;
      (keeps ? low : high) = middle;
    }
    for (int64_t step = std::max<int64_t>(1, high / 2); step >= 1; step /= 2)
      for (int64_t layer = 0; layer < layers && !exhausted(); ++layer) {
        Counts more = best;
        more[layer] += step;
        more = clamp(more);
        bool keeps = false;
        if (saved(more) <= saved(best))
          continue;
        if (ExitCode code = attempt(more, keeps); code != ExitCode::done)
          return code;
      }
    if (saved(best) == 0)
      return fail(ExitCode::contract,
                  llvm::Twine("no merging of tokens that was tried keeps "
                              "--max-drop=") +
                      number(*options.maxDrop) + " points of " +
                      accuracy.metric());
    options.tome = describe(best);
    options.recorded += " --tome=" + options.tome;
    note(bestMeasured);
    messages << "mmcc: calibrate: chose --tome=" << options.tome << "\n";
    return ExitCode::done;
  }

  CompileOptions &options;
  llvm::raw_ostream &messages;
  Samples samples;
  Accuracy accuracy;
  int64_t layers = 0, tokens = 0, protect = 0;
  std::map<std::string, Measured> tried;
  Counts best;
  Measured bestMeasured;
};

} // namespace

ExitCode mmcc::searchTokens(CompileOptions &options,
                            llvm::raw_ostream &messages) {
  return Search(options, messages).run();
}
