//===- NarrowFloats.cpp - Weights in 16 bits ------------------------------===//

#include "passes/quantize/Passes.h"
#include "passes/quantize/Tables.h"
#include "passes/quantize/WeightConstants.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"
#include <map>

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
    for (auto func : getOperation().getOps<func::FuncOp>())
      func.walk([&](Operation *op) {
        if (isa<mm::LinearOp, mm::GatherOp>(op))
          readers.push_back(op);
      });
    for (Operation *op : readers)
      if (auto layer = dyn_cast<mm::LinearOp>(op))
        narrowLayer(layer);
      else
        narrowTable(cast<mm::GatherOp>(op));
    // What moved the wide constants, readers first.
    for (Operation *op : llvm::reverse(replaced))
      if (op->use_empty())
        op->erase();
    chosen.clear();
    constants.clear();
    values.clear();
    inputs.clear();
    replaced.clear();
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
    HalfFloat type = to == "f16" ? HalfFloat::f16 : HalfFloat::bf16;
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

  //===--------------------------------------------------------------------===//
  // Weights and their readers
  //===--------------------------------------------------------------------===//

  /// `value`, constants moved, in another type: the same moves of narrow
  /// constants, so that what was shared still is.
  Value narrowed(Value value, HalfFloat type) {
    std::pair<const void *, HalfFloat> key{value.getAsOpaquePointer(), type};
    if (auto known = values.find(key); known != values.end())
      return known->second;
    Operation *op = value.getDefiningOp();
    OpBuilder builder(op);
    Value result;
    if (auto constant = dyn_cast<mm::ConstantOp>(op)) {
      ElementsAttr &half =
          constants[{constant.getValue().getAsOpaquePointer(), type}];
      if (!half)
        half = makeHalf(constant.getValue(), type);
      result = builder.create<mm::ConstantOp>(op->getLoc(), half);
    } else {
      IRMapping mapping;
      Type element;
      for (Value operand : op->getOperands()) {
        mapping.map(operand, narrowed(operand, type));
        element = getElementTypeOrSelf(mapping.lookup(operand));
      }
      Operation *moved = builder.clone(*op, mapping);
      result = moved->getResult(0);
      result.setType(cast<RankedTensorType>(value.getType()).clone(element));
    }
    values[key] = result;
    replaced.insert(op);
    return result;
  }

  /// `value` as bf16, once for all layers that read it.
  Value rounded(Value value) {
    Value &result = inputs[value];
    if (!result) {
      OpBuilder builder(value.getContext());
      builder.setInsertionPointAfterValue(value);
      auto type = cast<RankedTensorType>(value.getType());
      result = builder.create<mm::CastOp>(
          value.getLoc(), type.clone(builder.getBF16Type()), value);
    }
    return result;
  }

  void narrowLayer(mm::LinearOp op) {
    auto weight = cast<RankedTensorType>(op.getWeight().getType());
    if (!getElementTypeOrSelf(op.getInput()).isF32() ||
        !weight.getElementType().isF32() || !weight.hasStaticShape())
      return stays(op, "it is not f32");
    if (std::optional<HalfFloat> type = typeOf(op, op.getWeight())) {
      op.getWeightMutable().assign(narrowed(op.getWeight(), *type));
      if (*type == HalfFloat::bf16) {
        op.getInputMutable().assign(rounded(op.getInput()));
        op.setWide(true);
      }
      ++numLinears;
    }
  }

  /// Rows are widened after they are gathered.
  void narrowTable(mm::GatherOp op) {
    if (!isTable(op))
      return;
    auto type = asWeight(op, [&](Value weight) { return typeOf(op, weight); });
    if (!type)
      return;
    OpBuilder builder(op);
    Location loc = op.getLoc();
    Value rows = builder.create<mm::GatherOp>(
        loc, narrowed(op.getInput(), *type), op.getIndices(), op.getAxis());
    op.getResult().replaceAllUsesWith(
        builder.create<mm::CastOp>(loc, op.getType(), rows).getResult());
    op.erase();
    ++numTables;
  }

  DenseMap<Attribute, std::optional<HalfFloat>> chosen;
  std::map<std::pair<const void *, HalfFloat>, ElementsAttr> constants;
  std::map<std::pair<const void *, HalfFloat>, Value> values;
  DenseMap<Value, Value> inputs;
  llvm::SetVector<Operation *> replaced;
};

} // namespace
