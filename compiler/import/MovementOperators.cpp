//===- MovementOperators.cpp - Transposing, joining, cutting, padding -----===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Node.h"

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

static void importTranspose(Node &n) {
  Tensor x = n.required(0);
  if (!x)
    return;
  SmallVector<int64_t> permutation =
      llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(0, x.rank())));
  if (n.hasAttribute("perm"))
    permutation = n.integerList("perm");
  SmallVector<int64_t> sorted(permutation);
  llvm::sort(sorted);
  if (!llvm::equal(sorted, llvm::seq<int64_t>(0, x.rank()))) {
    n.fail("'perm' is no permutation of the dimensions");
    return;
  }
  n.set(0, n.transpose(x, permutation));
}

static void importConcat(Node &n) {
  SmallVector<Tensor> inputs;
  for (size_t i = 0; i < n.inputCount(); ++i)
    inputs.push_back(n.required(i));
  if (inputs.empty())
    n.fail("it has no inputs");
  if (n.hasFailed())
    return;
  if (auto axis = n.axis(n.integer("axis", 1), inputs[0].rank()))
    n.set(0, n.concat(inputs, *axis));
}

static void importSplit(Node &n) {
  Tensor x = n.required(0);
  if (!x)
    return;
  std::optional<int64_t> axis = n.axis(n.integer("axis", 0), x.rank());
  if (!axis)
    return;
  Dim total = x.dim(*axis);
  Shape lengths;
  int64_t parts = n.integer("num_outputs", n.outputCount());
  if (parts != int64_t(n.outputCount()) || parts < 1) {
    n.fail("the number of parts is not the number of outputs");
    return;
  }
  if (n.hasAttribute("split")) {
    lengths = n.clampedDims(n.integerList("split"));
  } else if (n.hasInput(1)) {
    std::optional<Shape> given = n.inputDims(1, "the split");
    if (!given)
      return;
    lengths = *given;
  } else {
    // Equal parts; from opset 18 the last may be smaller.
    Dim length = n.opset() >= 18 ? total.ceilDiv(parts) : total.floorDiv(parts);
    lengths.assign(parts, length);
    lengths.back() = total - length * (parts - 1);
  }
  if (lengths.size() != n.outputCount()) {
    n.fail("the number of parts is not the number of outputs");
    return;
  }
  Dim offset = n.dim(0);
  for (auto [index, length] : llvm::enumerate(lengths)) {
    if (n.facts.bounds(length).lo < 0) {
      n.fail("a part has the size " + length.str() + ", which may be negative");
      return;
    }
    offset = offset + length;
  }
  if (!n.demandEqual(offset, total, "the parts do not add up"))
    return;
  offset = n.dim(0);
  for (auto [index, length] : llvm::enumerate(lengths)) {
    n.set(index, n.sliceAlong(x, *axis, offset, length));
    offset = offset + length;
  }
}

//===----------------------------------------------------------------------===//
// Slice
//===----------------------------------------------------------------------===//

namespace {
/// ONNX's clamping rules for one dimension of a Slice.
struct SliceRange {
  Dim offset;
  Dim length;
};
} // namespace

/// Values at or beyond these mean "to the end".
static bool isFarAbove(const Dim &dim) {
  std::optional<int64_t> value = dim.getConstant();
  return value && *value >= INT32_MAX;
}
static bool isFarBelow(const Dim &dim) {
  std::optional<int64_t> value = dim.getConstant();
  return value && *value <= -int64_t(INT32_MAX);
}

/// `at` counted from the end if it is negative. Nothing if its sign depends on
/// sizes.
static std::optional<Dim> fromStart(Node &n, const Dim &at, const Dim &size) {
  Bounds bounds = n.facts.bounds(at);
  if (bounds.lo >= 0)
    return at;
  if (bounds.hi < 0)
    return at + size;
  n.fail("whether " + at.str() + " is negative depends on sizes");
  return std::nullopt;
}

