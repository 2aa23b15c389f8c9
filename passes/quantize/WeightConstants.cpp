//===- WeightConstants.cpp - Weights and what they become, as IR ----------===//

#include "passes/quantize/WeightConstants.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "passes/lower/ConstantSource.h"

#include <cstring>

using namespace mlir;

namespace mmcc::quantize {

std::optional<WeightMatrix> readWeight(Value value) {
  std::optional<std::vector<float>> numbers = lower::readColumns<float>(value);
  if (!numbers)
    return std::nullopt;
  auto type = cast<RankedTensorType>(value.getType());
  return WeightMatrix{type.getDimSize(0), type.getDimSize(1),
                      std::move(*numbers)};
}

std::optional<std::vector<float>> readVector(Value value, int64_t size) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  auto constant = value.getDefiningOp<mm::ConstantOp>();
  if (!constant || !type || !type.getElementType().isF32())
    return std::nullopt;
  int64_t count = type.getNumElements();
  bool isRow = count == size && (size == 1 || type.getShape().back() == size);
  std::optional<lower::ConstantBytes> bytes =
      lower::bytesOf(constant.getValue());
  if (!bytes || (!isRow && count != 1))
    return std::nullopt;
  std::vector<float> numbers(size);
  for (int64_t i = 0; i < size; ++i)
    std::memcpy(&numbers[i], bytes->at(isRow ? i : 0), sizeof(float));
  return numbers;
}

Attribute keyOf(Value weight) {
  auto parts = lower::matrixParts(weight);
  if (!parts)
    return {};
  Builder builder(weight.getContext());
  SmallVector<Attribute> key;
  for (const lower::MatrixPart &part : *parts) {
    key.push_back(part.source.value);
    key.push_back(builder.getDenseI64ArrayAttr(
        {part.source.offset, part.source.strides[0], part.source.strides[1],
         part.rows, part.columns}));
  }
  return builder.getArrayAttr(key);
}

/// A constant that owns its bytes.
template <typename T>
static ElementsAttr makeAttribute(Type element, ArrayRef<int64_t> shape,
                                  ArrayRef<T> elements) {
  auto type = RankedTensorType::get(shape, element);
  ArrayRef<char> bytes(reinterpret_cast<const char *>(elements.data()),
                       elements.size() * sizeof(T));
  return DenseResourceElementsAttr::get(
      type, "quantized",
      HeapAsmResourceBlob::allocateAndCopyWithAlign(bytes, 64));
}

Value makeVector(OpBuilder &builder, Location loc, ArrayRef<float> numbers) {
  return builder.create<mm::ConstantOp>(
      loc, makeAttribute<float>(builder.getF32Type(), int64_t(numbers.size()),
                                numbers));
}

static Type elementOf(MLIRContext *context, const WeightFormat &format) {
  switch (format.kind) {
  case NumberKind::e4m3:
    return Float8E4M3FNType::get(context);
  case NumberKind::e5m2:
    return Float8E5M2Type::get(context);
  case NumberKind::integer:
    break;
  }
  auto signedness =
      format.asymmetric ? IntegerType::Unsigned : IntegerType::Signless;
  return format.bits == 8 ? IntegerType::get(context, 8)
                          : IntegerType::get(context, 4, signedness);
}

NarrowConstants makeConstants(MLIRContext *context,
                              const NarrowWeight &weight) {
  const WeightFormat &format = weight.format;
  int shift = format.asymmetric && format.bits == 8 ? 128 : 0;
  std::vector<int8_t> numbers = weight.numbers;
  for (int8_t &number : numbers)
    number = int8_t(uint8_t(number) - shift);
  std::vector<float> scales, zeros;
  for (const GroupScale &scale : weight.scales) {
    scales.push_back(scale.scale);
    zeros.push_back(float(scale.zero - shift));
  }
  Type element = elementOf(context, format);
  Type f32 = Float32Type::get(context);
  int64_t shape[] = {weight.in, weight.out};
  int64_t groups[] = {weight.groups(), weight.out};
  NarrowConstants constants;
  constants.numbers = makeAttribute<int8_t>(element, shape, numbers);
  constants.scale = makeAttribute<float>(f32, groups, scales);
  if (format.asymmetric)
    constants.zero = makeAttribute<float>(f32, groups, zeros);
  return constants;
}

ElementsAttr makeHalf(ElementsAttr value, HalfFloat type) {
  std::optional<lower::ConstantBytes> bytes = lower::bytesOf(value);
  if (!bytes)
    return {};
  Builder builder(value.getContext());
  Type element = type == HalfFloat::f16 ? Type(builder.getF16Type())
                                        : Type(builder.getBF16Type());
  auto shaped = cast<ShapedType>(value.getType());
  std::vector<uint16_t> numbers(bytes->splat ? 1 : shaped.getNumElements());
  roundToHalf(bytes->data.data(), int64_t(numbers.size()), type,
              numbers.data());
  if (bytes->splat)
    return DenseElementsAttr::getFromRawBuffer(
        shaped.clone(element),
        ArrayRef(reinterpret_cast<char *>(&numbers[0]), sizeof(uint16_t)));
  return makeAttribute<uint16_t>(element, shaped.getShape(), numbers);
}

} // namespace mmcc::quantize
