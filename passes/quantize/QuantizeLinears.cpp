//===- QuantizeLinears.cpp - Weights in few bits --------------------------===//

#include "passes/quantize/HalfWeights.h"
#include "passes/quantize/InputScaling.h"
#include "passes/quantize/LayerPlan.h"
#include "passes/quantize/LayerRounder.h"
#include "passes/quantize/Passes.h"
#include "passes/quantize/Tables.h"
#include "passes/quantize/WeightConstants.h"

#include <map>
#include <memory>

namespace mmcc {
#define GEN_PASS_DEF_QUANTIZELINEARS
#include "passes/quantize/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;
using namespace mmcc::quantize;

namespace {

/// A weight that was rounded, which layers of other functions may have as well.
struct Known {
  /// None in 16 bits.
  NarrowConstants constants;
  /// What inputs are divided by; null: nothing.
  std::shared_ptr<const std::vector<float>> inputScales;
  float staticScale = 1;
  QuantizeRequest scheme;
  /// What the scheme does to the outputs on samples; null: not known.
  DictionaryAttr error;
};

struct QuantizeLinears : mmcc::impl::QuantizeLinearsBase<QuantizeLinears> {
  using QuantizeLinearsBase::QuantizeLinearsBase;

  void runOnOperation() override {
    if (std::string reason = readOptions(); !reason.empty()) {
      getOperation().emitError("mm-quantize-linears: ") << reason;
      return signalPassFailure();
    }
    SmallVector<mm::GatherOp> tables;
    for (auto func : getOperation().getOps<func::FuncOp>())
      func.walk([&](Operation *op) {
        if (auto layer = dyn_cast<mm::LinearOp>(op))
          if (std::string reason = whyNot(layer); !reason.empty())
            stays(op, reason);
        if (auto gather = dyn_cast<mm::GatherOp>(op))
          if (canQuantize(gather))
            tables.push_back(gather);
      });
    tied = tableKeys(getOperation());
    SmallVector<LayerInput> inputs = findLayerInputs(getOperation());
    if (plan && plan->schemes.size() != inputs.size()) {
      getOperation().emitError("mm-quantize-linears: the plan is for ")
          << plan->schemes.size() << " inputs of layers, the module has "
          << inputs.size();
      return signalPassFailure();
    }
    for (const LayerInput &input : inputs)
      for (mm::LinearOp layer : input.layers)
        weightKeys.insert(keyOf(layer.getWeight()));
    // Weights are shared between functions, and samples run one of them.
    for (bool known : {true, false})
      for (auto [index, input] : llvm::enumerate(inputs))
        if (rounder->knows(index) == known &&
            failed(quantizeInput(index, input)))
          return signalPassFailure();
    for (mm::GatherOp table : tables)
      quantizeTable(table);
    halves.finish();
    known.clear();
    tied.clear();
    weightKeys.clear();
    narrowed.clear();
    divided.clear();
  }

  void stays(Operation *op, const Twine &reason) {
    if (explain)
      op->emitRemark("is not quantized: ") << reason;
  }

  /// Returns what is impossible about the options; empty if nothing is.
  std::string readOptions() {
    rounder.emplace(statistics);
    if (!hasCosts(level))
      return "nothing is known of level '" + level + "'";
    if (!layers.empty()) {
      std::string error;
      plan = LayerPlan::parse(layers, error);
      return error;
    }
    bool isKind =
        activations.empty() || activations == "rows" || activations == "static";
    bool isFloat = format != "int";
    // Floats have 8 bits and no zero; those of activations are e4m3, and meet
    // whole columns.
    bool isPossible =
        !isFloat || (bits == 8 && !asymmetric &&
                     (activations.empty() || (format == "e4m3" && group == 0)));
    if ((bits != 3 && bits != 4 && bits != 8) || group < 0 || !isKind ||
        !isPossible || (isFloat && format != "e4m3" && format != "e5m2") ||
        !parseMethod(method) ||
        (method == "smoothquant" && activations.empty()))
      return "impossible options";
    asked.emplace();
    asked->bits = bits;
    asked->group = group;
    asked->asymmetric = asymmetric;
    asked->activations = activations;
    asked->method = method;
    asked->actOrder = actOrder;
    asked->format = format;
    asked->scheme = "w" + std::to_string(bits) + "a" +
                    (activations.empty() ? "16" : "8") +
                    (bits == 8 && activations == "rows" ? "-dynamic" : "");
    if (isFloat)
      asked->scheme = activations == "rows"     ? "fp8-dynamic"
                      : activations == "static" ? "fp8-static"
                      : format == "e4m3"        ? "fp8"
                                                : "fp8-e5m2";
    return "";
  }

