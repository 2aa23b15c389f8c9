//===- NarrowFloats.cpp - Weights in 16 bits ------------------------------===//

#include "passes/quantize/HalfWeights.h"
#include "passes/quantize/Magnitudes.h"
#include "passes/quantize/Passes.h"
#include "passes/quantize/Tables.h"
#include "passes/quantize/WeightConstants.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/Format.h"
#include <cmath>

namespace mmcc {
#define GEN_PASS_DEF_NARROWFLOATS
#include "passes/quantize/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;
using namespace mmcc::quantize;

namespace {

struct NarrowFloats : mmcc::impl::NarrowFloatsBase<NarrowFloats> {
  using NarrowFloatsBase::NarrowFloatsBase;

  void runOnOperation() override {
    if (to != "bf16" && to != "f16" && to != "auto") {
      getOperation().emitError("mm-narrow-floats: impossible options");
      return signalPassFailure();
    }
    SmallVector<Operation *> readers;
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      std::optional<Magnitudes> magnitudes;
      if (to != "bf16")
        magnitudes.emplace(func);
      func.walk([&](Operation *op) {
        if (isa<mm::LinearOp, mm::GatherOp>(op))
          readers.push_back(op);
        if (auto layer = dyn_cast<mm::LinearOp>(op); layer && magnitudes)
          bounds[op] = magnitudes->of(layer.getInput()).largest();
      });
    }
    for (Operation *op : readers)
      if (auto layer = dyn_cast<mm::LinearOp>(op))
        narrowLayer(layer);
      else
        narrowTable(cast<mm::GatherOp>(op));
    halves.finish();
    chosen.clear();
    bounds.clear();
  }

  void stays(Operation *op, const Twine &reason) {
    if (explain)
      op->emitRemark("stays f32: ") << reason;
  }

  //===--------------------------------------------------------------------===//
  // Which type
  //===--------------------------------------------------------------------===//

  std::optional<HalfFloat> choose(const WeightMatrix &weight) const {
    if (to == "auto")
      return chooseHalf(weight);
    HalfFloat type = *parseHalf(to);
    return fitsHalf(weight, type) ? std::optional(type) : std::nullopt;
  }

  /// The type of the weight that `op` reads; nothing if it stays f32.
  std::optional<HalfFloat> typeOf(Operation *op, Value weight) {
    Attribute key = keyOf(weight);
    if (key && !chosen.contains(key)) {
      std::optional<WeightMatrix> matrix = readWeight(weight);
      if (!matrix)
        key = {};
      else
        chosen[key] = choose(*matrix);
    }
    if (!key) {
      stays(op, "its weight is no constant of f32");
      return std::nullopt;
    }
    if (!chosen[key])
      stays(op, "its weight holds numbers beyond the range of " +
                    Twine(to == "auto" ? "bf16" : StringRef(to)));
    return chosen[key];
  }

  void narrowLayer(mm::LinearOp op) {
    auto weight = cast<RankedTensorType>(op.getWeight().getType());
    if (!getElementTypeOrSelf(op.getInput()).isF32() ||
        !weight.getElementType().isF32() || !weight.hasStaticShape())
      return stays(op, "it is not f32");
    std::optional<HalfFloat> type = typeOf(op, op.getWeight());
    if (!type)
      return;
    bool rounds = *type == HalfFloat::bf16 || inputFits(op);
    halves.narrow(op, *type, rounds);
    ++numLinears;
    numInputs += rounds;
  }

  /// Whether the input of a layer stays in f16's range whatever the model is
  /// given.
  bool inputFits(mm::LinearOp op) {
    double largest = bounds.lookup(op);
    if (largest <= kMostInF16)
      return true;
    if (!explain)
      return false;
    std::string reason;
    llvm::raw_string_ostream text(reason);
    if (std::isfinite(largest))
      text << llvm::format("its numbers may be as large as %.3g", largest);
    else
      text << "nothing bounds its numbers";
    op->emitRemark("its input stays f32: ") << reason;
    return false;
  }

  void narrowTable(mm::GatherOp op) {
    if (!isTable(op))
      return;
    auto type = asWeight(op, [&](Value weight) { return typeOf(op, weight); });
    if (!type)
      return;
    halves.narrow(op, *type);
    ++numTables;
  }

  HalfWeights halves;
  DenseMap<Attribute, std::optional<HalfFloat>> chosen;
  /// Of the inputs of layers, where f16 may be chosen.
  DenseMap<Operation *, double> bounds;
};

} // namespace
