//===- QuantizeLinears.cpp - Weights in few bits --------------------------===//

#include "passes/quantize/InputScaling.h"
#include "passes/quantize/LayerInputs.h"
#include "passes/quantize/Passes.h"
#include "passes/quantize/Tables.h"
#include "passes/quantize/WeightConstants.h"
#include "passes/quantize/methods/RoundLayers.h"

#include <cmath>
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
  NarrowConstants constants;
  /// What inputs are divided by; null: nothing.
  std::shared_ptr<const std::vector<float>> inputScales;
  float staticScale = 1;
};

struct QuantizeLinears : mmcc::impl::QuantizeLinearsBase<QuantizeLinears> {
  using QuantizeLinearsBase::QuantizeLinearsBase;

  void runOnOperation() override {
    std::optional<Method> asked = parseMethod(method);
    bool isKind =
        activations.empty() || activations == "rows" || activations == "static";
    bool isFloat = format != "int";
    // Floats have 8 bits, no zero, and are rounded to the nearest.
    bool isPossible = !isFloat || (bits == 8 && !asymmetric &&
                                   activations.empty() && method == "rtn");
    if ((bits != 3 && bits != 4 && bits != 8) || group < 0 || !asked ||
        !isKind || !isPossible ||
        (isFloat && format != "e4m3" && format != "e5m2") ||
        (*asked == Method::smoothquant && activations.empty())) {
      getOperation().emitError("mm-quantize-linears: impossible options");
      return signalPassFailure();
    }
    rounding = Rounding{*asked, actOrder, std::nullopt};
    if (!activations.empty())
      rounding.activations = ActivationFormat{activations == "static", 0};
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
    for (mm::GatherOp table : tables)
      tied.insert(tableKey(table));
    for (auto [index, input] : llvm::enumerate(findLayerInputs(getOperation())))
      if (failed(quantizeInput(index, input)))
        return signalPassFailure();
    for (mm::GatherOp table : tables)
      quantizeTable(table);
    known.clear();
    tied.clear();
    narrowed.clear();
    divided.clear();
  }

  void stays(Operation *op, const Twine &reason) {
    if (explain)
      op->emitRemark("is not quantized: ") << reason;
  }

  WeightFormat formatFor(int64_t depth) const {
    bool limited = bits == 8 && !asymmetric && !activations.empty();
    NumberKind kind = format == "e4m3"   ? NumberKind::e4m3
                      : format == "e5m2" ? NumberKind::e5m2
                                         : NumberKind::integer;
    return {bits, fitGroup(group, depth), asymmetric, limited, kind};
  }

  //===--------------------------------------------------------------------===//
  // Layers
  //===--------------------------------------------------------------------===//

  /// The numbers of a weight, if they are finite.
  std::optional<WeightMatrix> finiteWeight(Operation *op, Value weight) {
    std::optional<WeightMatrix> matrix = readWeight(weight);
    if (!matrix)
      stays(op, "its weight is no constant of f32");
    else if (!llvm::all_of(matrix->numbers,
                           [](float w) { return std::isfinite(w); })) {
      stays(op, "its weight holds infinity or NaN");
      matrix.reset();
    }
    return matrix;
  }

