//===- PrecisionSearch.cpp - A scheme for each layer ----------------------===//

#include "compiler/pipeline/PrecisionSearch.h"
#include "compiler/pipeline/Compilation.h"
#include "compiler/pipeline/LayerTimer.h"
#include "compiler/pipeline/Stages.h"
#include "compiler/pipeline/Target.h"
#include "compiler/pipeline/Trial.h"
#include "passes/quantize/LayerPlan.h"
#include "passes/quantize/LayerRounder.h"
#include "passes/quantize/Tables.h"
#include "passes/quantize/WeightConstants.h"
#include "passes/state/PastPairs.h"
#include <cmath>

using namespace mmcc;
using namespace mmcc::quantize;

namespace {

/// A layer becomes narrow if it then takes at most this share of its time.
constexpr double kWorthwhile = 0.95;
constexpr int kMostTrials = 8;

struct Candidate {
  QuantizeRequest scheme;
  double cost, error; // beside f32's; noise / signal
};

class Search {
public:
  Search(AccuracyContract &contract, CompileOptions &options,
         llvm::raw_ostream &messages)
      : contract(contract), options(options), messages(messages),
        plain(trialOptions(options)), compilation(plain, messages),
        timer(record, messages) {
    plain.quantize.reset();
  }

  ExitCode run() {
    if (ExitCode code = compilation.run(Stage::optimize);
        code != ExitCode::done)
      return code;
    if (!options.tuning.empty())
      if (std::string message = record.open(options.tuning); !message.empty())
        return contract.fail(ExitCode::input, message);
    ExitCode weighed = weigh();
    if (std::string message = record.save(); !message.empty())
      return contract.fail(ExitCode::environment, message);
    if (weighed != ExitCode::done)
      return weighed;
    if (thresholds.empty())
      return contract.fail(ExitCode::contract,
                           "--quantize=auto: no layer gains from fewer bits");
    // The largest threshold of those that keep the bound, by halving.
    size_t low = 0, high = thresholds.size();
    bool any = false;
    for (int trial = 0; trial < kMostTrials && low < high; ++trial) {
      size_t middle = trial == 0 ? high - 1 : low + (high - low) / 2;
      bool keeps = false;
      if (ExitCode code = attempt(thresholds[middle], keeps);
          code != ExitCode::done)
        return code;
      any |= keeps;
      if (keeps)
        low = middle + 1;
      else
        high = middle;
    }
    if (!any)
      return contract.fail(
          ExitCode::contract,
          llvm::Twine("no choice of bits that was tried keeps --max-drop=") +
              describePoints(*options.maxDrop) + " points of " +
              contract.accuracy().metric());
    options.quantize->plan = best.str();
    messages << "mmcc: calibrate: chose " << options.quantize->plan << "\n";
    return ExitCode::done;
  }

  /// Of all layers, as they were chosen.
  double cost() const { return bestCost; }

private:
  /// Rounds every layer in every scheme that makes it faster.
  ExitCode weigh() {
    LayerRounder rounder(options.quantize->statistics);
    auto inputs = findLayerInputs(compilation.module());
    candidates.resize(inputs.size());
    plainCosts.resize(inputs.size());
    llvm::DenseSet<mlir::Attribute> tables = tableKeys(compilation.module());
    for (size_t index = 0; index < inputs.size(); ++index) {
      LayerWeights weights{index, inputs[index].width, {}, {},
                           false, std::nullopt};
      rounder.look(weights);
      if (!weights.seen)
        continue;
      for (mm::LinearOp layer : inputs[index].layers) {
        mlir::Attribute key = keyOf(layer.getWeight());
        if (llvm::is_contained(weights.keys, key))
          continue;
        auto matrix = readWeight(layer.getWeight());
        if (!matrix || !matrix->isFinite())
          continue; // it stays, whatever the plan says
        weights.keys.push_back(key);
        weights.isTable |= tables.contains(key);
        weights.matrices.push_back(std::move(*matrix));
      }
      if (weights.matrices.empty())
        continue;
      LayerExtents extents = weights.extents();
      // Whoever keeps a past calls once for the prompt, and once for each token
      // that follows.
      if (!findPastPairs(inputs[index].func()).empty())
        extents.rows = 1;
      double plainCost = costOf(extents, std::nullopt), cheapest = kWorthwhile;
      plainCosts[index] = plainCost;
      for (const QuantizeRequest &scheme : searchedSchemes()) {
        double cost = costOf(extents, scheme) / plainCost;
        if (!std::isfinite(cost) || cost <= 0)
          return ExitCode::environment; // the timer has said why
        // Fewer bits that gain nothing on more are no candidate.
        if (cost > cheapest)
          continue;
        if (!weights.fit(scheme))
          continue;
        cheapest = cost;
        RoundedLayers rounded;
        if (std::string message = rounder.round(weights, scheme, rounded);
            !message.empty())
          return contract.fail(ExitCode::environment, message);
        double error = errorOf(weights, scheme, rounded).ratio();
        if (!std::isfinite(error))
          continue; // outputs that f32 does not hold
        candidates[index].push_back({scheme, cost, error});
        thresholds.push_back(error);
      }
    }
    llvm::sort(thresholds);
    thresholds.erase(std::unique(thresholds.begin(), thresholds.end()),
                     thresholds.end());
    return ExitCode::done;
  }