  /// Of the layers that read the `index`th input; nothing: they stay.
  const std::optional<QuantizeRequest> &schemeFor(size_t index) const {
    return plan ? plan->schemes[index] : asked;
  }

  //===--------------------------------------------------------------------===//
  // Layers
  //===--------------------------------------------------------------------===//

  /// The numbers of a weight, if they are finite.
  std::optional<WeightMatrix> finiteWeight(Operation *op, Value weight) {
    std::optional<WeightMatrix> matrix = readWeight(weight);
    if (!matrix)
      stays(op, "its weight is no constant of f32");
    else if (!matrix->isFinite()) {
      stays(op, "its weight holds infinity or NaN");
      matrix.reset();
    }
    return matrix;
  }

  /// The same, if the scheme holds them.
  std::optional<WeightMatrix> fittingWeight(Operation *op, Value weight,
                                            const QuantizeRequest &scheme) {
    std::optional<WeightMatrix> matrix = finiteWeight(op, weight);
    if (matrix && scheme.isHalf() && !fitsHalf(*matrix, halfOf(scheme))) {
      stays(op, "its weight holds numbers beyond the range of " +
                    Twine(scheme.scheme));
      matrix.reset();
    }
    return matrix;
  }

  /// Rounds the weights that no layer before had.
  LogicalResult roundWeights(size_t index, const LayerInput &input) {
    std::optional<QuantizeRequest> scheme = schemeFor(index);
    LayerWeights weights{index, input.width, {}, {}, false, std::nullopt};
    for (mm::LinearOp layer : input.layers) {
      Attribute key = keyOf(layer.getWeight());
      if (!scheme || known.contains(key) ||
          llvm::is_contained(weights.keys, key))
        continue;
      auto matrix = fittingWeight(layer, layer.getWeight(), *scheme);
      if (!matrix)
        continue;
      weights.keys.push_back(key);
      weights.matrices.push_back(std::move(*matrix));
      weights.isTable |= tied.contains(key);
    }
    if (weights.keys.empty())
      return success();
    if (scheme->needsStatistics() && !statistics.empty() &&
        !rounder->knows(index)) {
      bool isStatic = scheme->activations == "static";
      input.layers.front()->emitWarning("no sample reaches it: it is ")
          << (isStatic ? "not quantized" : "rounded to the nearest");
      if (isStatic)
        return success();
      scheme->method = "rtn";
    }
    RoundedLayers rounded;
    if (std::string message = rounder->round(weights, *scheme, rounded);
        !message.empty())
      return input.layers.front()->emitError(message);
    Known entry;
    entry.scheme = *scheme;
    entry.staticScale = rounded.staticScale;
    if (!rounded.inputScales.empty())
      entry.inputScales =
          std::make_shared<std::vector<float>>(rounded.inputScales);
    rounder->look(weights);
    if (weights.seen)
      entry.error = describeError(weights, *scheme, rounded);
    for (auto [i, key] : llvm::enumerate(weights.keys)) {
      if (!scheme->isHalf())
        entry.constants = makeConstants(&getContext(), rounded.weights[i]);
      known[key] = entry;
    }
    return success();
  }

  /// How far the largest magnitude is above nearly all others.
  static double outliersOf(const Histogram &input) {
    double most = input.percentile(1), nearly = input.percentile(0.999);
    return nearly > 0 ? most / nearly : 1;
  }

