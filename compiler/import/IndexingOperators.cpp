//===- IndexingOperators.cpp - Gathering and scattering -------------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Node.h"

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

static void importGather(Node &n) {
  Tensor x = n.required(0), indices = n.required(1);
  int64_t given = n.integer("axis", 0);
  if (!x)
    return;
  if (std::optional<int64_t> axis = n.axis(given, x.rank()))
    n.set(0, n.gather(x, indices, *axis));
}

static void importGatherElements(Node &n) {
  Tensor x = n.required(0), indices = n.required(1);
  int64_t given = n.integer("axis", 0);
  if (!x || !indices)
    return;
  if (std::optional<int64_t> axis = n.axis(given, x.rank()))
    n.set(0,
          n.emit<mm::GatherElementsOp>({x, indices}, n.named("axis", *axis)));
}

static void importGatherND(Node &n) {
  Tensor x = n.required(0), indices = n.required(1);
  int64_t batch = n.integer("batch_dims", 0);
  if (!x || !indices)
    return;
  if (batch < 0 || batch > std::min(x.rank(), indices.rank() - 1)) {
    n.fail("batch_dims = " + Twine(batch) + " is outside of the inputs");
    return;
  }
  for (int64_t d = 0; d < batch; ++d)
    if (!n.demandEqual(x.dim(d), indices.dim(d), "batch sizes differ"))
      return;
  n.set(0, n.emit<mm::GatherNDOp>({x, indices}, n.named("batch_dims", batch)));
}

static void scatter(Node &n, StringRef kind, int64_t axis) {
  Tensor x = n.required(0), indices = n.required(1), updates = n.required(2);
  std::string reduction = n.text("reduction", "none");
  if (!x || !indices || !updates)
    return;
  if (!llvm::is_contained({"none", "add", "mul", "max", "min"}, reduction)) {
    n.fail("reduction '" + reduction + "' is not supported");
    return;
  }
  if (updates.elementType() != x.elementType()) {
    n.fail("the updates have another element type");
    return;
  }
  n.set(0, n.emit<mm::ScatterOp>({x, indices, updates},
                                 {n.string("kind", kind),
                                  n.string("reduction", reduction),
                                  n.named("axis", axis)}));
}

static void importScatterElements(Node &n) {
  int64_t given = n.integer("axis", 0);
  Tensor x = n.required(0);
  if (!x)
    return;
  if (std::optional<int64_t> axis = n.axis(given, x.rank()))
    scatter(n, "elements", *axis);
}

/// ScatterND into known integers: a shape whose entries are replaced.
static bool scatterKnown(Node &n) {
  Tensor x = n.input(0), indices = n.input(1), updates = n.input(2);
  if (!x || !indices || !updates || n.hasAttribute("reduction") || !x.known ||
      x.rank() != 1 || !indices.known || !updates.known ||
      indices.rank() == 0 || indices.type.getShape().back() != 1 ||
      indices.known->elements.size() != updates.known->elements.size())
    return false;
  auto result = std::make_shared<Known>();
  result->elementType = x.elementType();
  result->sizes = x.known->sizes;
  result->elements = x.known->elements;
  int64_t size = result->elements.size();
  for (auto [index, update] :
       llvm::zip(indices.known->elements, updates.known->elements)) {
    std::optional<int64_t> at = index.constant();
    if (!at || *at < -size || *at >= size)
      return false;
    result->elements[*at < 0 ? *at + size : *at] = update;
  }
  if (isFloat(result->elementType) || !result->isComplete())
    return false;
  n.set(0, n.fromKnown(result));
  return true;
}

static void importScatterND(Node &n) {
  if (!scatterKnown(n))
    scatter(n, "nd", 0);
}

static void importTopK(Node &n) {
  Tensor x = n.required(0);
  int64_t given = n.integer("axis", -1);
  bool largest = n.integer("largest", 1) != 0;
  // Sorted results are one of the orders that sorted = 0 allows.
  n.ignore({"sorted"});
  std::optional<Shape> count;
  if (n.hasAttribute("k"))
    count = n.clampedDims(n.integer("k", 0));
  else
    count = n.inputDims(1, "the number of elements");
  if (!x || !count)
    return;
  std::optional<int64_t> axis = n.axis(given, x.rank());
  if (!axis)
    return;
  if (count->size() != 1 || n.facts.bounds((*count)[0]).lo < 0 ||
      !n.facts.demandAtMost((*count)[0], x.dim(*axis))) {
    n.fail("the number of elements does not fit the dimension");
    return;
  }
  Shape shape = x.shape();
  shape[*axis] = (*count)[0];
  Type types[] = {mm::makeTensorType(shape, x.elementType()),
                  mm::makeTensorType(shape, IntegerType::get(n.context(), 64))};
  Operation *op =
      n.create(mm::TopKOp::getOperationName(), types, x,
               {n.named("axis", *axis), n.flag("largest", largest)});
  if (!op)
    return;
  n.set(0, n.wrap(op->getResult(0)));
  n.set(1, n.wrap(op->getResult(1)));
}

static void importOneHot(Node &n) {
  Tensor indices = n.required(0), depth = n.required(1), values = n.required(2);
  int64_t given = n.integer("axis", -1);
  if (!indices || !depth || !values)
    return;
  std::optional<int64_t> axis = n.axis(given, indices.rank() + 1);
  // A depth of floating type is a whole number all the same.
  Tensor whole = n.castTo(depth, IntegerType::get(n.context(), 64));
  if (!axis || !whole)
    return;
  std::optional<Shape> classes =
      whole.known ? whole.known->dims() : std::nullopt;
  if (!classes || classes->size() != 1) {
    n.fail("the depth depends on data that is not known before the run");
    return;
  }
  Dim count = (*classes)[0];
  if (!n.checkSize(count))
    return;
  Tensor index = n.castTo(indices, IntegerType::get(n.context(), 64));
  Tensor zero = n.scalar(0, index.elementType());
  index = n.select(n.compare(mm::Predicate::LT, index, zero),
                   n.add(index, n.reshape(n.sizes(count), {})), index);
  Shape shape(indices.rank() + 1, n.dim(1));
  shape[*axis] = count;
  Tensor hit = n.compare(mm::Predicate::EQ, n.unsqueeze(index, *axis),
                         n.reshape(n.iota(n.dim(0), 1, count), shape));
  if (values.rank() != 1 || !values.dim(0).isConstant(2)) {
    n.fail("the values are not a pair");
    return;
  }
  Tensor off = n.reshape(n.sliceAlong(values, 0, n.dim(0), n.dim(1)), {});
  Tensor on = n.reshape(n.sliceAlong(values, 0, n.dim(1), n.dim(1)), {});
  n.set(0, n.select(hit, on, off));
}

ArrayRef<OperatorRow> indexingOperators() {
  static const OperatorRow rows[] = {
      {"Gather", importGather},
      {"GatherElements", importGatherElements},
      {"GatherND", importGatherND},
      {"ScatterElements", importScatterElements},
      {"Scatter", importScatterElements},
      {"ScatterND", importScatterND},
      {"TopK", importTopK},
      {"OneHot", importOneHot},
  };
  return rows;
}

} // namespace mmcc::import
