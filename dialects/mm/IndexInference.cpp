//===- IndexInference.cpp - Gather, scatter and their kin -----------------===//

#include "dialects/mm/Inference.h"

using namespace mlir;
using namespace mmcc::mm;

static LogicalResult checkIndices(OptionalLocation location, StringRef op,
                                  Value indices) {
  Type element = cast<RankedTensorType>(indices.getType()).getElementType();
  if (element.isSignlessInteger(32) || element.isSignlessInteger(64))
    return success();
  return emitOptionalError(location, "'mm.", op,
                           "' op indices must be i32 or i64, not ", element);
}

LogicalResult GatherOp::inferReturnTypes(MLIRContext *,
                                         OptionalLocation location,
                                         Adaptor adaptor,
                                         ResultTypes &results) {
  auto type = cast<RankedTensorType>(adaptor.getInput().getType());
  int64_t axis = adaptor.getAxis();
  // gather_c1, gather_c2
  if (failed(checkAxis(location, "gather", axis, type.getRank())) ||
      failed(checkIndices(location, "gather", adaptor.getIndices())))
    return failure();
  Shape input = getShape(type);
  Shape indices = getShape(adaptor.getIndices().getType());
  Shape shape(input.begin(), input.begin() + axis);
  shape.append(indices.begin(), indices.end());
  shape.append(input.begin() + axis + 1, input.end());
  results.push_back(makeTensorType(shape, type.getElementType()));
  return success();
}

LogicalResult GatherElementsOp::inferReturnTypes(MLIRContext *,
                                                 OptionalLocation location,
                                                 Adaptor adaptor,
                                                 ResultTypes &results) {
  auto type = cast<RankedTensorType>(adaptor.getInput().getType());
  auto indices = cast<RankedTensorType>(adaptor.getIndices().getType());
  // gather_elements_c1
  if (failed(checkAxis(location, "gather_elements", adaptor.getAxis(),
                       type.getRank())))
    return failure();
  // gather_elements_c2
  if (indices.getRank() != type.getRank())
    return emitOptionalError(
        location, "'mm.gather_elements' op indices have rank ",
        indices.getRank(), ", the input has ", type.getRank());
  // gather_elements_c3
  if (failed(checkIndices(location, "gather_elements", adaptor.getIndices())))
    return failure();
  results.push_back(makeTensorType(getShape(indices), type.getElementType()));
  return success();
}

LogicalResult GatherNDOp::inferReturnTypes(MLIRContext *,
                                           OptionalLocation location,
                                           Adaptor adaptor,
                                           ResultTypes &results) {
  auto type = cast<RankedTensorType>(adaptor.getInput().getType());
  Shape input = getShape(type);
  Shape indices = getShape(adaptor.getIndices().getType());
  // gather_nd_c1
  int64_t batchDims = adaptor.getBatchDims();
  int64_t rank = input.size();
  std::optional<int64_t> depth =
      indices.empty() ? std::nullopt : indices.back().getConstant();
  if (batchDims < 0 || batchDims > rank || !depth || *depth < 1 ||
      *depth > rank - batchDims)
    return emitOptionalError(location,
                             "'mm.gather_nd' op the last dimension of indices "
                             "must be static and at most rank - batch_dims");
  // gather_nd_c2
  bool batchesAgree = static_cast<int64_t>(indices.size()) > batchDims;
  for (int64_t i = 0; batchesAgree && i < batchDims; ++i)
    batchesAgree = indices[i] == input[i];
  if (!batchesAgree)
    return emitOptionalError(
        location, "'mm.gather_nd' op input and indices differ in their first ",
        batchDims, " dimensions");
  // gather_nd_c3
  if (failed(checkIndices(location, "gather_nd", adaptor.getIndices())))
    return failure();
  Shape shape(indices.begin(), indices.end() - 1);
  shape.append(input.begin() + batchDims + *depth, input.end());
  results.push_back(makeTensorType(shape, type.getElementType()));
  return success();
}

LogicalResult ScatterOp::inferReturnTypes(MLIRContext *,
                                          OptionalLocation location,
                                          Adaptor adaptor,
                                          ResultTypes &results) {
  results.push_back(adaptor.getInput().getType());
  return success();
}

