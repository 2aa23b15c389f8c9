//===- QuantOps.cpp - Narrow weights and activations: types ---------------===//

#include "dialects/mm/Inference.h"

using namespace mlir;
using namespace mmcc::mm;

static Type elementOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementType();
}

/// Of 8 bits, with a sign.
static Type byteOf(MLIRContext *context, bool isFloat) {
  if (isFloat)
    return Float8E4M3FNType::get(context);
  return IntegerType::get(context, 8);
}

LogicalResult QuantizeOp::inferReturnTypes(MLIRContext *context,
                                           OptionalLocation location,
                                           Adaptor adaptor,
                                           ResultTypes &results) {
  // quantize_c1
  Shape shape = getShape(adaptor.getInput().getType());
  for (Value operand : adaptor.getOperands())
    if (!elementOf(operand).isF32() ||
        !broadcastsTo(getShape(operand.getType()), shape))
      return emitOptionalError(location,
                               "'mm.quantize' op takes f32, and a scale and a "
                               "zero that broadcast to ",
                               describeShape(shape));
  // quantize_c2
  bool isFloat = adaptor.getIsFloat();
  if (isFloat && (adaptor.getIsUnsigned() || adaptor.getZero()))
    return emitOptionalError(
        location, "'mm.quantize' op gives floats a sign and no zero");
  results.push_back(makeTensorType(
      shape, adaptor.getIsUnsigned()
                 ? IntegerType::get(context, 8, IntegerType::Unsigned)
                 : byteOf(context, isFloat)));
  return success();
}

LogicalResult QuantizeRowsOp::inferReturnTypes(MLIRContext *context,
                                               OptionalLocation location,
                                               Adaptor adaptor,
                                               ResultTypes &results) {
  // quantize_rows_c1
  Shape shape = getShape(adaptor.getInput().getType());
  int64_t block = adaptor.getBlock();
  std::optional<int64_t> n =
      shape.empty() ? std::nullopt : shape.back().getConstant();
  if (!elementOf(adaptor.getInput()).isF32() || !n || block < 1 || *n % block)
    return emitOptionalError(
        location, "'mm.quantize_rows' op input ", describeShape(shape),
        " must be f32 with rows of whole blocks of ", block);
  results.push_back(
      makeTensorType(shape, byteOf(context, adaptor.getIsFloat())));
  shape.back() = Dim::constant(context, *n / block);
  results.push_back(makeTensorType(shape, Float32Type::get(context)));
  return success();
}

LogicalResult DequantizeOp::inferReturnTypes(MLIRContext *context,
                                             OptionalLocation location,
                                             Adaptor adaptor,
                                             ResultTypes &results) {
  // dequantize_c1
  auto type = cast<RankedTensorType>(adaptor.getInput().getType());
  Type element = type.getElementType();
  Shape shape = getShape(type), scale = getShape(adaptor.getScale().getType());
  int64_t axis = adaptor.getAxis(), block = adaptor.getBlock();
  bool isNarrow =
      isa<IntegerType>(element) ||
      (isa<FloatType>(element) && cast<FloatType>(element).getWidth() <= 8);
  if (!isNarrow || !elementOf(adaptor.getScale()).isF32() || axis < 0 ||
      axis >= int64_t(shape.size()) || block < 1)
    return emitOptionalError(location, "'mm.dequantize' op takes narrow "
                                       "numbers, scales of f32, an axis of the "
                                       "input and a positive block");
  // dequantize_c2
  bool fits = scale.size() == shape.size();
  for (size_t i = 0; fits && i < shape.size(); ++i) {
    Dim size = int64_t(i) == axis
                   ? shape[i].ceilDiv(Dim::constant(context, block))
                   : shape[i];
    fits = scale[i].isConstant(1) || scale[i] == size;
  }
  if (!fits)
    return emitOptionalError(location, "'mm.dequantize' op scale ",
                             describeShape(scale), " does not fit ",
                             describeShape(shape), " in blocks of ", block);
  // dequantize_c3
  if (Value zero = adaptor.getZero())
    if (!elementOf(zero).isF32() || getShape(zero.getType()) != scale)
      return emitOptionalError(
          location, "'mm.dequantize' op zero must be f32 of scale's shape");
  results.push_back(makeTensorType(shape, Float32Type::get(context)));
  return success();
}

