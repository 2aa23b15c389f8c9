//===- Emitter.cpp - Checked operations, constants, sizes -----------------===//

#include "compiler/import/Emitter.h"
#include "compiler/import/ElementType.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

Tensor Emitter::fail(const Twine &text) {
  if (reason.empty())
    reason = text.str();
  return {};
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

namespace {
/// Collects what MLIR has to say about an operation.
class Complaints {
public:
  explicit Complaints(MLIRContext *context)
      : handler(context, [this](Diagnostic &diagnostic) {
          if (text.empty())
            text = diagnostic.str();
          return success();
        }) {}
  std::string text;

private:
  ScopedDiagnosticHandler handler;
};
} // namespace

Operation *Emitter::create(StringRef name, TypeRange types,
                           ArrayRef<Tensor> operands,
                           ArrayRef<NamedAttribute> attributes) {
  if (hasFailed())
    return nullptr;
  for (Type type : types)
    if (!checkSize(mm::getShape(type)))
      return nullptr;
  OperationState state(loc, name);
  for (const Tensor &operand : operands)
    if (operand)
      state.operands.push_back(value(operand));
  state.addTypes(types);
  state.addAttributes(attributes);
  Operation *op = builder.create(state);
  Complaints complaints(context());
  if (failed(verify(op, /*verifyRecursively=*/false))) {
    op->erase();
    fail(complaints.text.empty() ? "the operation does not verify"
                                 : complaints.text);
    return nullptr;
  }
  return op;
}

Tensor Emitter::inferred(StringRef name, ArrayRef<Tensor> operands,
                         ArrayRef<NamedAttribute> attributes) {
  if (hasFailed())
    return {};
  SmallVector<Value> values;
  for (const Tensor &operand : operands)
    if (operand)
      values.push_back(value(operand));
  OperationName operation(name, context());
  auto *inference = operation.getInterface<InferTypeOpInterface>();
  assert(inference && "operation without type inference");
  DictionaryAttr dictionary = builder.getDictionaryAttr(attributes);
  // The properties in the form that inference reads.
  std::unique_ptr<char[]> storage(
      new char[std::max(operation.getOpPropertyByteSize(), 1)]);
  OpaqueProperties properties(storage.get());
  operation.initOpProperties(properties, nullptr);
  SmallVector<Type> types;
  Complaints complaints(context());
  auto complain = [&] { return mlir::emitError(loc); };
  LogicalResult result = success();
  if (operation.getOpPropertyByteSize())
    result = operation.setOpPropertiesFromAttribute(operation, properties,
                                                    dictionary, complain);
  if (succeeded(result))
    result = inference->inferReturnTypes(context(), loc, values, dictionary,
                                         properties, {}, types);
  operation.destroyOpProperties(properties);
  if (failed(result) || types.empty())
    return fail(complaints.text.empty() ? "its result type cannot be inferred"
                                        : complaints.text);
  Operation *op = create(name, types, operands, attributes);
  return op ? wrap(op->getResult(0)) : Tensor();
}

//===----------------------------------------------------------------------===//
// Constants and sizes
//===----------------------------------------------------------------------===//

Tensor Emitter::constant(ElementsAttr elements) {
  auto op = builder.create<mm::ConstantOp>(
      loc, cast<RankedTensorType>(elements.getType()), elements);
  return wrap(op.getResult());
}

Tensor Emitter::constant(const TensorContent &content, StringRef name,
                         ElementsAttr &attribute) {
  std::shared_ptr<Known> known = readKnown(content.type, content.bytes);
  if (!attribute)
    attribute = makeElements(content, name);
  Tensor result;
  if (known && known->isComplete() && !isFloat(known->elementType)) {
    known->attribute = attribute;
    result = fromKnown(known);
  } else {
    result = constant(attribute);
    result.known = known;
  }
  result.isHalfByte = content.isHalfByte;
  return result;
}

Tensor Emitter::fromKnown(std::shared_ptr<Known> known) {
  auto type = RankedTensorType::get(known->sizes, known->elementType);
  return {type, {}, known};
}

Tensor Emitter::scalar(double value, Type elementType) {
  if (!elementType)
    return {};
  auto type = RankedTensorType::get({}, elementType);
  if (auto floats = dyn_cast<FloatType>(elementType)) {
    APFloat number(value);
    bool inexact;
    number.convert(floats.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                   &inexact);
    Tensor result = constant(DenseElementsAttr::get(type, number));
    auto known = std::make_shared<Known>();
    known->elementType = elementType;
    known->elements.push_back(Scalar::number(number.convertToDouble()));
    if (canBeKnown(type))
      result.known = known;
    return result;
  }
  if (!(std::abs(value) < 0x1p63))
    return fail("a number does not fit the integer type");
  return whole(static_cast<int64_t>(value), elementType);
}

Tensor Emitter::whole(int64_t value, Type elementType) {
  if (!elementType)
    return {};
  auto known = std::make_shared<Known>();
  known->elementType = elementType;
  known->elements.push_back(Scalar::integer(context(), value));
  return fromKnown(known);
}

Tensor Emitter::integers(ArrayRef<int64_t> values) {
  return sizes(mm::makeShape(context(), values));
}

Tensor Emitter::sizes(ArrayRef<Dim> dims) {
  auto known = std::make_shared<Known>();
  known->elementType = builder.getI64Type();
  known->sizes.push_back(dims.size());
  for (const Dim &dim : dims)
    known->elements.push_back(Scalar::dim(dim));
  return fromKnown(known);
}

Tensor Emitter::iota(const Dim &start, int64_t step, const Dim &length) {
  std::optional<int64_t> count = length.getConstant();
  if (count && *count <= kMaxKnownElements) {
    SmallVector<Dim> values;
    for (int64_t i = 0; i < *count; ++i)
      values.push_back(start + i * step);
    return sizes(values);
  }
  return emitAs<mm::IotaOp>(mm::makeTensorType(length, builder.getI64Type()),
                            {}, {dims("start", start), named("step", step)});
}

/// Constants of a type as the bytes of its storage.
static ElementsAttr makeAttribute(const Known &known) {
  auto type = RankedTensorType::get(known.sizes, known.elementType);
  if (isFloat(known.elementType)) {
    SmallVector<Attribute> values;
    for (const Scalar &scalar : known.elements)
      values.push_back(FloatAttr::get(known.elementType, *scalar.real));
    return DenseElementsAttr::get(type, values);
  }
  SmallVector<APInt> values;
  unsigned width = known.elementType.getIntOrFloatBitWidth();
  for (const Scalar &scalar : known.elements)
    values.push_back(APInt(64, *scalar.constant(), true).sextOrTrunc(width));
  return DenseElementsAttr::get(type, values);
}

Value Emitter::value(const Tensor &tensor) {
  if (tensor.value)
    return tensor.value;
  Known &known = *tensor.known;
  if (known.value)
    return known.value;
  bool constants = llvm::all_of(
      known.elements, [](const Scalar &s) { return s.constant().has_value(); });
  if (constants) {
    if (!known.attribute)
      known.attribute = makeAttribute(known);
    known.value = constant(known.attribute).value;
    return known.value;
  }
  Type i64 = builder.getI64Type();
  auto flat =
      RankedTensorType::get({static_cast<int64_t>(known.elements.size())}, i64);
  Tensor result = wrap(builder.create<mm::SizesOp>(
      loc, flat, mm::DimsAttr::get(context(), *known.dims())));
  if (known.elementType != i64)
    result = castTo(result, known.elementType);
  if (known.sizes.size() != 1)
    result = reshape(result, mm::makeShape(context(), known.sizes));
  known.value = result.value;
  return known.value;
}

//===----------------------------------------------------------------------===//
// Known elements
//===----------------------------------------------------------------------===//

std::shared_ptr<Known>
Emitter::knownOf(RankedTensorType type,
                 function_ref<Scalar(ArrayRef<int64_t>)> element) {
  if (!canBeKnown(type))
    return nullptr;
  auto known = std::make_shared<Known>();
  known->elementType = type.getElementType();
  known->sizes.assign(type.getShape().begin(), type.getShape().end());
  bool any = known->sizes.empty() ? false : type.getNumElements() == 0;
  forEachElement(known->sizes, [&](ArrayRef<int64_t> coordinates) {
    known->elements.push_back(element(coordinates));
    any |= known->elements.back().isKnown();
  });
  return any ? known : nullptr;
}

Tensor Emitter::finish(std::shared_ptr<Known> known,
                       function_ref<Tensor()> emitOperation) {
  if (known && known->isComplete() && !isFloat(known->elementType))
    return fromKnown(known);
  Tensor result = emitOperation();
  if (result)
    result.known = known;
  return result;
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

std::optional<Shape> Emitter::broadcastShape(ArrayRef<Dim> a, ArrayRef<Dim> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  Shape result(a.begin(), a.end());
  size_t offset = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i) {
    Dim &dim = result[offset + i];
    if (b[i].isConstant(1) || dim == b[i])
      continue;
    if (dim.isConstant(1)) {
      dim = b[i];
      continue;
    }
    if (!facts.demandEqual(dim, b[i])) {
      fail("sizes " + dim.str() + " and " + b[i].str() + " do not broadcast");
      return std::nullopt;
    }
  }
  return result;
}

bool Emitter::checkSize(ArrayRef<Dim> shape) {
  // The smallest that the tensor can be, and a bound that keeps products of
  // its sizes within 64 bits.
  uint64_t smallest = 1, coefficients = 1;
  for (const Dim &dim : shape) {
    coefficients = llvm::SaturatingMultiply(
        coefficients, std::max<uint64_t>(magnitude(dim), 1));
    if (magnitude(dim) <= uint64_t(1) << 52)
      smallest = llvm::SaturatingMultiply(
          smallest,
          static_cast<uint64_t>(std::max<int64_t>(facts.bounds(dim).lo, 1)));
  }
  if (smallest <= uint64_t(kLargestSize) && coefficients <= uint64_t(1) << 62)
    return true;
  fail("a result would be absurdly large");
  return false;
}

bool Emitter::demandEqual(const Dim &a, const Dim &b, StringRef what) {
  if (facts.demandEqual(a, b))
    return true;
  fail(what + Twine(": ") + a.str() + " is not " + b.str());
  return false;
}

std::optional<int64_t> Emitter::axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) {
    fail("axis " + Twine(axis) + " is outside of a tensor of rank " +
         Twine(rank));
    return std::nullopt;
  }
  return axis < 0 ? axis + rank : axis;
}

std::optional<SmallVector<int64_t>> Emitter::axes(ArrayRef<int64_t> given,
                                                  int64_t rank) {
  SmallVector<int64_t> result;
  for (int64_t one : given) {
    std::optional<int64_t> normal = axis(one, rank);
    if (!normal)
      return std::nullopt;
    result.push_back(*normal);
  }
  llvm::sort(result);
  if (std::adjacent_find(result.begin(), result.end()) != result.end()) {
    fail("an axis is given twice");
    return std::nullopt;
  }
  return result;
}

} // namespace mmcc::import