  /// Rounds the weights that no layer before had.
  LogicalResult roundWeights(size_t index, const LayerInput &input) {
    SmallVector<Attribute> keys;
    std::vector<WeightMatrix> matrices;
    bool plain = false;
    for (mm::LinearOp layer : input.layers) {
      Attribute key = keyOf(layer.getWeight());
      if (known.contains(key) || llvm::is_contained(keys, key))
        continue;
      auto matrix = finiteWeight(layer, layer.getWeight());
      if (!matrix)
        continue;
      keys.push_back(key);
      matrices.push_back(std::move(*matrix));
      // Rows of a table are read one by one: only their own error counts.
      plain |= tied.contains(key);
    }
    if (keys.empty())
      return success();
    InputStatistics seen;
    if (rounding.needsStatistics()) {
      std::string message = seen.read(statisticsPath(statistics, index),
                                      input.width, rounding.needsGram());
      if (!message.empty())
        return input.layers.front()->emitError(
                   "nothing is known of its input: ")
               << message;
    }
    WeightFormat written = formatFor(input.width);
    if (rounding.activations)
      rounding.activations->block = written.group;
    std::vector<const WeightMatrix *> weights;
    for (const WeightMatrix &matrix : matrices)
      weights.push_back(&matrix);
    RoundedLayers rounded =
        roundLayers(weights, std::vector<WeightFormat>(weights.size(), written),
                    seen, rounding, plain);
    std::shared_ptr<const std::vector<float>> scales;
    if (!rounded.inputScales.empty())
      scales = std::make_shared<std::vector<float>>(rounded.inputScales);
    for (auto [key, weight] : llvm::zip_equal(keys, rounded.weights))
      known[key] = {makeConstants(&getContext(), weight), scales,
                    rounded.staticScale};
    return success();
  }

  LogicalResult quantizeInput(size_t index, LayerInput &input) {
    if (failed(roundWeights(index, input)))
      return failure();
    llvm::erase_if(input.layers, [&](mm::LinearOp layer) {
      return !known.contains(keyOf(layer.getWeight()));
    });
    if (input.layers.empty())
      return success();
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
    if (rounding.activations) {
      auto &[values, scales] =
          narrowed[{x.getAsOpaquePointer(),
                    rounding.activations->isStatic ? weight.staticScale : 0}];
      if (!values && rounding.activations->isStatic) {
        values = builder.create<mm::QuantizeOp>(
            loc, x, APFloat(double(weight.staticScale)), 0);
        scales = makeVector(builder, loc, weight.staticScale);
      } else if (!values) {
        auto rows =
            builder.create<mm::QuantizeRowsOp>(loc, x, formatFor(depth).group);
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
    op.getResult().replaceAllUsesWith(narrow.getResult());
    op.erase();
    ++numLinears;
  }

  //===--------------------------------------------------------------------===//
  // Tables
  //===--------------------------------------------------------------------===//

  bool canQuantize(mm::GatherOp op) {
    if (!isTable(op))
      return false;
    int64_t width =
        cast<RankedTensorType>(op.getInput().getType()).getDimSize(1);
    if (fitGroup(group, width) != 0)
      return true;
    stays(op, "its table's width of " + Twine(width) + " is no multiple of 32");
    return false;
  }

  Attribute tableKey(mm::GatherOp op) {
    return asWeight(op, [](Value weight) { return keyOf(weight); });
  }

  /// Rows of a table: integers and scales are gathered, and meet there.
  void quantizeTable(mm::GatherOp op) {
    int64_t width =
        cast<RankedTensorType>(op.getInput().getType()).getDimSize(1);
    WeightFormat written = formatFor(width);
    Attribute key = tableKey(op);
    if (!known.contains(key)) {
      auto matrix =
          asWeight(op, [&](Value weight) { return finiteWeight(op, weight); });
      if (!matrix)
        return;
      RoundedLayers rounded =
          roundLayers({&*matrix}, {written}, {}, Rounding(), /*plain=*/true);
      known[key].constants = makeConstants(&getContext(), rounded.weights[0]);
    }
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
                                                 axis, written.group);
    op.getResult().replaceAllUsesWith(real.getResult());
    op.erase();
    ++numTables;
  }

  Rounding rounding;
  DenseMap<Attribute, Known> known;
  /// Weights that are tables, too.
  DenseSet<Attribute> tied;
  /// Inputs over scales, and inputs as integers with their scales.
  DenseMap<std::pair<Value, const void *>, Value> divided;
  std::map<std::pair<const void *, float>, std::pair<Value, Value>> narrowed;
};

} // namespace
