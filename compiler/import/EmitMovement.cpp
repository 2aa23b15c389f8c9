//===- EmitMovement.cpp - Building data movement --------------------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Emitter.h"

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

static bool sameShape(const Tensor &x, ArrayRef<Dim> shape) {
  return llvm::equal(x.shape(), shape);
}

static int64_t rowMajor(ArrayRef<int64_t> sizes,
                        ArrayRef<int64_t> coordinates) {
  int64_t position = 0;
  for (auto [size, coordinate] : llvm::zip(sizes, coordinates))
    position = position * size + coordinate;
  return position;
}

Tensor Emitter::reshape(const Tensor &x, ArrayRef<Dim> shape) {
  if (!x || sameShape(x, shape))
    return x;
  if (!checkSize(shape))
    return {};
  if (!demandEqual(mm::product(context(), x.shape()),
                   mm::product(context(), shape),
                   "reshape changes the number of elements"))
    return {};
  RankedTensorType type = mm::makeTensorType(shape, x.elementType());
  std::shared_ptr<Known> known;
  if (x.known && type.hasStaticShape()) {
    known = std::make_shared<Known>(*x.known);
    known->sizes.assign(type.getShape().begin(), type.getShape().end());
    known->attribute = {};
    known->value = {};
  }
  return finish(known, [&] { return emitAs<mm::ReshapeOp>(type, x); });
}

Tensor Emitter::transpose(const Tensor &x, ArrayRef<int64_t> permutation) {
  if (!x)
    return {};
  bool identity = true;
  for (auto [index, source] : llvm::enumerate(permutation))
    identity &= int64_t(index) == source;
  if (identity && int64_t(permutation.size()) == x.rank())
    return x;
  std::shared_ptr<Known> known;
  if (x.known) {
    SmallVector<int64_t> sizes;
    for (int64_t source : permutation)
      sizes.push_back(x.known->sizes[source]);
    auto type = RankedTensorType::get(sizes, x.elementType());
    SmallVector<int64_t> from(permutation.size());
    known = knownOf(type, [&](ArrayRef<int64_t> at) {
      for (auto [index, source] : llvm::enumerate(permutation))
        from[source] = at[index];
      return x.known->elements[rowMajor(x.known->sizes, from)];
    });
  }
  return finish(known, [&] {
    return emit<mm::TransposeOp>(x, list("permutation", permutation));
  });
}

Tensor Emitter::transposeLast(const Tensor &x) {
  if (!x)
    return {};
  if (x.rank() < 2)
    return fail("a matrix is needed, not a vector");
  auto permutation = llvm::to_vector(llvm::seq<int64_t>(0, x.rank()));
  std::swap(permutation[x.rank() - 1], permutation[x.rank() - 2]);
  return transpose(x, permutation);
}

Tensor Emitter::broadcast(const Tensor &x, ArrayRef<Dim> shape) {
  if (!x || sameShape(x, shape))
    return x;
  RankedTensorType type = mm::makeTensorType(shape, x.elementType());
  std::shared_ptr<Known> known;
  if (x.known && type.hasStaticShape())
    known = knownOf(type, [&](ArrayRef<int64_t> at) {
      return x.known->elements[broadcastPosition(x.known->sizes, at)];
    });
  return finish(known, [&] { return emitAs<mm::BroadcastOp>(type, x); });
}

Tensor Emitter::slice(const Tensor &x, ArrayRef<Dim> offsets,
                      ArrayRef<Dim> lengths, ArrayRef<int64_t> steps) {
  if (!x)
    return {};
  SmallVector<int64_t> ones(x.rank(), 1);
  if (steps.empty())
    steps = ones;
  bool whole = sameShape(x, lengths);
  for (auto [offset, step] : llvm::zip(offsets, steps))
    whole &= offset.isConstant(0) && step == 1;
  if (whole)
    return x;
  RankedTensorType type = mm::makeTensorType(lengths, x.elementType());
  bool fixed = llvm::all_of(
      offsets, [](const Dim &dim) { return dim.getConstant().has_value(); });
  std::shared_ptr<Known> known;
  if (x.known && fixed && type.hasStaticShape()) {
    SmallVector<int64_t> from(x.rank());
    known = knownOf(type, [&](ArrayRef<int64_t> at) {
      for (int64_t d = 0; d < x.rank(); ++d)
        from[d] = *offsets[d].getConstant() + at[d] * steps[d];
      return x.known->elements[rowMajor(x.known->sizes, from)];
    });
  }
  return finish(known, [&] {
    return emitAs<mm::SliceOp>(
        type, x, {dims("offsets", offsets), list("steps", steps)});
  });
}

Tensor Emitter::sliceAlong(const Tensor &x, int64_t axis, const Dim &offset,
                           const Dim &length) {
  if (!x)
    return {};
  Shape offsets(x.rank(), dim(0)), lengths = x.shape();
  offsets[axis] = offset;
  lengths[axis] = length;
  return slice(x, offsets, lengths);
}

