//===- FloatProducts.cpp - Integer products that become real --------------===//

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/quantize/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_FLOATPRODUCTS
#include "passes/quantize/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

/// So many products of at most 255 * 255 add up to less than 2^24: f32 holds
/// every sum.
constexpr int64_t kExactDepth = 256;

/// numbers - zero (+ zero if `isAdded`), the zero i32 or null.
struct Centered {
  Value numbers, zero;
  bool isAdded = false;
};

std::optional<Centered> matchCentered(Value value) {
  Operation *op = value.getDefiningOp();
  Centered result;
  if (op && isa<mm::SubOp, mm::AddOp>(op)) {
    if (op->getOperand(0).getType() != value.getType())
      return std::nullopt;
    result.zero = op->getOperand(1);
    result.isAdded = isa<mm::AddOp>(op);
    op = op->getOperand(0).getDefiningOp();
  }
  auto cast = dyn_cast_or_null<mm::CastOp>(op);
  if (!cast || !getTensorType(cast.getInput()).getElementType().isInteger(8))
    return std::nullopt;
  result.numbers = cast.getInput();
  return result;
}

struct FloatProducts : mmcc::impl::FloatProductsBase<FloatProducts> {
  void runOnOperation() override {
    for (auto op :
         llvm::make_early_inc_range(getOperation().getOps<mm::CastOp>()))
      rewrite(op);
  }

  void rewrite(mm::CastOp op) {
    auto product = op.getInput().getDefiningOp<mm::MatmulOp>();
    if (!product || !op.getInput().hasOneUse() ||
        !getTensorType(op.getResult()).getElementType().isF32() ||
        !getTensorType(product.getResult()).getElementType().isInteger(32))
      return;
    std::optional<Centered> left = matchCentered(product.getLhs());
    std::optional<Centered> right = matchCentered(product.getRhs());
    if (!left || !right)
      return;
    OpBuilder builder(op);
    Value rightReal;
    if (isConstantExpression(product.getRhs()))
      rightReal = makeWeight(builder, op.getLoc(), *right);
    else if (int64_t depth = getTensorType(product.getLhs()).getShape().back();
             !ShapedType::isDynamic(depth) && depth <= kExactDepth)
      rightReal = makeInput(builder, op.getLoc(), *right);
    if (!rightReal)
      return;
    Value real = builder.create<mm::MatmulOp>(
        op.getLoc(), makeInput(builder, op.getLoc(), *left), rightReal);
    op.getResult().replaceAllUsesWith(real);
    op.erase();
    product.erase();
    ++numProducts;
  }

  static Value toFloat(OpBuilder &builder, Location loc, Value value) {
    return builder.create<mm::CastOp>(
        loc, getTensorType(value).clone(builder.getF32Type()), value);
  }

  static Value makeInput(OpBuilder &builder, Location loc,
                         const Centered &input) {
    Value x = toFloat(builder, loc, input.numbers);
    if (!input.zero)
      return x;
    Value zero = toFloat(builder, loc, input.zero);
    if (input.isAdded)
      return builder.create<mm::AddOp>(loc, x, zero);
    return builder.create<mm::SubOp>(loc, x, zero);
  }

  /// mm.dequantize of scale 1; null if the zero is not one a column.
  static Value makeWeight(OpBuilder &builder, Location loc,
                          const Centered &weight) {
    auto type = getTensorType(weight.numbers);
    int64_t rank = type.getRank();
    SmallVector<int64_t> sizes(rank, 1);
    Value zero;
    if (weight.zero) {
      auto zeroType = getTensorType(weight.zero);
      if (zeroType.getNumElements() != 1) {
        if (zeroType.getShape().back() != zeroType.getNumElements())
          return {};
        sizes.back() = zeroType.getNumElements();
      }
      zero = reshapeTo(builder, loc, toFloat(builder, loc, weight.zero),
                       mm::makeShape(builder.getContext(), sizes));
      if (weight.isAdded)
        zero = builder.create<mm::NegOp>(loc, zero);
    }
    auto scaleType = RankedTensorType::get(sizes, builder.getF32Type());
    Value scale = builder.create<mm::ConstantOp>(
        loc, DenseElementsAttr::get(scaleType, ArrayRef(1.0f)));
    return builder.create<mm::DequantizeOp>(loc, weight.numbers, scale, zero,
                                            /*axis=*/rank - 1, /*block=*/1);
  }
};

} // namespace