/// `at` clamped into [low, high].
static std::optional<Dim> clampTo(Node &n, const Dim &at, const Dim &low,
                                  const Dim &high) {
  std::optional<Dim> result = n.facts.max(at, low);
  // A size that must not be negative: narrow the range to where it is not.
  if (!result && n.facts.demandAtMost(low, at))
    result = at;
  if (!result) {
    n.fail("whether " + at.str() + " lies inside of the dimension " +
           high.str() + " depends on sizes");
    return std::nullopt;
  }
  if (std::optional<Dim> smaller = n.facts.min(*result, high))
    return smaller;
  // A part as long as an input's size, out of a table of fixed length: beyond
  // that length the part would not have that size.
  if (high.getConstant() && n.facts.demandAtMost(*result, high))
    return result;
  n.fail("whether " + at.str() + " lies inside of the dimension " + high.str() +
         " depends on sizes; bound them with --dim");
  return std::nullopt;
}

static std::optional<SliceRange> resolveRange(Node &n, const Dim &start,
                                              const Dim &end, int64_t step,
                                              const Dim &size) {
  Dim zero = n.dim(0), last = size - 1;
  Dim low = step > 0 ? zero : n.dim(-1), high = step > 0 ? size : last;
  std::optional<Dim> from, to;
  if (isFarAbove(start))
    from = high;
  else if (isFarBelow(start))
    from = zero;
  else if ((from = fromStart(n, start, size)))
    from = clampTo(n, *from, zero, high);
  if (isFarAbove(end))
    to = high;
  else if (isFarBelow(end))
    to = low;
  else if ((to = fromStart(n, end, size)))
    to = clampTo(n, *to, low, high);
  if (!from || !to)
    return std::nullopt;
  Dim distance = step > 0 ? *to - *from : *from - *to;
  Dim length = distance.ceilDiv(step > 0 ? step : -step);
  std::optional<Dim> positive = n.facts.max(length, zero);
  if (!positive && n.facts.demandAtMost(zero, length))
    positive = length;
  if (!positive) {
    n.fail("the length " + length.str() + " may be negative");
    return std::nullopt;
  }
  // Nothing is read from an empty slice; its offset only has to be valid.
  if (positive->isConstant(0))
    from = zero;
  return SliceRange{*from, *positive};
}

static void importSlice(Node &n) {
  Tensor x = n.required(0);
  if (!x)
    return;
  std::optional<Shape> starts, ends;
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, x.rank()));
  SmallVector<int64_t> steps;
  if (n.opset() < 10) {
    starts = n.clampedDims(n.integerList("starts"));
    ends = n.clampedDims(n.integerList("ends"));
    if (n.hasAttribute("axes"))
      axes = n.integerList("axes");
  } else {
    starts = n.inputDims(1, "the start");
    ends = n.inputDims(2, "the end");
    if (n.hasInput(3)) {
      if (auto given = n.inputIntegers(3, "axes"))
        axes = *given;
    }
    if (n.hasInput(4)) {
      if (auto given = n.inputIntegers(4, "steps"))
        steps = *given;
    }
  }
  if (n.hasFailed() || !starts || !ends)
    return;
  if (axes.size() > starts->size() && !n.hasInput(3) && !n.hasAttribute("axes"))
    axes.resize(starts->size());
  if (steps.empty())
    steps.assign(axes.size(), 1);
  if (starts->size() != axes.size() || ends->size() != axes.size() ||
      steps.size() != axes.size()) {
    n.fail("starts, ends, axes and steps differ in length");
    return;
  }
  Shape offsets(x.rank(), n.dim(0)), lengths = x.shape();
  SmallVector<int64_t> allSteps(x.rank(), 1);
  SmallVector<bool> seen(x.rank(), false);
  for (auto [index, given] : llvm::enumerate(axes)) {
    std::optional<int64_t> axis = n.axis(given, x.rank());
    if (!axis)
      return;
    if (seen[*axis] || steps[index] == 0 || steps[index] == INT64_MIN) {
      n.fail("an axis is given twice, or a step is zero");
      return;
    }
    seen[*axis] = true;
    auto range = resolveRange(n, (*starts)[index], (*ends)[index], steps[index],
                              x.dim(*axis));
    if (!range)
      return;
    offsets[*axis] = range->offset;
    lengths[*axis] = range->length;
    allSteps[*axis] = steps[index];
  }
  n.set(0, n.slice(x, offsets, lengths, allSteps));
}

//===----------------------------------------------------------------------===//
// Pad, Tile, CenterCropPad
//===----------------------------------------------------------------------===//