/// Whether a row of `n` in `count` blocks has blocks of multiples of 32.
static bool areBlocks(int64_t n, const Dim &count) {
  std::optional<int64_t> blocks = count.getConstant();
  return blocks && *blocks >= 1 && n % *blocks == 0 && n / *blocks % 32 == 0;
}

LogicalResult QuantizedLinearOp::inferReturnTypes(MLIRContext *context,
                                                  OptionalLocation location,
                                                  Adaptor adaptor,
                                                  ResultTypes &results) {
  auto fail = [&](const Twine &reason) {
    return emitOptionalError(location, "'mm.quantized_linear' op " + reason);
  };
  Shape input = getShape(adaptor.getInput().getType());
  auto weight = cast<RankedTensorType>(adaptor.getWeight().getType());
  // quantized_linear_c1
  if (weight.getRank() != 2 || !weight.hasStaticShape() || input.empty() ||
      !input.back().isConstant(weight.getDimSize(0)) ||
      weight.getDimSize(0) % 32)
    return fail("input " + describeShape(input) + " and weight " +
                describeShape(getShape(weight)) +
                " must agree in `in`, a multiple of 32");
  Type narrow = weight.getElementType();
  bool isFloat = isa<Float8E4M3FNType, Float8E5M2Type>(narrow);
  if (!narrow.isSignlessInteger(4) && !narrow.isUnsignedInteger(4) &&
      !narrow.isSignlessInteger(8) && !isFloat)
    return fail("weight must be i4, ui4, i8, f8E4M3FN or f8E5M2");
  // quantized_linear_c2
  int64_t in = weight.getDimSize(0), out = weight.getDimSize(1);
  Shape scale = getShape(adaptor.getScale().getType());
  if (!elementOf(adaptor.getScale()).isF32() || scale.size() != 2 ||
      !scale[1].isConstant(out) || !areBlocks(in, scale[0]))
    return fail("scale " + describeShape(scale) + " does not fit the weight");
  // quantized_linear_c3
  if (Value zero = adaptor.getZero())
    if (!elementOf(zero).isF32() || getShape(zero.getType()) != scale)
      return fail("zero must be f32 of scale's shape");
  if (narrow.isUnsignedInteger() && !adaptor.getZero())
    return fail("ui4 weights need a zero");
  // quantized_linear_c4
  Type given = elementOf(adaptor.getInput());
  bool isInteger = given.isSignlessInteger(8);
  bool isFloat8 = isa<Float8E4M3FNType>(given);
  Value inputScale = adaptor.getInputScale();
  if (!isInteger && !isFloat8 && !given.isF32())
    return fail("input must be f32, i8 or f8E4M3FN");
  if ((isInteger || isFloat8) != bool(inputScale))
    return fail("an input of i8 or f8E4M3FN, and only that, has a scale");
  if (inputScale) {
    Shape shape = getShape(inputScale.getType());
    bool isOne = shape.size() == 1 && shape[0].isConstant(1);
    bool isPerRow =
        shape.size() == input.size() &&
        ArrayRef(shape).drop_back() == ArrayRef(input).drop_back() &&
        areBlocks(in, shape.back());
    if (!elementOf(inputScale).isF32() || (!isOne && !isPerRow))
      return fail("input_scale " + describeShape(shape) +
                  " does not fit the input");
  }
  // quantized_linear_c5
  if (Value bias = adaptor.getBias()) {
    Shape shape = getShape(bias.getType());
    if (shape.size() != 1 || !shape[0].isConstant(out))
      return fail("bias must be [out]");
  }
  // quantized_linear_c6
  if (isFloat && (isInteger || adaptor.getZero()))
    return fail("a weight of floats takes an input of floats and no zero");
  // quantized_linear_c7
  bool isWhole =
      scale[0].isConstant(1) &&
      (!inputScale || getShape(inputScale.getType()).back().isConstant(1));
  if (isFloat8 && (!isa<Float8E4M3FNType>(narrow) || !isWhole))
    return fail("an input of f8E4M3FN takes a weight of that type, a scale a "
                "column and one a row");
  input.back() = Dim::constant(context, out);
  results.push_back(makeTensorType(input, Float32Type::get(context)));
  return success();
}
