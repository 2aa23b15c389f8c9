//===- CreationOperators.cpp - Tensors from nothing or from sizes ---------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Node.h"
#include "compiler/import/onnx.pb.h"
#include <cmath>

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

static Tensor constantFrom(Node &n, const onnx::TensorProto &tensor) {
  std::string error;
  std::optional<TensorContent> content =
      n.tensors().read(tensor, n.context(), error);
  if (!content)
    return n.fail("the constant " + error);
  return n.constant(*content,
                    tensor.name().empty() ? "constant" : tensor.name(),
                    n.tensors().attributeOf(&tensor));
}

static void importConstant(Node &n) {
  MLIRContext *context = n.context();
  if (n.hasAttribute("value")) {
    const onnx::AttributeProto *attribute = n.attribute("value");
    if (!attribute->has_t())
      n.fail("attribute 'value' is not a tensor");
    else
      n.set(0, constantFrom(n, attribute->t()));
  } else if (n.hasAttribute("sparse_value")) {
    const onnx::AttributeProto *attribute = n.attribute("sparse_value");
    std::string error;
    std::optional<TensorContent> content =
        n.tensors().read(attribute->sparse_tensor(), context, error);
    if (content)
      n.set(0, n.constant(*content, "constant",
                          n.tensors().attributeOf(attribute)));
    else
      n.fail("the constant " + error);
  } else if (n.hasAttribute("value_int")) {
    n.set(0, n.reshape(n.integers(n.integer("value_int", 0)), {}));
  } else if (n.hasAttribute("value_ints")) {
    n.set(0, n.integers(n.integerList("value_ints")));
  } else if (n.hasAttribute("value_float")) {
    n.set(0, n.scalar(n.number("value_float", 0), Float32Type::get(context)));
  } else if (n.hasAttribute("value_floats")) {
    SmallVector<float> values;
    for (double value : n.numberList("value_floats"))
      values.push_back(static_cast<float>(value));
    TensorContent content{
        RankedTensorType::get({int64_t(values.size())},
                              Float32Type::get(context)),
        ArrayRef(reinterpret_cast<const char *>(values.data()),
                 values.size() * sizeof(float)),
        nullptr};
    // Long lists become resources, which must own what they point at.
    auto owned = std::make_shared<std::vector<char>>(content.bytes.begin(),
                                                     content.bytes.end());
    content.bytes = *owned;
    content.owner = owned;
    n.set(0, n.constant(content, "constant",
                        n.tensors().attributeOf(n.attribute("value_floats"))));
  } else {
    n.fail("a constant of strings is not supported");
  }
}

static void importConstantOfShape(Node &n) {
  std::optional<Shape> shape = n.inputDims(0, "the shape");
  if (!shape)
    return;
  Tensor fill = n.scalar(0, Float32Type::get(n.context()));
  if (const onnx::AttributeProto *value = n.attribute("value")) {
    fill = constantFrom(n, value->t());
    if (!fill)
      return;
    if (fill.type.getNumElements() != 1) {
      n.fail("the value has more than one element");
      return;
    }
    fill = n.reshape(fill, {});
  }
  for (const Dim &size : *shape)
    if (n.facts.bounds(size).lo < 0) {
      n.fail("the size " + size.str() + " may be negative");
      return;
    }
  n.set(0, n.broadcast(fill, *shape));
}

/// Range over integers that depend on sizes at most.
static void integerRange(Node &n, Type type, const Dim &start, const Dim &limit,
                         int64_t step) {
  if (magnitude(start) > uint64_t(kLargestSize) ||
      magnitude(limit) > uint64_t(kLargestSize) || step > kLargestSize ||
      step < -kLargestSize) {
    n.fail("the range is absurdly large");
    return;
  }
  Dim distance = step > 0 ? limit - start : start - limit;
  Dim count = distance.ceilDiv(step > 0 ? step : -step);
  std::optional<Dim> length = n.facts.max(count, n.dim(0));
  if (!length) {
    n.fail("the length " + count.str() + " may be negative");
    return;
  }
  n.set(0, n.castTo(n.iota(start, step, *length), type));
}

