//===- Algebra.cpp - Simplifies arithmetic, masks, casts, reductions ------===//

#include "dialects/mm/ConstantFold.h"
#include "mlir/IR/Matchers.h"
#include "passes/simplify/AlgebraPatterns.h"
#include "passes/simplify/BoundedRewrite.h"
#include "passes/simplify/Passes.h"

namespace mmcc {
#define GEN_PASS_DEF_ALGEBRA
#include "passes/simplify/Passes.h.inc"

using namespace mlir;

std::optional<double> getScalar(Value value) {
  Attribute constant;
  if (!matchPattern(value, m_Constant(&constant)))
    return std::nullopt;
  Attribute splat = mm::getSplat(constant);
  if (auto number = dyn_cast_or_null<FloatAttr>(splat))
    return number.getValueAsDouble();
  auto number = dyn_cast_or_null<IntegerAttr>(splat);
  if (!number || number.getValue().getSignificantBits() > 53)
    return std::nullopt;
  return mm::isUnsignedElement(number.getType())
             ? static_cast<double>(number.getValue().getZExtValue())
             : static_cast<double>(number.getValue().getSExtValue());
}

Value createScalar(OpBuilder &builder, Location location, Type elementType,
                   double number) {
  auto type = RankedTensorType::get({}, elementType);
  Attribute element;
  if (isa<FloatType>(elementType))
    element = FloatAttr::get(elementType, number);
  else
    element = IntegerAttr::get(elementType, static_cast<int64_t>(number));
  return builder.create<mm::ConstantOp>(location,
                                        DenseElementsAttr::get(type, element));
}

bool haveSameShape(Value a, Value b) {
  return mm::getShape(a.getType()) == mm::getShape(b.getType());
}

namespace {

size_t countOps(Operation *root) {
  size_t count = 0;
  root->walk([&](Operation *op) {
    count += op->getNumResults() == 1 && !isa<mm::ConstantOp>(op);
  });
  return count;
}

struct Algebra : public impl::AlgebraBase<Algebra> {
  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet set(context);
    populateArithmeticPatterns(set);
    populateLogicPatterns(set);
    populateReducePatterns(set);
    patterns = std::move(set);
    return success();
  }

  void runOnOperation() override {
    numOpsBefore += countOps(getOperation());
    rewriteBounded(getOperation(), patterns);
    numOpsAfter += countOps(getOperation());
  }

  FrozenRewritePatternSet patterns;
};

} // namespace
} // namespace mmcc
