//===- QuantizeLinears.cpp - Weights in few bits --------------------------===//

#include "dialects/mm/MM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "passes/lower/ConstantSource.h"
#include "passes/quantize/Passes.h"
#include "passes/quantize/RoundToNearest.h"

#include <cmath>

namespace mmcc {
#define GEN_PASS_DEF_QUANTIZELINEARS
#include "passes/quantize/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;
using namespace mmcc::quantize;

namespace {

/// Tables with fewer numbers are not worth it.
constexpr int64_t kLeastTable = int64_t(1) << 16;

/// The constants of a weight, which other functions may hold as well.
struct Attributes {
  ElementsAttr numbers, scale, zero;
};

ElementsAttr attributeOf(Value constant) {
  return constant ? constant.getDefiningOp<mm::ConstantOp>().getValue()
                  : ElementsAttr();
}

struct QuantizeLinears : mmcc::impl::QuantizeLinearsBase<QuantizeLinears> {
  using QuantizeLinearsBase::QuantizeLinearsBase;

  void runOnOperation() override {
    if ((bits != 3 && bits != 4 && bits != 8) || group < 0 ||
        (!activations.empty() && activations != "rows")) {
      getOperation().emitError("mm-quantize-linears: impossible options");
      signalPassFailure();
      return;
    }
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      for (auto op : llvm::make_early_inc_range(func.getOps<mm::LinearOp>()))
        quantizeLinear(op);
      for (auto op : llvm::make_early_inc_range(func.getOps<mm::GatherOp>()))
        quantizeTable(op);
      integers.clear();
    }
    known.clear();
  }

  void stays(Operation *op, const Twine &reason) {
    if (explain)
      op->emitRemark("is not quantized: ") << reason;
  }

  /// The narrow constants of a weight, made once for all that read it.
  std::optional<NarrowConstants> narrow(Operation *op, Value weight,
                                        Attribute key, OpBuilder &builder) {
    Attributes &attributes = known[key];
    if (!attributes.numbers) {
      std::optional<WeightMatrix> matrix = readWeight(weight);
      if (!matrix) {
        stays(op, "its weight is no constant of f32");
        return std::nullopt;
      }
      if (!llvm::all_of(matrix->numbers,
                        [](float w) { return std::isfinite(w); })) {
        stays(op, "its weight holds infinity or NaN");
        return std::nullopt;
      }
      bool limited = bits == 8 && !asymmetric && !activations.empty();
      WeightFormat format{bits, fitGroup(group, matrix->in), asymmetric,
                          limited};
      NarrowConstants constants =
          makeConstants(builder, op->getLoc(), roundToNearest(*matrix, format));
      attributes = {attributeOf(constants.numbers),
                    attributeOf(constants.scale), attributeOf(constants.zero)};
      return constants;
    }
    auto constant = [&](ElementsAttr value) -> Value {
      return value ? builder.create<mm::ConstantOp>(op->getLoc(), value)
                   : Value();
    };
    return NarrowConstants{constant(attributes.numbers),
                           constant(attributes.scale),
                           constant(attributes.zero)};
  }

  /// What tells one weight from another: where its numbers are read.
  Attribute keyOf(Value weight) {
    auto parts = lower::matrixParts(weight);
    if (!parts)
      return {};
    Builder builder(&getContext());
    SmallVector<Attribute> key;
    for (const lower::MatrixPart &part : *parts) {
      key.push_back(part.source.value);
      key.push_back(builder.getDenseI64ArrayAttr(
          {part.source.offset, part.source.strides[0], part.source.strides[1],
           part.rows, part.columns}));
    }
    return builder.getArrayAttr(key);
  }

  void quantizeLinear(mm::LinearOp op) {
    auto weight = cast<RankedTensorType>(op.getWeight().getType());
    auto input = cast<RankedTensorType>(op.getInput().getType());
    if (!input.getElementType().isF32() || !weight.hasStaticShape()) {
      stays(op, "it is not f32");
      return;
    }
    int64_t block = fitGroup(group, weight.getDimSize(0));
    if (block == 0) {
      stays(op, "its depth of " + Twine(weight.getDimSize(0)) +
                    " is no multiple of 32");
      return;
    }
    Attribute key = keyOf(op.getWeight());
    OpBuilder builder(op);
    std::optional<NarrowConstants> constants =
        key ? narrow(op, op.getWeight(), key, builder) : std::nullopt;
    if (!constants)
      return;
    Value x = op.getInput(), scale;
    if (activations == "rows") {
      mm::QuantizeRowsOp &rows = integers[{x, block}];
      if (!rows)
        rows = builder.create<mm::QuantizeRowsOp>(op.getLoc(), x, block);
      x = rows.getValues();
      scale = rows.getScales();
    }
    auto narrowed = builder.create<mm::QuantizedLinearOp>(
        op.getLoc(), x, constants->numbers, constants->scale, constants->zero,
        scale, op.getBias());
    op.getResult().replaceAllUsesWith(narrowed.getResult());
    op.erase();
    ++numLinears;
  }

  /// Rows of a table: integers and scales are gathered, and meet there.
  void quantizeTable(mm::GatherOp op) {
    auto table = op.getInput().getDefiningOp<mm::ConstantOp>();
    auto type = cast<RankedTensorType>(op.getInput().getType());
    if (!table || op.getAxis() != 0 || type.getRank() != 2 ||
        !type.getElementType().isF32() || type.getNumElements() < kLeastTable ||
        op.getIndices().getDefiningOp<mm::ConstantOp>())
      return;
    int64_t block = fitGroup(group, type.getDimSize(1));
    if (block == 0) {
      stays(op, "its table's width of " + Twine(type.getDimSize(1)) +
                    " is no multiple of 32");
      return;
    }
    OpBuilder builder(op);
    Location loc = op.getLoc();
    auto transposed = [&](Value value) -> Value {
      return builder.create<mm::TransposeOp>(loc, value,
                                             ArrayRef<int64_t>{1, 0});
    };
    Value weight = transposed(op.getInput());
    std::optional<NarrowConstants> constants =
        narrow(op, weight, keyOf(weight), builder);
    if (weight.use_empty())
      weight.getDefiningOp()->erase();
    if (!constants)
      return;
    auto rows = [&](Value value) -> Value {
      if (!value)
        return {};
      return builder.create<mm::GatherOp>(loc, transposed(value),
                                          op.getIndices(), op.getAxis());
    };
    Value numbers = rows(constants->numbers), scale = rows(constants->scale);
    Value zero = rows(constants->zero);
    int64_t axis = cast<RankedTensorType>(numbers.getType()).getRank() - 1;
    auto real = builder.create<mm::DequantizeOp>(loc, numbers, scale, zero,
                                                 axis, block);
    op.getResult().replaceAllUsesWith(real.getResult());
    op.erase();
    ++numTables;
  }

  DenseMap<Attribute, Attributes> known;
  DenseMap<std::pair<Value, int64_t>, mm::QuantizeRowsOp> integers;
};

} // namespace
