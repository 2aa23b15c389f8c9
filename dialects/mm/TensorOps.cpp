//===- TensorOps.cpp - Constants, sizes and views: types and verifiers ----===//

#include "dialects/mm/Inference.h"

using namespace mlir;
using namespace mmcc::mm;

//===----------------------------------------------------------------------===//
// Constants and sizes
//===----------------------------------------------------------------------===//

LogicalResult ConstantOp::inferReturnTypes(MLIRContext *,
                                           OptionalLocation location,
                                           Adaptor adaptor,
                                           ResultTypes &results) {
  ElementsAttr value = adaptor.getValue();
  auto type = dyn_cast<RankedTensorType>(value.getType());
  // constant_c1
  if (!type || !type.hasStaticShape())
    return emitOptionalError(location,
                             "'mm.constant' op value must be a static tensor");
  results.push_back(type);
  return success();
}

LogicalResult SizesOp::inferReturnTypes(MLIRContext *context, OptionalLocation,
                                        Adaptor adaptor, ResultTypes &results) {
  int64_t count = adaptor.getDims().size();
  results.push_back(
      RankedTensorType::get({count}, IntegerType::get(context, 64)));
  return success();
}

LogicalResult IotaOp::verify() {
  // iota_c1
  if (getStart().size() != 1)
    return emitOpError("start must hold one expression, not ")
           << getStart().size();
  auto type = cast<RankedTensorType>(getResult().getType());
  // iota_c2
  if (type.getRank() != 1)
    return emitOpError("result must be a vector");
  // iota_c3
  if (!type.getElementType().isIntOrFloat())
    return emitOpError("result must have integer or float elements");
  return success();
}

//===----------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------===//

LogicalResult ReshapeOp::verify() {
  auto from = cast<RankedTensorType>(getInput().getType());
  auto to = cast<RankedTensorType>(getResult().getType());
  // reshape_c2
  if (from.getElementType() != to.getElementType())
    return emitOpError("changes the element type");
  // reshape_c1
  Shape before = getShape(from), after = getShape(to);
  if (!sameElementCount(before, after))
    return emitOpError("shapes ")
           << describeShape(before) << " and " << describeShape(after)
           << " hold different numbers of elements";
  return success();
}

LogicalResult TransposeOp::inferReturnTypes(MLIRContext *,
                                            OptionalLocation location,
                                            Adaptor adaptor,
                                            ResultTypes &results) {
  auto type = cast<RankedTensorType>(adaptor.getInput().getType());
  ArrayRef<int64_t> permutation = adaptor.getPermutation();
  // transpose_c1
  SmallVector<bool> seen(type.getRank(), false);
  bool valid = static_cast<int64_t>(permutation.size()) == type.getRank();
  for (int64_t source : permutation) {
    if (!valid || source < 0 || source >= type.getRank() || seen[source]) {
      valid = false;
      break;
    }
    seen[source] = true;
  }
  if (!valid)
    return emitOptionalError(location, "'mm.transpose' op [", permutation,
                             "] is not a permutation of ", type.getRank(),
                             " dimensions");
  Shape shape = getShape(type), moved;
  for (int64_t source : permutation)
    moved.push_back(shape[source]);
  results.push_back(makeTensorType(moved, type.getElementType()));
  return success();
}

LogicalResult BroadcastOp::verify() {
  auto from = cast<RankedTensorType>(getInput().getType());
  auto to = cast<RankedTensorType>(getResult().getType());
  // broadcast_c2
  if (from.getElementType() != to.getElementType())
    return emitOpError("changes the element type");
  // broadcast_c1
  if (!broadcastsTo(getShape(from), getShape(to)))
    return emitOpError("shape ")
           << describeShape(getShape(from)) << " does not broadcast to "
           << describeShape(getShape(to));
  return success();
}

LogicalResult ConcatOp::inferReturnTypes(MLIRContext *,
                                         OptionalLocation location,
                                         Adaptor adaptor,
                                         ResultTypes &results) {
  // concat_c1
  if (adaptor.getInputs().empty())
    return emitOptionalError(location, "'mm.concat' op needs an input");
  auto first = cast<RankedTensorType>(adaptor.getInputs()[0].getType());
  // concat_c2
  int64_t axis = adaptor.getAxis();
  if (failed(checkAxis(location, "concat", axis, first.getRank())))
    return failure();
  Shape shape = getShape(first);
  for (Value input : adaptor.getInputs().drop_front()) {
    auto type = cast<RankedTensorType>(input.getType());
    bool agrees = type.getRank() == first.getRank() &&
                  type.getElementType() == first.getElementType();
    Shape next = getShape(type);
    for (int64_t i = 0; agrees && i < first.getRank(); ++i)
      agrees = i == axis || next[i] == shape[i];
    if (!agrees)
      return emitOptionalError(location, "'mm.concat' op inputs ", first,
                               " and ", type, " differ in more than dimension ",
                               axis);
    shape[axis] = shape[axis] + next[axis];
  }
  results.push_back(makeTensorType(shape, first.getElementType()));
  return success();
}

LogicalResult SliceOp::verify() {
  auto from = cast<RankedTensorType>(getInput().getType());
  auto to = cast<RankedTensorType>(getResult().getType());
  // slice_c3
  if (from.getElementType() != to.getElementType())
    return emitOpError("changes the element type");
  // slice_c1
  size_t rank = from.getRank();
  if (static_cast<size_t>(to.getRank()) != rank ||
      getOffsets().size() != rank || getSteps().size() != rank)
    return emitOpError("input, result, offsets and steps differ in rank");
  // slice_c2
  for (size_t i = 0; i < rank; ++i) {
    int64_t step = getSteps()[i];
    if (step == 0)
      return emitOpError("step of dimension ") << i << " is 0";
    std::optional<int64_t> first = getOffsets().getDim(i).getConstant();
    if (!first || from.isDynamicDim(i) || to.isDynamicDim(i) ||
        to.getDimSize(i) == 0)
      continue;
    int64_t size = from.getDimSize(i);
    // Bounds on the step keep the product from overflowing.
    int64_t count = to.getDimSize(i) - 1;
    bool inside =
        *first >= 0 && *first < size &&
        (count == 0 || (step <= size / count && -step <= size / count));
    int64_t last = inside ? *first + count * step : -1;
    if (last < 0 || last >= size)
      return emitOpError("elements from ")
             << *first << " in steps of " << step << " leave dimension " << i
             << " of size " << size;
  }
  return success();
}

LogicalResult PadOp::verify() {
  auto from = cast<RankedTensorType>(getInput().getType());
  auto to = cast<RankedTensorType>(getResult().getType());
  // pad_c3
  if (from.getElementType() != to.getElementType())
    return emitOpError("changes the element type");
  // pad_c1
  if (to.getRank() != from.getRank() ||
      static_cast<int64_t>(getLow().size()) != from.getRank())
    return emitOpError("input, result and low differ in rank");
  // pad_c2
  if (getValue()) {
    auto type = cast<RankedTensorType>(getValue().getType());
    if (type.getElementType() != from.getElementType() ||
        !type.hasStaticShape() || type.getNumElements() != 1)
      return emitOpError("value must be one element of ")
             << from.getElementType();
    if (getMode() != "constant")
      return emitOpError("value goes with mode constant only");
  }
  return success();
}
