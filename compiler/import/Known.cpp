//===- Known.cpp - Tensor elements known at import ------------------------===//

#include "compiler/import/Known.h"
#include "compiler/import/ElementType.h"
#include "llvm/ADT/StringSwitch.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using mmcc::mm::Dim;

namespace mmcc::import {

bool Known::isComplete() const {
  return llvm::all_of(elements, [](const Scalar &s) { return s.isKnown(); });
}

std::optional<mm::Shape> Known::dims() const {
  mm::Shape result;
  for (const Scalar &scalar : elements) {
    if (!scalar.numerator || scalar.denominator != 1)
      return std::nullopt;
    result.push_back(scalar.numerator);
  }
  return result;
}

bool canBeKnown(RankedTensorType type) {
  if (!type.hasStaticShape())
    return false;
  int64_t count = type.getNumElements();
  Type elementType = type.getElementType();
  if (elementType.isF32() || elementType.isF64())
    return count <= kMaxKnownReals;
  return isa<IntegerType>(elementType) && count <= kMaxKnownElements;
}

//===----------------------------------------------------------------------===//
// Positions
//===----------------------------------------------------------------------===//

int64_t broadcastPosition(ArrayRef<int64_t> sizes,
                          ArrayRef<int64_t> coordinates) {
  coordinates = coordinates.take_back(sizes.size());
  int64_t position = 0;
  for (auto [size, coordinate] : llvm::zip(sizes, coordinates))
    position = position * size + (size == 1 ? 0 : coordinate);
  return position;
}

void forEachElement(ArrayRef<int64_t> sizes,
                    function_ref<void(ArrayRef<int64_t>)> visit) {
  if (llvm::is_contained(sizes, 0))
    return;
  SmallVector<int64_t> coordinates(sizes.size(), 0);
  while (true) {
    visit(coordinates);
    int64_t d = static_cast<int64_t>(sizes.size()) - 1;
    for (; d >= 0; --d) {
      if (++coordinates[d] < sizes[d])
        break;
      coordinates[d] = 0;
    }
    if (d < 0)
      return;
  }
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

template <typename T> static T load(ArrayRef<char> bytes, int64_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

static Scalar loadScalar(Type type, ArrayRef<char> bytes, int64_t i) {
  MLIRContext *context = type.getContext();
  if (type.isF32())
    return Scalar::number(load<float>(bytes, i));
  if (type.isF64())
    return Scalar::number(load<double>(bytes, i));
  bool uns = isUnsigned(type);
  int64_t value;
  switch (type.getIntOrFloatBitWidth()) {
  case 1:
    value = bytes[i] != 0;
    break;
  case 8:
    value = uns ? int64_t(load<uint8_t>(bytes, i)) : load<int8_t>(bytes, i);
    break;
  case 16:
    value = uns ? int64_t(load<uint16_t>(bytes, i)) : load<int16_t>(bytes, i);
    break;
  case 32:
    value = uns ? int64_t(load<uint32_t>(bytes, i)) : load<int32_t>(bytes, i);
    break;
  default:
    value = load<int64_t>(bytes, i);
    if (uns && value < 0)
      return {};
  }
  return Scalar::integer(context, value);
}

std::shared_ptr<Known> readKnown(RankedTensorType type, ArrayRef<char> bytes) {
  if (!canBeKnown(type))
    return nullptr;
  auto known = std::make_shared<Known>();
  known->elementType = type.getElementType();
  known->sizes.assign(type.getShape().begin(), type.getShape().end());
  for (int64_t i = 0; i < type.getNumElements(); ++i)
    known->elements.push_back(loadScalar(known->elementType, bytes, i));
  return known;
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

/// The integer as the type stores it: modulo 2^width.
static int64_t wrap(int64_t value, Type type) {
  unsigned width = type.getIntOrFloatBitWidth();
  if (width >= 64)
    return value;
  uint64_t bits = static_cast<uint64_t>(value) << (64 - width);
  return isUnsigned(type) || width == 1
             ? static_cast<int64_t>(bits >> (64 - width))
             : static_cast<int64_t>(bits) >> (64 - width);
}

static Scalar makeReal(double value, Type type) {
  return Scalar::number(type.isF32() ? static_cast<float>(value) : value);
}

static Scalar makeInteger(int64_t value, Type type) {
  return Scalar::integer(type.getContext(), wrap(value, type));
}

/// A number as a fraction, if it is one with a small denominator.
static Scalar asFraction(const Scalar &scalar, MLIRContext *context) {
  if (!scalar.real)
    return scalar;
  for (int64_t denominator = 1; denominator <= (1 << 20); denominator *= 2) {
    double numerator = *scalar.real * denominator;
    if (std::abs(numerator) > (int64_t(1) << 40) || std::isnan(numerator))
      return {};
    if (numerator == std::floor(numerator))
      return {Dim::constant(context, static_cast<int64_t>(numerator)),
              denominator, std::nullopt};
  }
  return {};
}

static Scalar makeFraction(const Dim &numerator, int64_t denominator,
                           Type type) {
  if (denominator <= 0 || denominator > (1 << 20) ||
      magnitude(numerator) > uint64_t(kLargestSize))
    return {};
  if (std::optional<int64_t> constant = numerator.getConstant())
    return makeReal(static_cast<double>(*constant) / denominator, type);
  return {numerator, denominator, std::nullopt};
}

static Scalar evaluateFloat(StringRef operation, ArrayRef<Scalar> operands,
                            Type type, const DimFacts &facts) {
  MLIRContext *context = type.getContext();
  if (llvm::all_of(operands, [](const Scalar &s) { return s.real; })) {
    double a = *operands[0].real;
    double b = operands.size() > 1 ? *operands[1].real : 0;
    if (operands.size() > 1 && (std::isnan(a) || std::isnan(b)))
      return {};
    std::optional<double> value =
        llvm::StringSwitch<std::optional<double>>(operation)
            .Case("mm.add", a + b)
            .Case("mm.sub", a - b)
            .Case("mm.mul", a * b)
            .Case("mm.div", a / b)
            .Case("mm.max", std::max(a, b))
            .Case("mm.min", std::min(a, b))
            .Case("mm.neg", -a)
            .Case("mm.abs", std::abs(a))
            .Case("mm.floor", std::floor(a))
            .Case("mm.ceil", std::ceil(a))
            .Case("mm.round", std::nearbyint(a))
            .Case("mm.sqrt", std::sqrt(a))
            .Default(std::nullopt);
    return value ? makeReal(*value, type) : Scalar();
  }
  Scalar a = asFraction(operands[0], context);
  if (!a.isKnown())
    return {};
  if (operation == "mm.floor")
    return makeFraction(a.numerator.floorDiv(a.denominator), 1, type);
  if (operation == "mm.ceil")
    return makeFraction(a.numerator.ceilDiv(a.denominator), 1, type);
  if (operation == "mm.neg")
    return makeFraction(a.numerator * -1, a.denominator, type);
  if (operands.size() != 2)
    return {};
  Scalar b = asFraction(operands[1], context);
  if (!b.isKnown() || !canCombine(a.numerator, b.numerator) ||
      magnitude(a.numerator) > uint64_t(kLargestSize) ||
      magnitude(b.numerator) > uint64_t(kLargestSize))
    return {};
  if (operation == "mm.add")
    return makeFraction(a.numerator * b.denominator +
                            b.numerator * a.denominator,
                        a.denominator * b.denominator, type);
  if (operation == "mm.sub")
    return makeFraction(a.numerator * b.denominator -
                            b.numerator * a.denominator,
                        a.denominator * b.denominator, type);
  if (operation == "mm.mul")
    return makeFraction(a.numerator * b.numerator,
                        a.denominator * b.denominator, type);
  if (operation == "mm.div")
    if (std::optional<int64_t> divisor = b.numerator.getConstant();
        divisor && *divisor > 0)
      return makeFraction(a.numerator * b.denominator, a.denominator * *divisor,
                          type);
  return {};
}

static Scalar evaluateConstants(StringRef operation, int64_t a, int64_t b,
                                Type type) {
  auto integer = [&](int64_t value) { return makeInteger(value, type); };
  // Unsigned arithmetic: overflow wraps instead of being undefined.
  uint64_t ua = a, ub = b;
  if (operation == "mm.add")
    return integer(ua + ub);
  if (operation == "mm.sub")
    return integer(ua - ub);
  if (operation == "mm.mul")
    return integer(ua * ub);
  if (operation == "mm.neg")
    return integer(-ua);
  if (operation == "mm.abs")
    return integer(a < 0 ? -ua : ua);
  if (operation == "mm.sign")
    return integer((a > 0) - (a < 0));
  if (operation == "mm.max")
    return integer(std::max(a, b));
  if (operation == "mm.min")
    return integer(std::min(a, b));
  if (operation == "mm.and")
    return integer(a & b);
  if (operation == "mm.or")
    return integer(a | b);
  if (operation == "mm.xor")
    return integer(a ^ b);
  if (operation == "mm.not")
    return integer(isBool(type) ? !a : ~a);
  if (b == 0 || (a == INT64_MIN && b == -1))
    return {};
  if (operation == "mm.div")
    return integer(a / b);
  if (operation == "mm.fmod")
    return integer(a % b);
  if (operation == "mm.mod")
    return integer(a % b + (a % b != 0 && (a % b < 0) != (b < 0) ? b : 0));
  return {};
}

Scalar evaluate(StringRef operation, ArrayRef<Scalar> operands, Type type,
                const DimFacts &facts) {
  if (llvm::any_of(operands, [](const Scalar &s) { return !s.isKnown(); }))
    return {};
  if (isFloat(type))
    return evaluateFloat(operation, operands, type, facts);
  const Dim &a = operands[0].numerator;
  const Dim b = operands.size() > 1 ? operands[1].numerator
                                    : Dim::constant(type.getContext(), 0);
  if (a.getConstant() && b.getConstant())
    return evaluateConstants(operation, *a.getConstant(), *b.getConstant(),
                             type);
  if (!canCombine(a, b))
    return {};
  if (operation == "mm.add")
    return Scalar::dim(a + b);
  if (operation == "mm.sub")
    return Scalar::dim(a - b);
  if (operation == "mm.mul")
    return Scalar::dim(a * b);
  if (operation == "mm.neg")
    return Scalar::dim(a * -1);
  bool nonNegative = facts.bounds(a).lo >= 0;
  if (operation == "mm.abs" && nonNegative)
    return Scalar::dim(a);
  std::optional<Dim> chosen;
  if (operation == "mm.max")
    chosen = facts.max(a, b);
  else if (operation == "mm.min")
    chosen = facts.min(a, b);
  if (chosen)
    return Scalar::dim(*chosen);
  if (facts.bounds(b).lo > 0) {
    // Truncation equals the floor only where the dividend is not negative.
    if (operation == "mm.div") {
      if (std::optional<Dim> exact = a.exactDiv(b))
        return Scalar::dim(*exact);
      if (nonNegative)
        return Scalar::dim(a.floorDiv(b));
    }
    if (operation == "mm.mod" || (operation == "mm.fmod" && nonNegative))
      return Scalar::dim(a.mod(b));
  }
  return {};
}

Scalar compare(StringRef predicate, const Scalar &x, const Scalar &y,
               const DimFacts &facts, MLIRContext *context) {
  if (!x.isKnown() || !y.isKnown())
    return {};
  std::optional<bool> answer;
  if (x.real && y.real) {
    answer = llvm::StringSwitch<bool>(predicate)
                 .Case("eq", *x.real == *y.real)
                 .Case("ne", *x.real != *y.real)
                 .Case("lt", *x.real < *y.real)
                 .Case("le", *x.real <= *y.real)
                 .Case("gt", *x.real > *y.real)
                 .Default(*x.real >= *y.real);
    return Scalar::integer(context, *answer);
  }
  Scalar a = asFraction(x, context), b = asFraction(y, context);
  if (!a.isKnown() || !b.isKnown())
    return {};
  if (magnitude(a.numerator) > uint64_t(kLargestSize) ||
      magnitude(b.numerator) > uint64_t(kLargestSize)) {
    if (!x.constant() || !y.constant())
      return {};
    // Compared as they are, without a difference that could overflow.
    int64_t p = *x.constant(), q = *y.constant();
    bool result = llvm::StringSwitch<bool>(predicate)
                      .Case("eq", p == q)
                      .Case("ne", p != q)
                      .Case("lt", p < q)
                      .Case("le", p <= q)
                      .Case("gt", p > q)
                      .Default(p >= q);
    return Scalar::integer(context, result);
  }
  Dim lhs = a.numerator * b.denominator, rhs = b.numerator * a.denominator;
  auto negate = [](std::optional<bool> value) -> std::optional<bool> {
    if (value)
      return !*value;
    return std::nullopt;
  };
  if (predicate == "eq")
    answer = facts.equal(lhs, rhs);
  else if (predicate == "ne")
    answer = negate(facts.equal(lhs, rhs));
  else if (predicate == "lt")
    answer = facts.less(lhs, rhs);
  else if (predicate == "ge")
    answer = negate(facts.less(lhs, rhs));
  else if (predicate == "gt")
    answer = facts.less(rhs, lhs);
  else
    answer = negate(facts.less(rhs, lhs));
  return answer ? Scalar::integer(context, *answer) : Scalar();
}

Scalar convert(const Scalar &scalar, Type from, Type to,
               const DimFacts &facts) {
  if (!scalar.isKnown())
    return {};
  MLIRContext *context = to.getContext();
  if (isFloat(to)) {
    if (scalar.real)
      return makeReal(*scalar.real, to);
    return makeFraction(scalar.numerator, scalar.denominator, to);
  }
  if (isBool(to)) {
    if (scalar.real)
      return Scalar::integer(context, *scalar.real != 0);
    std::optional<bool> zero =
        facts.equal(scalar.numerator, Dim::constant(context, 0));
    return zero ? Scalar::integer(context, !*zero) : Scalar();
  }
  if (scalar.real) {
    double value = std::trunc(*scalar.real);
    // Out of range is undefined in ONNX and in C++.
    double limit = std::ldexp(1.0, to.getIntOrFloatBitWidth() - 1);
    if (!(value >= -limit && value < limit) || (isUnsigned(to) && value < 0))
      return {};
    return makeInteger(static_cast<int64_t>(value), to);
  }
  if (scalar.denominator != 1) {
    if (facts.bounds(scalar.numerator).lo < 0)
      return {};
    return Scalar::dim(scalar.numerator.floorDiv(scalar.denominator));
  }
  if (std::optional<int64_t> constant = scalar.numerator.getConstant())
    return makeInteger(*constant, to);
  return scalar;
}

} // namespace mmcc::import
