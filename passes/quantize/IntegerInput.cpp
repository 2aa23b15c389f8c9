//===- IntegerInput.cpp - Activations that are integers -------------------===//

#include "passes/quantize/IntegerInput.h"
#include "passes/fuse/ConstantValues.h"
#include "passes/quantize/NarrowMatrix.h"

using namespace mlir;

namespace mmcc::quantize {

static bool hasOneElement(Value value) {
  auto type = getTensorType(value);
  return type.hasStaticShape() && type.getNumElements() == 1;
}

/// The operand of a sum or product that is one number, and the other one.
static std::optional<std::pair<Value, Value>> splitNumber(Operation *op) {
  for (int i : {1, 0}) {
    if (i == 0 && isa<mm::SubOp>(op))
      break;
    Value number = op->getOperand(i), rest = op->getOperand(1 - i);
    if (hasOneElement(number) && rest.getType() == op->getResult(0).getType())
      return std::pair(number, rest);
  }
  return std::nullopt;
}

Value IntegerInputs::toSigned(OpBuilder &builder, Value numbers) {
  Value &known = signedOf[numbers];
  if (known)
    return known;
  Location loc = numbers.getLoc();
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointAfterValue(numbers);
  if (auto quantize = numbers.getDefiningOp<mm::QuantizeOp>()) {
    Value zero = makeScalar(builder, loc, builder.getF32Type(), -128);
    if (Value given = quantize.getZero())
      zero = builder.create<mm::AddOp>(loc, given, zero);
    known = builder.create<mm::QuantizeOp>(loc, quantize.getInput(),
                                           quantize.getScale(), zero);
    return known;
  }
  Type ui8 = getTensorType(numbers).getElementType();
  Value flipped = builder.create<mm::XorOp>(loc, numbers,
                                            makeScalar(builder, loc, ui8, 128));
  Type i8 = builder.getIntegerType(8);
  known = builder.create<mm::CastOp>(loc, getTensorType(flipped).clone(i8),
                                     flipped);
  return known;
}

std::optional<IntegerInput> IntegerInputs::match(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || !getTensorType(value).getElementType().isF32())
    return std::nullopt;
  OpBuilder builder(op->getContext());
  builder.setInsertionPointAfter(op);
  Location loc = op->getLoc();
  if (isa<mm::ReshapeOp, mm::TransposeOp>(op)) {
    std::optional<IntegerInput> input = match(op->getOperand(0));
    if (!input)
      return std::nullopt;
    Operation *moved = builder.clone(*op);
    moved->setOperand(0, input->numbers);
    moved->getResult(0).setType(
        getTensorType(value).clone(builder.getIntegerType(8)));
    input->numbers = moved->getResult(0);
    return input;
  }
  if (isa<mm::MulOp>(op)) {
    auto split = splitNumber(op);
    std::optional<IntegerInput> input =
        split ? match(split->second) : std::nullopt;
    if (!input)
      return std::nullopt;
    Value factor = reshapeTo(builder, loc, split->first, {});
    input->scale = input->scale
                       ? builder.create<mm::MulOp>(loc, input->scale, factor)
                       : factor;
    return input;
  }
  Value offset;
  if (isa<mm::AddOp, mm::SubOp>(op)) {
    auto split = splitNumber(op);
    if (!split)
      return std::nullopt;
    offset = reshapeTo(builder, loc, split->first, {});
    if (isa<mm::SubOp>(op))
      offset = builder.create<mm::NegOp>(loc, offset);
    op = split->second.getDefiningOp();
  }
  auto cast = dyn_cast_or_null<mm::CastOp>(op);
  if (!cast || !getTensorType(cast.getInput()).getElementType().isInteger(8))
    return std::nullopt;
  Value numbers = cast.getInput();
  if (getTensorType(numbers).getElementType().isUnsignedInteger()) {
    numbers = toSigned(builder, numbers);
    std::optional<double> known = offset ? getSplat(offset) : 0.0;
    Value moved = makeScalar(builder, loc, builder.getF32Type(),
                             known ? *known + 128 : 128);
    offset = known ? moved : builder.create<mm::AddOp>(loc, offset, moved);
  }
  if (offset && getSplat(offset) == 0.0)
    offset = {};
  return IntegerInput{numbers, offset, Value()};
}

} // namespace mmcc::quantize
