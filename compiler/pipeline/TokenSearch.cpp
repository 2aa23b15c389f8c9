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
#include "compiler/pipeline/Compilation.h"
#include "compiler/pipeline/Trial.h"
#include "passes/tokens/EncoderStream.h"
#include "passes/tokens/MergeSchedule.h"
#include "llvm/ADT/StringExtras.h"
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

class Search {
public:
  Search(AccuracyContract &contract, CompileOptions &options,
         llvm::raw_ostream &messages)
      : contract(contract), options(options), messages(messages) {}

  ExitCode run() {
    if (ExitCode code = findEncoder(); code != ExitCode::done)
      return code;
    return choose();
  }

private:
  /// Points that `tome` loses.
  ExitCode lose(const std::string &tome, Measured &measured) {
    CompileOptions candidate = trialOptions(options);
    candidate.tome = tome;
    Execution changed;
    if (ExitCode code =
            openTrial(candidate, contract.sample(), changed, messages);
        code != ExitCode::done)
      return code;
    return contract.measure(changed, tome, measured);
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
    Measured unused;
    return layers > 0 ? ExitCode::done : lose("r=1", unused);
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
      return contract.fail(
          ExitCode::contract,
          llvm::Twine("no merging of tokens that was tried keeps "
                      "--max-drop=") +
              describePoints(*options.maxDrop) + " points of " +
              contract.accuracy().metric());
    options.tome = describe(best);
    options.recorded += " --tome=" + options.tome;
    contract.note(bestMeasured);
    messages << "mmcc: calibrate: chose --tome=" << options.tome << "\n";
    return ExitCode::done;
  }

  AccuracyContract &contract;
  CompileOptions &options;
  llvm::raw_ostream &messages;
  int64_t layers = 0, tokens = 0, protect = 0;
  std::map<std::string, Measured> tried;
  Counts best;
  Measured bestMeasured;
};

} // namespace

ExitCode mmcc::searchTokens(AccuracyContract &contract, CompileOptions &options,
                            llvm::raw_ostream &messages) {
  return Search(contract, options, messages).run();
}
