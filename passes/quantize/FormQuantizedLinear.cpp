//===- FormQuantizedLinear.cpp - Models that come quantized ---------------===//

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/quantize/IntegerInput.h"
#include "passes/quantize/NarrowMatrix.h"
#include "passes/quantize/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_FORMQUANTIZEDLINEAR
#include "passes/quantize/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;
using namespace mmcc::quantize;

namespace {

struct FormQuantizedLinear
    : mmcc::impl::FormQuantizedLinearBase<FormQuantizedLinear> {
  void runOnOperation() override {
    IntegerInputs inputs;
    for (auto op :
         llvm::make_early_inc_range(getOperation().getOps<mm::LinearOp>()))
      form(op, inputs);
    // What was built for a layer that stays after all, and what was replaced.
    for (Operation &op : llvm::make_early_inc_range(
             llvm::reverse(getOperation().getBody().front())))
      if (isOpTriviallyDead(&op))
        op.erase();
  }

  void form(mm::LinearOp op, IntegerInputs &inputs) {
    OpBuilder builder(op);
    Location loc = op.getLoc();
    if (!getTensorType(op.getInput()).getElementType().isF32())
      return;
    std::optional<NarrowMatrix> matrix =
        matchNarrowMatrix(builder, op.getWeight());
    std::optional<NarrowOperands> weight =
        matrix ? makeOperands(builder, loc, *matrix) : std::nullopt;
    if (!weight)
      return;
    std::optional<IntegerInput> input = inputs.match(op.getInput());
    Value x = op.getInput(), bias = op.getBias(), inputScale;
    if (input) {
      x = input->numbers;
      inputScale = scaleOf(builder, loc, *input);
      bias = correctedBias(builder, loc, *input, *weight, bias);
      ++numIntegers;
    }
    auto narrow = builder.create<mm::QuantizedLinearOp>(
        loc, x, weight->numbers, weight->scale, weight->zero, inputScale, bias);
    op.getResult().replaceAllUsesWith(narrow.getResult());
    op.erase();
    ++numFormed;
  }

  static Value scaleOf(OpBuilder &builder, Location loc,
                       const IntegerInput &input) {
    Value scale = input.scale
                      ? input.scale
                      : makeScalar(builder, loc, builder.getF32Type(), 1);
    return reshapeTo(builder, loc, scale,
                     mm::makeShape(builder.getContext(), {1}));
  }

  /// (numbers + offset) * w = numbers * w + offset * (column sums of w).
  static Value correctedBias(OpBuilder &builder, Location loc,
                             const IntegerInput &input,
                             const NarrowOperands &weight, Value bias) {
    if (!input.offset)
      return bias;
    Value factor = input.offset;
    if (input.scale)
      factor = builder.create<mm::MulOp>(loc, factor, input.scale);
    Value shift = builder.create<mm::MulOp>(loc, weight.columnSums, factor);
    return bias ? builder.create<mm::AddOp>(loc, bias, shift).getResult()
                : shift;
  }
};

} // namespace