LogicalResult ScatterOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType());
  auto updates = cast<RankedTensorType>(getUpdates().getType());
  // scatter_c1
  if (getKind() != "nd" && getKind() != "elements")
    return emitOpError("unknown kind \"") << getKind() << "\"";
  if (!llvm::is_contained({"none", "add", "mul", "max", "min"}, getReduction()))
    return emitOpError("unknown reduction \"") << getReduction() << "\"";
  // scatter_c2
  if (updates.getElementType() != input.getElementType())
    return emitOpError("updates and input differ in element type");
  // scatter_c3
  if (failed(checkIndices(getLoc(), "scatter", getIndices())))
    return failure();
  Shape data = getShape(input), indices = getShape(getIndices().getType());
  if (getKind() == "elements") {
    // scatter_c4
    if (failed(checkAxis(getLoc(), "scatter", getAxis(), input.getRank())))
      return failure();
    if (indices.size() != data.size() || indices != getShape(updates))
      return emitOpError("updates and indices must have one shape, of the "
                         "input's rank");
    return success();
  }
  // scatter_c5
  std::optional<int64_t> depth =
      indices.empty() ? std::nullopt : indices.back().getConstant();
  if (!depth || *depth < 1 || *depth > input.getRank())
    return emitOpError("the last dimension of indices must be static and at "
                       "most the input's rank");
  Shape expected(indices.begin(), indices.end() - 1);
  expected.append(data.begin() + *depth, data.end());
  if (getShape(updates) != expected)
    return emitOpError("updates must have shape ") << describeShape(expected);
  return success();
}

LogicalResult CumulativeOp::inferReturnTypes(MLIRContext *,
                                             OptionalLocation location,
                                             Adaptor adaptor,
                                             ResultTypes &results) {
  auto type = cast<RankedTensorType>(adaptor.getInput().getType());
  // cumulative_c1
  if (failed(
          checkAxis(location, "cumulative", adaptor.getAxis(), type.getRank())))
    return failure();
  // cumulative_c2
  if (adaptor.getKind() != "sum" && adaptor.getKind() != "prod")
    return emitOptionalError(location, "'mm.cumulative' op unknown kind \"",
                             adaptor.getKind(), "\"");
  results.push_back(type);
  return success();
}

LogicalResult TopKOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType());
  auto values = cast<RankedTensorType>(getValues().getType());
  // topk_c1
  if (failed(checkAxis(getLoc(), "topk", getAxis(), input.getRank())))
    return failure();
  // topk_c2
  Shape from = getShape(input), to = getShape(values);
  bool agrees = from.size() == to.size() &&
                values.getElementType() == input.getElementType();
  for (int64_t i = 0; agrees && i < input.getRank(); ++i)
    agrees = i == static_cast<int64_t>(getAxis()) || from[i] == to[i];
  if (!agrees)
    return emitOpError("values may differ from input in dimension ")
           << getAxis() << " only";
  // topk_c3
  auto indices = cast<RankedTensorType>(getIndices().getType());
  if (indices != makeTensorType(to, IntegerType::get(getContext(), 64)))
    return emitOpError("indices must be i64 of the values' shape");
  return success();
}

LogicalResult ResizeOp::verify() {
  auto from = cast<RankedTensorType>(getInput().getType());
  auto to = cast<RankedTensorType>(getResult().getType());
  // resize_c1
  if (from.getRank() != to.getRank() ||
      from.getElementType() != to.getElementType() ||
      static_cast<int64_t>(getScales().size()) != from.getRank())
    return emitOpError("input, result and scales differ in rank or type");
  // resize_c2
  if (!llvm::is_contained({"nearest", "linear", "cubic"}, getMode()))
    return emitOpError("unknown mode \"") << getMode() << "\"";
  if (!llvm::is_contained({"half_pixel", "half_pixel_symmetric",
                           "pytorch_half_pixel", "align_corners", "asymmetric",
                           "tf_crop_and_resize"},
                          getCoordinates()))
    return emitOpError("unknown coordinates \"") << getCoordinates() << "\"";
  if (!llvm::is_contained(
          {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"},
          getRounding()))
    return emitOpError("unknown rounding \"") << getRounding() << "\"";
  // resize_c3
  for (double scale : getScales())
    if (!(scale > 0))
      return emitOpError("scale ") << scale << " is not positive";
  return success();
}