Tensor Emitter::concat(ArrayRef<Tensor> inputs, int64_t axis) {
  SmallVector<Tensor> parts;
  for (const Tensor &input : inputs) {
    if (!input)
      return {};
    if (input.elementType() != inputs[0].elementType())
      return fail("the inputs have different element types");
    if (input.rank() != inputs[0].rank() || axis >= input.rank())
      return fail("the inputs have different or too low ranks");
    // An empty part is what remains of a cache before its first use.
    if (!input.dim(axis).isConstant(0))
      parts.push_back(input);
  }
  if (parts.empty())
    return inputs[0];
  for (const Tensor &part : parts)
    for (int64_t d = 0; d < part.rank(); ++d)
      if (d != axis && !demandEqual(part.dim(d), parts[0].dim(d),
                                    "sizes of concatenated tensors differ"))
        return {};
  if (parts.size() == 1)
    return parts[0];
  std::shared_ptr<Known> known;
  if (llvm::any_of(parts, [](const Tensor &t) { return t.known != nullptr; }) &&
      llvm::all_of(parts,
                   [](const Tensor &t) { return t.type.hasStaticShape(); })) {
    SmallVector<int64_t> sizes(parts[0].type.getShape());
    sizes[axis] = 0;
    for (const Tensor &part : parts)
      sizes[axis] += part.type.getDimSize(axis);
    SmallVector<int64_t> from;
    known = knownOf(RankedTensorType::get(sizes, parts[0].elementType()),
                    [&](ArrayRef<int64_t> at) -> Scalar {
                      from.assign(at.begin(), at.end());
                      const Tensor *part = parts.begin();
                      for (; from[axis] >= part->type.getDimSize(axis); ++part)
                        from[axis] -= part->type.getDimSize(axis);
                      return part->known ? part->known->elements[rowMajor(
                                               part->type.getShape(), from)]
                                         : Scalar();
                    });
  }
  return finish(known,
                [&] { return emit<mm::ConcatOp>(parts, named("axis", axis)); });
}

/// The first of indices that count up by one, all in one sign; nothing if
/// they do not.
static std::optional<int64_t> consecutive(const Known &indices) {
  std::optional<int64_t> first;
  for (auto [index, scalar] : llvm::enumerate(indices.elements)) {
    std::optional<int64_t> value = scalar.constant();
    if (!value)
      return std::nullopt;
    if (index == 0)
      first = value;
    else if (*first > kLargestSize || *value != *first + int64_t(index))
      return std::nullopt;
  }
  if (first && *first < -kLargestSize)
    return std::nullopt;
  if (first && *first < 0 && *first + int64_t(indices.elements.size()) > 0)
    return std::nullopt;
  return first;
}

Tensor Emitter::gather(const Tensor &x, const Tensor &given, int64_t axis) {
  if (!x || !given)
    return {};
  Tensor indices = given;
  if (!indices.elementType().isInteger(32) &&
      !indices.elementType().isInteger(64))
    return fail("indices must be int32 or int64");
  Shape shape = x.shape(), indexShape = indices.shape();
  Shape result(shape.begin(), shape.begin() + axis);
  result.append(indexShape);
  result.append(shape.begin() + axis + 1, shape.end());
  std::optional<int64_t> size = shape[axis].getConstant();
  if (indices.known && size)
    for (const Scalar &scalar : indices.known->elements)
      if (std::optional<int64_t> index = scalar.constant())
        if (*index < -*size || *index >= *size)
          return fail("index " + Twine(*index) +
                      " is outside of a dimension of " + Twine(*size));
  // One element, or a run of them, is a slice: nothing clamps a slice, so that
  // it must lie inside for every size.
  auto isInside = [&](int64_t first, int64_t count, const Dim &length) {
    int64_t needed = first < 0 ? -first : first + count;
    return needed <= kLargestSize && facts.demandAtMost(dim(needed), length);
  };
  if (indices.known && indices.known->isComplete())
    if (std::optional<int64_t> first = consecutive(*indices.known);
        first &&
        isInside(*first, indices.known->elements.size(), shape[axis])) {
      int64_t count = indices.known->elements.size();
      Dim offset = *first < 0 ? shape[axis] + *first : dim(*first);
      return reshape(sliceAlong(x, axis, offset, dim(count)), result);
    }
  std::shared_ptr<Known> known;
  RankedTensorType type = mm::makeTensorType(result, x.elementType());
  if (x.known && indices.known) {
    SmallVector<int64_t> from;
    int64_t indexRank = indices.rank();
    known = knownOf(type, [&](ArrayRef<int64_t> at) -> Scalar {
      const Scalar &index = indices.known->elements[rowMajor(
          indices.known->sizes, at.slice(axis, indexRank))];
      std::optional<int64_t> position = index.constant();
      if (!position)
        return {};
      from.assign(at.begin(), at.begin() + axis);
      from.push_back(*position < 0 ? *position + *size : *position);
      llvm::append_range(from, at.drop_front(axis + indexRank));
      return x.known->elements[rowMajor(x.known->sizes, from)];
    });
  }
  return finish(known, [&] {
    return emit<mm::GatherOp>({x, indices}, named("axis", axis));
  });
}

Tensor Emitter::squeeze(const Tensor &x, ArrayRef<int64_t> axes) {
  if (!x)
    return {};
  Shape shape;
  for (auto [index, size] : llvm::enumerate(x.shape())) {
    if (!llvm::is_contained(axes, int64_t(index)))
      shape.push_back(size);
    else if (!demandEqual(size, dim(1), "squeezed dimension is not 1"))
      return {};
  }
  return reshape(x, shape);
}

Tensor Emitter::unsqueeze(const Tensor &x, ArrayRef<int64_t> axes) {
  if (!x)
    return {};
  Shape shape, old = x.shape();
  size_t next = 0;
  for (size_t i = 0; i < old.size() + axes.size(); ++i)
    shape.push_back(llvm::is_contained(axes, int64_t(i)) ? dim(1)
                                                         : old[next++]);
  return reshape(x, shape);
}

Tensor Emitter::pad(const Tensor &x, ArrayRef<Dim> low, ArrayRef<Dim> shape,
                    StringRef mode, const Tensor &value) {
  if (!x || (sameShape(x, shape) &&
             llvm::all_of(low, [](const Dim &d) { return d.isConstant(0); })))
    return x;
  return emitAs<mm::PadOp>(mm::makeTensorType(shape, x.elementType()),
                           {x, value},
                           {dims("low", low), string("mode", mode)});
}

} // namespace mmcc::import