static void importPad(Node &n) {
  Tensor x = n.required(0);
  std::string mode = n.text("mode", "constant");
  std::optional<Shape> pads;
  Tensor value;
  if (n.opset() < 11) {
    pads = n.clampedDims(n.integerList("pads"));
    double fill = n.number("value", 0);
    if (x)
      value = n.scalar(fill, x.elementType());
  } else {
    pads = n.inputDims(1, "the amount of padding");
    value = n.input(2);
  }
  if (!x || !pads)
    return;
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, x.rank()));
  if (n.hasInput(3)) {
    std::optional<SmallVector<int64_t>> given = n.inputIntegers(3, "axes");
    if (!given)
      return;
    axes = *given;
  }
  if (pads->size() != 2 * axes.size()) {
    n.fail("there must be two amounts of padding for each axis");
    return;
  }
  Shape low(x.rank(), n.dim(0)), shape = x.shape();
  for (auto [index, given] : llvm::enumerate(axes)) {
    std::optional<int64_t> axis = n.axis(given, x.rank());
    if (!axis)
      return;
    const Dim &before = (*pads)[index];
    const Dim &after = (*pads)[index + axes.size()];
    low[*axis] = before;
    Dim size = shape[*axis];
    shape[*axis] = size + before + after;
    if (n.facts.bounds(shape[*axis]).lo < 0) {
      n.fail("the padded size " + shape[*axis].str() + " may be negative");
      return;
    }
    if (mode == "reflect" && (!n.facts.demandAtMost(before + 1, size) ||
                              !n.facts.demandAtMost(after + 1, size))) {
      n.fail("reflection by as much as the size is not supported");
      return;
    }
  }
  if (mode != "constant")
    value = {};
  else if (!value)
    value = n.scalar(0, x.elementType());
  else
    value = n.reshape(value, {});
  n.set(0, n.pad(x, low, shape, mode, value));
}

static void importTile(Node &n) {
  Tensor x = n.required(0);
  std::optional<Shape> repeats = n.inputDims(1, "the repetitions");
  if (!x || !repeats)
    return;
  if (int64_t(repeats->size()) != x.rank()) {
    n.fail("there must be one number of repetitions for each dimension");
    return;
  }
  // Repeating is broadcasting along a new dimension before each.
  Shape split, wide, merged;
  for (auto [size, count] : llvm::zip(x.shape(), *repeats)) {
    if (n.facts.bounds(count).lo < 0) {
      n.fail("the number of repetitions " + count.str() + " may be negative");
      return;
    }
    if (!count.isConstant(1)) {
      split.push_back(n.dim(1));
      wide.push_back(count);
    }
    split.push_back(size);
    wide.push_back(size);
    if (!n.checkSize({size, count}))
      return;
    merged.push_back(size * count);
  }
  n.set(0, n.reshape(n.broadcast(n.reshape(x, split), wide), merged));
}

static void importCenterCropPad(Node &n) {
  Tensor x = n.required(0);
  std::optional<SmallVector<int64_t>> target = n.inputIntegers(1, "the shape");
  if (!x || !target)
    return;
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, x.rank()));
  if (n.hasAttribute("axes"))
    axes = n.integerList("axes");
  if (axes.size() != target->size()) {
    n.fail("there must be one size for each axis");
    return;
  }
  Shape low(x.rank(), n.dim(0)), shape = x.shape();
  for (auto [given, size] : llvm::zip(axes, *target)) {
    std::optional<int64_t> axis = n.axis(given, x.rank());
    if (!axis)
      return;
    std::optional<int64_t> old = shape[*axis].getConstant();
    if (!old || size < 0) {
      n.fail("a size is negative or depends on the input's");
      return;
    }
    // Both round down: the odd element is cut and added at the end.
    low[*axis] = n.dim(size >= *old ? (size - *old) / 2 : -((*old - size) / 2));
    shape[*axis] = n.dim(size);
  }
  n.set(0, n.pad(x, low, shape, "constant", n.scalar(0, x.elementType())));
}

ArrayRef<OperatorRow> movementOperators() {
  static const OperatorRow rows[] = {
      {"Transpose", importTranspose},
      {"Concat", importConcat},
      {"Split", importSplit},
      {"Slice", importSlice},
      {"Pad", importPad},
      {"Tile", importTile},
      {"CenterCropPad", importCenterCropPad},
  };
  return rows;
}

} // namespace mmcc::import