  /// What the scheme does to the layers' outputs on samples, and to their time.
  DictionaryAttr describeError(const LayerWeights &weights,
                               const QuantizeRequest &scheme,
                               const RoundedLayers &rounded) {
    LayerError error = errorOf(weights, scheme, rounded);
    LayerExtents extents = weights.extents();
    Builder builder(&getContext());
    auto number = [&](StringRef name, double value) {
      return builder.getNamedAttr(name, builder.getF64FloatAttr(value));
    };
    return builder.getDictionaryAttr(
        {number("cosine", error.cosine()),
         number("gain", costOf(extents, std::nullopt, level) /
                            costOf(extents, scheme, level)),
         number("outliers", outliersOf(weights.seen->histogram)),
         number("sqnr", error.sqnr()),
         builder.getNamedAttr("scheme",
                              builder.getStringAttr(describe(scheme)))});
  }

  LogicalResult quantizeInput(size_t index, LayerInput &input) {
    if (failed(roundWeights(index, input)))
      return failure();
    llvm::erase_if(input.layers, [&](mm::LinearOp layer) {
      return !known.contains(keyOf(layer.getWeight()));
    });
    if (input.layers.empty())
      return success();
    // A layer that has been quantized may have made the value anew.
    input.value = input.layers.front().getInput();
    divideAtOnce(input);
    for (mm::LinearOp layer : input.layers)
      quantizeLayer(layer);
    return success();
  }

  /// If all layers divide their input alike, the norm before them may do so.
  void divideAtOnce(const LayerInput &input) {
    auto scalesOf = [&](mm::LinearOp layer) {
      return known[keyOf(layer.getWeight())].inputScales;
    };
    auto scales = scalesOf(input.layers.front());
    bool same = llvm::all_of(input.layers, [&](mm::LinearOp layer) {
      return scalesOf(layer) == scales;
    });
    if (scales && same && divideInNorm(input, *scales))
      divided[{input.value, scales.get()}] = input.value;
  }

  Value constant(OpBuilder &builder, Location loc, ElementsAttr value) {
    return value ? builder.create<mm::ConstantOp>(loc, value) : Value();
  }

  void quantizeLayer(mm::LinearOp op) {
    const Known &weight = known[keyOf(op.getWeight())];
    ++numLinears;
    if (weight.scheme.isHalf()) {
      if (weight.error)
        op->setDiscardableAttr("mm.narrow", weight.error);
      return halves.narrow(op, halfOf(weight.scheme),
                           halfOf(weight.scheme) == HalfFloat::bf16);
    }
    OpBuilder builder(op);
    Location loc = op.getLoc();
    Value x = op.getInput(), scale;
    int64_t depth = cast<RankedTensorType>(x.getType()).getShape().back();
    if (weight.inputScales) {
      Value &quotient = divided[{x, weight.inputScales.get()}];
      if (!quotient)
        quotient = divide(builder, loc, x, *weight.inputScales);
      x = quotient;
    }
    if (!weight.scheme.activations.empty()) {
      bool isStatic = weight.scheme.activations == "static";
      int64_t block = formatOf(weight.scheme, depth).group;
      bool isFloat = weight.scheme.format != "int";
      // A static scale and a block of rows never meet: one is negative.
      auto &[values, scales] = narrowed[{
          x.getAsOpaquePointer(),
          isStatic ? -double(weight.staticScale) : double(block), isFloat}];
      if (!values && isStatic) {
        scales = makeVector(builder, loc, weight.staticScale);
        values = builder.create<mm::QuantizeOp>(loc, x, scales, Value(),
                                                /*is_unsigned=*/false, isFloat);
      } else if (!values) {
        auto rows = builder.create<mm::QuantizeRowsOp>(loc, x, block, isFloat);
        values = rows.getValues();
        scales = rows.getScales();
      }
      x = values;
      scale = scales;
    }
    const NarrowConstants &constants = weight.constants;
    auto narrow = builder.create<mm::QuantizedLinearOp>(
        loc, x, constant(builder, loc, constants.numbers),
        constant(builder, loc, constants.scale),
        constant(builder, loc, constants.zero), scale, op.getBias());
    if (weight.error)
      narrow->setDiscardableAttr("mm.narrow", weight.error);
    op.getResult().replaceAllUsesWith(narrow.getResult());
    op.erase();
  }