static void importRange(Node &n) {
  Tensor start = n.required(0), limit = n.required(1), delta = n.required(2);
  if (!start || !limit || !delta)
    return;
  Type type = start.elementType();
  auto only = [](const Tensor &tensor) {
    return tensor.known && tensor.known->elements.size() == 1
               ? tensor.known->elements[0]
               : Scalar();
  };
  Scalar first = only(start), last = only(limit), step = only(delta);
  if (!first.isKnown() || !last.isKnown() || !step.isKnown()) {
    n.fail("the length depends on data that is not known before the run");
    return;
  }
  if (isInteger(type)) {
    std::optional<int64_t> by = step.constant();
    if (!by || *by == 0)
      n.fail("the step is zero or depends on sizes");
    else
      integerRange(n, type, first.numerator, last.numerator, *by);
    return;
  }
  // Floats that are whole numbers are counted as integers, and so exactly.
  auto whole = [&](const Scalar &scalar) -> std::optional<Dim> {
    if (scalar.real && *scalar.real == std::floor(*scalar.real) &&
        std::abs(*scalar.real) < (1 << 24))
      return n.dim(static_cast<int64_t>(*scalar.real));
    if (scalar.numerator && scalar.denominator == 1)
      return scalar.numerator;
    return std::nullopt;
  };
  std::optional<Dim> wholeStart = whole(first), wholeLimit = whole(last),
                     wholeStep = whole(step);
  if (wholeStart && wholeLimit && wholeStep && wholeStep->getConstant() &&
      !wholeStep->isConstant(0)) {
    integerRange(n, type, *wholeStart, *wholeLimit, *wholeStep->getConstant());
    return;
  }
  if (!first.real || !last.real || !step.real || *step.real == 0) {
    n.fail("the length depends on sizes through fractions");
    return;
  }
  double count =
      std::max(0.0, std::ceil((*last.real - *first.real) / *step.real));
  if (!(count <= double(1 << 30))) {
    n.fail("the length is absurdly large");
    return;
  }
  Tensor index = n.castTo(n.iota(n.dim(0), 1, n.dim(int64_t(count))), type);
  n.set(0, n.add(n.mul(index, n.reshape(delta, {})), n.reshape(start, {})));
}

/// Positions along dimension `axis`, shaped to broadcast against `rank`.
static Tensor positions(Node &n, const Dim &length, int64_t axis,
                        int64_t rank) {
  Shape shape(rank, n.dim(1));
  shape[axis] = length;
  return n.reshape(n.iota(n.dim(0), 1, length), shape);
}

static void importEyeLike(Node &n) {
  Tensor x = n.required(0);
  if (!x)
    return;
  if (x.rank() != 2) {
    n.fail("the input is not a matrix");
    return;
  }
  int64_t diagonal = n.integer("k", 0);
  Type type = x.elementType();
  if (n.hasAttribute("dtype"))
    type = elementTypeFor(n.integer("dtype", 0), n.context());
  if (!type) {
    n.fail("the element type is not supported");
    return;
  }
  Tensor rows = positions(n, x.dim(0), 0, 2);
  Tensor columns = positions(n, x.dim(1), 1, 2);
  n.set(0,
        n.castTo(n.compare(mm::Predicate::EQ,
                           n.add(rows, n.whole(diagonal, IntegerType::get(
                                                             n.context(), 64))),
                           columns),
                 type));
}

static void importTrilu(Node &n) {
  Tensor x = n.required(0);
  bool upper = n.integer("upper", 1) != 0;
  Tensor diagonal = n.input(1);
  if (!x)
    return;
  if (x.rank() < 2) {
    n.fail("the input is not a matrix");
    return;
  }
  int64_t rank = x.rank();
  Tensor rows = positions(n, x.dim(rank - 2), rank - 2, rank);
  Tensor columns = positions(n, x.dim(rank - 1), rank - 1, rank);
  if (diagonal)
    rows = n.add(rows, n.reshape(diagonal, {}));
  Tensor keep =
      n.compare(upper ? mm::Predicate::LE : mm::Predicate::GE, rows, columns);
  n.set(0, n.select(keep, x, n.scalar(0, x.elementType())));
}

static void importNonZero(Node &n) {
  Tensor x = n.required(0);
  if (!x)
    return;
  if (!x.known || !x.known->isComplete()) {
    n.fail("the size of the result depends on data");
    return;
  }
  SmallVector<SmallVector<int64_t>> found(x.rank());
  size_t position = 0;
  bool decided = true;
  Dim zero = n.dim(0);
  forEachElement(x.known->sizes, [&](ArrayRef<int64_t> at) {
    const Scalar &scalar = x.known->elements[position++];
    std::optional<bool> isZero = scalar.real
                                     ? std::optional<bool>(*scalar.real == 0)
                                     : n.facts.equal(scalar.numerator, zero);
    decided &= isZero.has_value();
    if (isZero && !*isZero)
      for (auto [d, coordinate] : llvm::enumerate(at))
        found[d].push_back(coordinate);
  });
  if (!decided) {
    n.fail("the size of the result depends on sizes");
    return;
  }
  auto known = std::make_shared<Known>();
  known->elementType = IntegerType::get(n.context(), 64);
  known->sizes = {x.rank(), x.rank() ? int64_t(found[0].size()) : 0};
  for (const auto &row : found)
    for (int64_t value : row)
      known->elements.push_back(Scalar::integer(n.context(), value));
  n.set(0, n.fromKnown(known));
}

ArrayRef<OperatorRow> creationOperators() {
  static const OperatorRow rows[] = {
      {"Constant", importConstant}, {"ConstantOfShape", importConstantOfShape},
      {"Range", importRange},       {"EyeLike", importEyeLike},
      {"Trilu", importTrilu},       {"NonZero", importNonZero},
  };
  return rows;
}

} // namespace mmcc::import
