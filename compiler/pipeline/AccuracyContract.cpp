//===- AccuracyContract.cpp - What approximations may cost ----------------===//

#include "compiler/pipeline/AccuracyContract.h"
#include "compiler/pipeline/Messages.h"
#include "compiler/pipeline/Target.h"
#include "compiler/pipeline/Trial.h"
#include "dialects/mm/MM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include <limits>

using namespace mmcc;

std::string mmcc::describePoints(double points) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.4g", points);
  return text;
}

ExitCode AccuracyContract::fail(ExitCode code, const llvm::Twine &message) {
  messages << "mmcc: " << message << "\n";
  return code;
}

ExitCode AccuracyContract::learn() {
  if (options.inputs.size() > 1)
    return fail(ExitCode::commandLine, "--calibrate takes one model at a time");
  std::string message = samples.open(options.calibrate);
  if (message.empty())
    message = samples.read(0, first);
  if (!message.empty())
    return fail(ExitCode::input, message);
  CompileOptions exact = trialOptions(options);
  exact.tome.clear();
  exact.attention.clear();
  exact.prune.clear();
  exact.precision = "f32";
  exact.quantize.reset();
  Execution unchanged;
  if (ExitCode code = openTrial(exact, first, unchanged, messages);
      code != ExitCode::done)
    return code;
  message = judge.learn(unchanged, samples);
  if (!message.empty())
    return fail(ExitCode::input, message);
  messages << "mmcc: calibrate: " << judge.rows() << " rows of "
           << samples.size() << " samples, " << judge.metric() << " "
           << describePoints(judge.baseline()) << " of the model as it is\n";
  return ExitCode::done;
}

ExitCode AccuracyContract::measure(Execution &changed, const std::string &tome,
                                   Measured &measured) {
  std::string message = judge.measure(changed, samples, measured);
  if (!message.empty())
    return fail(ExitCode::input, message);
  messages << "mmcc: calibrate: " << describeAsked(tome) << ": "
           << describePoints(measured.points) << ", "
           << describePoints(measured.lost) << " +- "
           << describePoints(measured.error) << " lost\n";
  return ExitCode::done;
}

ExitCode AccuracyContract::check(mlir::ModuleOp quantized) {
  Execution changed;
  if (ExitCode code = openTrial(mlir::cast<mlir::ModuleOp>(quantized->clone()),
                                Stage::quantize, trialOptions(options), first,
                                changed, messages);
      code != ExitCode::done)
    return code;
  Measured measured;
  if (ExitCode code = measure(changed, options.tome, measured);
      code != ExitCode::done)
    return code;
  note(measured);
  noteLayers(quantized);
  if (!options.maxDrop || measured.lost <= *options.maxDrop)
    return ExitCode::done;
  return fail(ExitCode::contract,
              describeAsked(options.tome) + " loses " +
                  describePoints(measured.lost) + " points of " +
                  judge.metric() +
                  ", --max-drop=" + describePoints(*options.maxDrop) +
                  " allows no more than that");
}

std::string AccuracyContract::describeAsked(const std::string &tome) const {
  std::string text;
  for (const std::string &pattern : options.attention)
    text += (text.empty() ? "--attention=" : " --attention=") + pattern;
  if (!options.prune.empty())
    text += (text.empty() ? "--prune=" : " --prune=") + options.prune;
  if (options.precision != "f32")
    text +=
        (text.empty() ? "--precision=" : " --precision=") + options.precision;
  if (options.quantize)
    text += (text.empty() ? "" : " ") + options.quantize->recorded();
  if (!tome.empty())
    text += (text.empty() ? "--tome=" : " --tome=") + tome;
  return text;
}

namespace {
/// What narrow numbers do to the layers of one entry: a vision encoder, a
/// projector, a decoder.
struct Component {
  std::string name;
  size_t layers = 0;
  double leastSqnr = std::numeric_limits<double>::infinity();
  /// Sizes of the weights, and those that would take as long in f32.
  double plain = 0, narrow = 0;
};
/// The weight of a layer, in integers or in 16 bits.
mlir::Value weightOf(mlir::Operation *layer) {
  if (auto narrow = mlir::dyn_cast<mm::QuantizedLinearOp>(layer))
    return narrow.getWeight();
  return mlir::cast<mm::LinearOp>(layer).getWeight();
}
} // namespace

void AccuracyContract::noteLayers(mlir::ModuleOp quantized) {
  size_t count = 0;
  std::vector<Component> components;
  quantized.walk([&](mlir::Operation *layer) {
    auto facts = layer->getAttrOfType<mlir::DictionaryAttr>("mm.narrow");
    auto func = layer->getParentOfType<mlir::func::FuncOp>();
    // The form with state computes as its plain one does.
    if (!facts || func->hasAttr("mm.plain"))
      return;
    auto number = [&](const char *name) {
      return facts.getAs<mlir::FloatAttr>(name).getValueAsDouble();
    };
    std::string text = facts.getAs<mlir::StringAttr>("scheme").str();
    llvm::raw_string_ostream(text)
        << llvm::format(", SQNR %.1f dB, cosine %.6f, %.2f x as fast (model)",
                        number("sqnr"), number("cosine"), number("gain"))
        << llvm::format(", inputs up to %.1f x their 99.9th percentile",
                        number("outliers"));
    if (std::string nodes = describeNodes(layer->getLoc()); !nodes.empty())
      text += ", " + nodes;
    options.notes.emplace_back("layer." + std::to_string(count++), text);

    if (components.empty() || components.back().name != func.getSymName())
      components.push_back({func.getSymName().str()});
    Component &component = components.back();
    double size = double(mlir::cast<mlir::ShapedType>(weightOf(layer).getType())
                             .getNumElements());
    ++component.layers;
    component.leastSqnr = std::min(component.leastSqnr, number("sqnr"));
    component.plain += size;
    component.narrow += size / number("gain");
  });
  if (components.size() < 2)
    return;
  for (const Component &component : components) {
    std::string text;
    llvm::raw_string_ostream(text)
        << component.layers << " narrow layers, "
        << llvm::format("SQNR at least %.1f dB, %.2f x as fast (model)",
                        component.leastSqnr,
                        component.plain / component.narrow);
    options.notes.emplace_back("component." + component.name, text);
  }
}

void AccuracyContract::note(const Measured &measured) {
  auto add = [&](const char *key, const std::string &value) {
    options.notes.emplace_back(key, value);
  };
  if (!options.attention.empty())
    add("attention", llvm::join(options.attention, " "));
  if (!options.prune.empty())
    add("prune", options.prune);
  if (options.precision != "f32")
    add("precision", options.precision);
  if (options.quantize) {
    add("quantize", options.quantize->scheme);
    if (options.quantize->plan.empty())
      add("quantize.method", options.quantize->method);
    else
      add("quantize.plan", options.quantize->plan);
  }
  if (!options.tome.empty())
    add("tome", options.tome);
  add("accuracy.metric", judge.metric());
  // Levels round what they may; this one has been measured.
  add("accuracy.level", getHostLevel().str());
  add("accuracy.rows", std::to_string(judge.rows()));
  add("accuracy.before", describePoints(judge.baseline()));
  add("accuracy.after", describePoints(measured.points));
  add("accuracy.drop", describePoints(measured.lost));
  add("accuracy.drop_error", describePoints(measured.error));
  if (options.maxDrop)
    add("accuracy.max_drop", describePoints(*options.maxDrop));
}