  //===--------------------------------------------------------------------===//
  // Tables
  //===--------------------------------------------------------------------===//

  bool canQuantize(mm::GatherOp op) {
    if (!isTable(op))
      return false;
    int64_t width =
        cast<RankedTensorType>(op.getInput().getType()).getDimSize(1);
    if (fitGroup(0, width) != 0)
      return true;
    stays(op, "its table's width of " + Twine(width) +
                  " is no multiple of 32, or above " + Twine(kMostDepth));
    return false;
  }

  /// Of tables that no layer has as a weight. A plan is about layers: 8 bits
  /// cost a table next to nothing, unless they were too few for every layer.
  std::optional<QuantizeRequest> tableScheme() const {
    std::string unused;
    if (!plan)
      return asked;
    std::optional<QuantizeRequest> half;
    for (const auto &scheme : plan->schemes)
      if (scheme && !scheme->isHalf())
        return QuantizeRequest::parse("w8a16", unused);
      else if (scheme)
        half = scheme;
    return half;
  }

  Attribute tableKey(mm::GatherOp op) {
    return asWeight(op, [](Value weight) { return keyOf(weight); });
  }

  /// Rows of a table: integers and scales are gathered, and meet there.
  void quantizeTable(mm::GatherOp op) {
    int64_t width =
        cast<RankedTensorType>(op.getInput().getType()).getDimSize(1);
    Attribute key = tableKey(op);
    if (!known.contains(key)) {
      std::optional<QuantizeRequest> scheme = tableScheme();
      if (!scheme || weightKeys.contains(key))
        return;
      auto matrix = asWeight(
          op, [&](Value weight) { return fittingWeight(op, weight, *scheme); });
      if (!matrix)
        return;
      known[key].scheme = *scheme;
      if (!scheme->isHalf())
        known[key].constants = makeConstants(
            &getContext(), roundLayers({&*matrix}, {formatOf(*scheme, width)},
                                       {}, Rounding(), /*plain=*/true)
                               .weights[0]);
    }
    ++numTables;
    if (known[key].scheme.isHalf())
      return halves.narrow(op, halfOf(known[key].scheme));
    int64_t block = formatOf(known[key].scheme, width).group;
    OpBuilder builder(op);
    Location loc = op.getLoc();
    auto rows = [&](ElementsAttr value) -> Value {
      if (!value)
        return {};
      return builder.create<mm::GatherOp>(
          loc, transposed(builder, loc, constant(builder, loc, value)),
          op.getIndices(), op.getAxis());
    };
    const NarrowConstants &constants = known[key].constants;
    Value numbers = rows(constants.numbers), scale = rows(constants.scale);
    Value zero = rows(constants.zero);
    int64_t axis = cast<RankedTensorType>(numbers.getType()).getRank() - 1;
    auto real = builder.create<mm::DequantizeOp>(loc, numbers, scale, zero,
                                                 axis, block);
    op.getResult().replaceAllUsesWith(real.getResult());
    op.erase();
  }

  std::optional<LayerRounder> rounder;
  HalfWeights halves;
  /// What all layers are to be, or each.
  std::optional<QuantizeRequest> asked;
  std::optional<LayerPlan> plan;
  DenseMap<Attribute, Known> known;
  /// Weights that are tables, too, and all weights of layers.
  DenseSet<Attribute> tied, weightKeys;
  /// Inputs over scales, and inputs in 8 bits, floats or not, with their
  /// scales.
  DenseMap<std::pair<Value, const void *>, Value> divided;
  std::map<std::tuple<const void *, double, bool>, std::pair<Value, Value>>
      narrowed;
};

} // namespace