  /// From timings if there is a record of them, else from the model.
  double costOf(const LayerExtents &layer,
                const std::optional<QuantizeRequest> &scheme) {
    return options.tuning.empty()
               ? quantize::costOf(layer, scheme, getLeastLevel(options.targets))
               : timer.time(layer, scheme);
  }

  LayerPlan planFor(double threshold, size_t &narrow, double &cost) const {
    LayerPlan plan;
    for (size_t index = 0; index < candidates.size(); ++index) {
      const Candidate *fastest = nullptr;
      for (const Candidate &candidate : candidates[index])
        if (candidate.error <= threshold &&
            (!fastest || candidate.cost < fastest->cost))
          fastest = &candidate;
      plan.schemes.push_back(
          fastest ? std::optional<QuantizeRequest>(fastest->scheme)
                  : std::nullopt);
      narrow += fastest != nullptr;
      cost += plainCosts[index] * (fastest ? fastest->cost : 1);
    }
    return plan;
  }

  /// Whether the bound holds under a threshold, for other samples, too: with
  /// twice the standard error added.
  ExitCode attempt(double threshold, bool &keeps) {
    size_t narrow = 0;
    double cost = 0;
    LayerPlan plan = planFor(threshold, narrow, cost);
    messages << "mmcc: calibrate: layers whose error is below "
             << describePoints(10 * std::log10(std::max(threshold, 1e-20)))
             << " dB: " << narrow << " of " << plan.schemes.size()
             << " values in fewer bits\n";
    CompileOptions trial = plain;
    trial.quantize = options.quantize;
    trial.quantize->plan = plan.str();
    Execution changed;
    if (ExitCode code = openTrial(
            mlir::cast<mlir::ModuleOp>(compilation.module()->clone()),
            Stage::optimize, trial, contract.sample(), changed, messages);
        code != ExitCode::done)
      return code;
    Measured measured;
    if (ExitCode code = contract.measure(changed, options.tome, measured);
        code != ExitCode::done)
      return code;
    keeps = measured.lost + 2 * measured.error <= *options.maxDrop;
    if (keeps) {
      best = plan;
      bestCost = cost;
    }
    return ExitCode::done;
  }

  AccuracyContract &contract;
  CompileOptions &options;
  llvm::raw_ostream &messages;
  CompileOptions plain;
  Compilation compilation;
  TuningRecord record;
  LayerTimer timer;
  /// By the module's layer inputs.
  std::vector<std::vector<Candidate>> candidates;
  std::vector<double> thresholds;
  /// What they cost in f32; 0 for those that no sample reaches.
  std::vector<double> plainCosts;
  LayerPlan best;
  double bestCost = 0;
};

} // namespace

ExitCode mmcc::searchPrecision(AccuracyContract &contract,
                               CompileOptions &options,
                               llvm::raw_ostream &messages, double *cost) {
  Search search(contract, options, messages);
  ExitCode code = search.run();
  if (cost)
    *cost = search.cost();
  return code;
}
