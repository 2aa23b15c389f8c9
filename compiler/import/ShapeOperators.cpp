//===- ShapeOperators.cpp - Sizes and reshaping ---------------------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Node.h"

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

static void importIdentity(Node &n) { n.set(0, n.required(0)); }

static void importDropout(Node &n) {
  n.ignore({"ratio", "seed"});
  n.ignoreInput(1);
  Tensor x = n.required(0), training = n.input(2);
  if (training && !(training.known && training.known->elements.size() == 1 &&
                    training.known->elements[0].constant() == 0)) {
    n.fail("training mode is not supported");
    return;
  }
  n.set(0, x);
  // Nothing is dropped: the mask is all true.
  if (x && n.outputCount() > 1)
    n.set(1, n.broadcast(n.scalar(1, IntegerType::get(n.context(), 1)),
                         x.shape()));
}

static void importShape(Node &n) {
  Tensor x = n.required(0);
  if (!x)
    return;
  int64_t rank = x.rank();
  int64_t start = n.integer("start", 0), end = n.integer("end", rank);
  auto clamp = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  start = clamp(start), end = clamp(end);
  Shape shape = x.shape();
  n.set(0, n.sizes(ArrayRef(shape).slice(start,
                                         std::max<int64_t>(end - start, 0))));
}

static void importSize(Node &n) {
  if (Tensor x = n.required(0))
    n.set(0, n.reshape(n.sizes(mm::product(n.context(), x.shape())), {}));
}

static void importReshape(Node &n) {
  Tensor x = n.required(0);
  bool allowZero = n.integer("allowzero", 0) != 0;
  std::optional<Shape> target;
  if (n.hasAttribute("shape"))
    target = n.clampedDims(n.integerList("shape"));
  else
    target = n.inputDims(1, "the target shape");
  if (!x || !target)
    return;
  Shape from = x.shape();
  std::optional<size_t> open;
  Shape sizes;
  Dim rest = n.dim(1);
  for (auto [index, size] : llvm::enumerate(*target)) {
    if (size.isConstant(0) && !allowZero) {
      if (index >= from.size()) {
        n.fail("the target shape copies a dimension that the input has not");
        return;
      }
      size = from[index];
    }
    if (size.isConstant(-1)) {
      if (open) {
        n.fail("the target shape has -1 twice");
        return;
      }
      open = index;
      continue;
    }
    if (n.facts.bounds(size).lo < 0) {
      n.fail("the target size " + size.str() + " may be negative");
      return;
    }
    sizes.push_back(size);
  }
  if (!n.checkSize(sizes))
    return;
  if (open) {
    // Equal sizes cancel, also those that no polynomial division finds.
    Shape unmatched = from;
    for (const Dim &size : sizes) {
      auto *same = llvm::find(unmatched, size);
      if (same != unmatched.end() && !size.isConstant(0))
        unmatched.erase(same);
      else
        rest = rest * size;
    }
    Dim total = mm::product(n.context(), unmatched);
    std::optional<Dim> quotient =
        rest.isConstant(0) ? std::nullopt : total.exactDiv(rest);
    if (!quotient) {
      n.fail("the -1 of the target shape stands for (" + total.str() + ") / (" +
             rest.str() + "), which is not an integer for all sizes");
      return;
    }
    (*target)[*open] = *quotient;
  }
  n.set(0, n.reshape(x, *target));
}

static void importFlatten(Node &n) {
  Tensor x = n.required(0);
  int64_t axis = n.integer("axis", 1);
  if (!x)
    return;
  if (axis < -x.rank() || axis > x.rank()) {
    n.fail("axis " + Twine(axis) + " is outside of the input");
    return;
  }
  if (axis < 0)
    axis += x.rank();
  Shape shape = x.shape();
  n.set(0,
        n.reshape(
            x, {mm::product(n.context(), ArrayRef(shape).take_front(axis)),
                mm::product(n.context(), ArrayRef(shape).drop_front(axis))}));
}

static void importSqueeze(Node &n) {
  Tensor x = n.required(0);
  if (!x)
    return;
  std::optional<SmallVector<int64_t>> axes = n.axesFrom(1, x.rank());
  if (n.hasFailed())
    return;
  if (!axes) {
    axes.emplace();
    for (auto [index, size] : llvm::enumerate(x.shape())) {
      std::optional<bool> one = n.facts.equal(size, n.dim(1));
      if (!one) {
        n.fail("whether dimension " + Twine(index) +
               " is squeezed depends on the size " + size.str());
        return;
      }
      if (*one)
        axes->push_back(index);
    }
  }
  n.set(0, n.squeeze(x, *axes));
}

static void importUnsqueeze(Node &n) {
  Tensor x = n.required(0);
  SmallVector<int64_t> given;
  if (n.hasAttribute("axes"))
    given = n.integerList("axes");
  else if (auto values = n.inputIntegers(1, "axes"))
    given = *values;
  if (!x || n.hasFailed())
    return;
  if (auto axes = n.axes(given, x.rank() + given.size()))
    n.set(0, n.unsqueeze(x, *axes));
}

static void importExpand(Node &n) {
  Tensor x = n.required(0);
  std::optional<Shape> target = n.inputDims(1, "the target shape");
  if (!x || !target)
    return;
  // -1 is not ONNX's, but PyTorch's exporter lets it through as "keep".
  for (Dim &size : *target)
    if (size.isConstant(-1))
      size = n.dim(1);
  for (const Dim &size : *target)
    if (n.facts.bounds(size).lo < 0) {
      n.fail("the target size " + size.str() + " may be negative");
      return;
    }
  if (std::optional<Shape> shape = n.broadcastShape(x.shape(), *target))
    n.set(0, n.broadcast(x, *shape));
}

ArrayRef<OperatorRow> shapeOperators() {
  static const OperatorRow rows[] = {
      {"Identity", importIdentity}, {"Dropout", importDropout},
      {"Shape", importShape},       {"Size", importSize},
      {"Reshape", importReshape},   {"Flatten", importFlatten},
      {"Squeeze", importSqueeze},   {"Unsqueeze", importUnsqueeze},
      {"Expand", importExpand},
  };
  return rows;
}

} // namespace mmcc::import
