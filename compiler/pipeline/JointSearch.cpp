//===- JointSearch.cpp - Tokens and bits under one bound ------------------===//

#include "compiler/pipeline/JointSearch.h"
#include "compiler/pipeline/PrecisionSearch.h"
#include "compiler/pipeline/TokenSearch.h"
#include "llvm/Support/Format.h"
#include <set>

using namespace mmcc;

namespace {

struct Choice {
  CompileOptions options;
  std::unique_ptr<LayerStatistics> statistics;
  double cost;
};

class Search {
public:
  Search(AccuracyContract &contract, CompileOptions &options,
         llvm::raw_ostream &messages)
      : contract(contract), options(options), asked(options),
        messages(messages) {}

  ExitCode run(std::unique_ptr<LayerStatistics> &statistics) {
    for (double share : {0.0, 0.5, 1.0})
      if (ExitCode code = attempt(share); code != ExitCode::done)
        return code;
    options = asked;
    if (!best)
      return contract.fail(
          ExitCode::contract,
          llvm::Twine("no choice of tokens and bits that was tried keeps "
                      "--max-drop=") +
              describePoints(*asked.maxDrop) + " points of " +
              contract.accuracy().metric());
    options = best->options;
    statistics = std::move(best->statistics);
    if (!options.tome.empty())
      options.recorded += " --tome=" + options.tome;
    messages << "mmcc: calibrate: chose "
             << (options.tome.empty() ? "no merging" : "--tome=" + options.tome)
             << " and " << options.quantize->plan << "\n";
    return ExitCode::done;
  }

private:
  /// Merges under `share` of the bound.
  ExitCode merge(double share, std::string &tome) {
    options = asked;
    options.quantize.reset();
    options.maxDrop = share * *asked.maxDrop;
    ExitCode code = searchTokens(contract, options, messages);
    tome = options.tome;
    options = asked; // without what a search for tokens alone notes
    return code;
  }

  ExitCode attempt(double share) {
    std::string tome;
    if (share > 0)
      if (ExitCode code = merge(share, tome); code != ExitCode::done)
        return code == ExitCode::contract ? ExitCode::done : code;
    if (!tried.insert(tome).second)
      return ExitCode::done;
    options = asked;
    options.tome = tome;
    auto statistics = std::make_unique<LayerStatistics>();
    if (ExitCode code = statistics->collect(options, messages);
        code != ExitCode::done)
      return code;
    double cost = 0;
    if (ExitCode code = searchPrecision(contract, options, messages, &cost);
        code != ExitCode::done)
      return code == ExitCode::contract ? ExitCode::done : code;
    if (!plainCost)
      plainCost = cost;
    messages << "mmcc: calibrate: "
             << (tome.empty() ? "without merging" : "--tome=" + tome)
             << " layers cost " << llvm::format("%.2f", cost / plainCost)
             << " x\n";
    if (!best || cost < best->cost)
      best.emplace(Choice{options, std::move(statistics), cost});
    return ExitCode::done;
  }

  AccuracyContract &contract;
  CompileOptions &options;
  const CompileOptions asked;
  llvm::raw_ostream &messages;
  std::set<std::string> tried;
  std::optional<Choice> best;
  double plainCost = 0;
};

} // namespace

ExitCode mmcc::searchJointly(AccuracyContract &contract,
                             CompileOptions &options,
                             std::unique_ptr<LayerStatistics> &statistics,
                             llvm::raw_ostream &messages) {
  return Search(contract, options, messages).run(statistics);
}
