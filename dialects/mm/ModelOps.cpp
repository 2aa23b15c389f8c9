//===- ModelOps.cpp - Products, norms, attention: types -------------------===//

#include "dialects/mm/Inference.h"

using namespace mlir;
using namespace mmcc::mm;

static RankedTensorType tensorType(Value value) {
  return cast<RankedTensorType>(value.getType());
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

LogicalResult MatmulOp::inferReturnTypes(MLIRContext *,
                                         OptionalLocation location,
                                         Adaptor adaptor,
                                         ResultTypes &results) {
  Shape lhs = getShape(adaptor.getLhs().getType());
  Shape rhs = getShape(adaptor.getRhs().getType());
  // matmul_c1
  if (lhs.size() < 2 || rhs.size() < 2 || lhs.back() != rhs[rhs.size() - 2])
    return emitOptionalError(location, "'mm.matmul' op operands of shape ",
                             describeShape(lhs), " and ", describeShape(rhs),
                             " have no common inner dimension");
  // matmul_c2
  std::optional<Shape> shape =
      broadcastShapes(ArrayRef(lhs).drop_back(2), ArrayRef(rhs).drop_back(2));
  if (!shape)
    return emitOptionalError(location, "'mm.matmul' op leading dimensions of ",
                             describeShape(lhs), " and ", describeShape(rhs),
                             " do not broadcast");
  shape->push_back(lhs[lhs.size() - 2]);
  shape->push_back(rhs.back());
  results.push_back(
      makeTensorType(*shape, tensorType(adaptor.getLhs()).getElementType()));
  return success();
}

LogicalResult LinearOp::inferReturnTypes(MLIRContext *,
                                         OptionalLocation location,
                                         Adaptor adaptor,
                                         ResultTypes &results) {
  Shape input = getShape(adaptor.getInput().getType());
  Shape weight = getShape(adaptor.getWeight().getType());
  // linear_c1
  if (input.empty() || weight.size() != 2 || input.back() != weight[0])
    return emitOptionalError(location, "'mm.linear' op input ",
                             describeShape(input), " does not fit weight ",
                             describeShape(weight), ", which is [in, out]");
  // linear_c2
  if (Value bias = adaptor.getBias()) {
    Shape shape = getShape(bias.getType());
    if (shape.size() != 1 || shape[0] != weight[1])
      return emitOptionalError(location, "'mm.linear' op bias ",
                               describeShape(shape), " must be [",
                               weight[1].str(), "]");
  }
  // linear_c3
  Type element = tensorType(adaptor.getInput()).getElementType();
  Type narrow = tensorType(adaptor.getWeight()).getElementType();
  if (narrow != element &&
      !(element.isF32() && (narrow.isF16() || narrow.isBF16())))
    return emitOptionalError(location, "'mm.linear' op weight of ", narrow,
                             " does not go with an input of ", element);
  // linear_c4
  if (adaptor.getWide() &&
      !(narrow == element && (element.isF16() || element.isBF16())))
    return emitOptionalError(
        location, "'mm.linear' op is wide with an input of ", element);
  input.back() = weight[1];
  if (adaptor.getWide())
    element = Float32Type::get(element.getContext());
  results.push_back(makeTensorType(input, element));
  return success();
}

//===----------------------------------------------------------------------===//
// Normalisation
//===----------------------------------------------------------------------===//

/// Scale and offset of a norm must broadcast to what is normalised.
static LogicalResult checkParameter(OptionalLocation location, StringRef op,
                                    StringRef which, Value parameter,
                                    ArrayRef<Dim> target) {
  if (!parameter)
    return success();
  Shape shape = getShape(parameter.getType());
  if (broadcastsTo(shape, target))
    return success();
  return emitOptionalError(location, "'mm.", op, "' op ", which, " ",
                           describeShape(shape), " does not broadcast to ",
                           describeShape(target));
}

LogicalResult BatchNormOp::inferReturnTypes(MLIRContext *,
                                            OptionalLocation location,
                                            Adaptor adaptor,
                                            ResultTypes &results) {
  Shape input = getShape(adaptor.getInput().getType());
  // batch_norm_c1
  if (input.size() < 2)
    return emitOptionalError(location,
                             "'mm.batch_norm' op input needs two dimensions");
  // batch_norm_c2
  for (Value parameter : adaptor.getOperands().drop_front()) {
    Shape shape = getShape(parameter.getType());
    if (shape.size() != 1 || shape[0] != input[1])
      return emitOptionalError(location, "'mm.batch_norm' op parameter ",
                               describeShape(shape), " must be [",
                               input[1].str(), "]");
  }
  results.push_back(adaptor.getInput().getType());
  return success();
}

LogicalResult LayerNormOp::inferReturnTypes(MLIRContext *,
                                            OptionalLocation location,
                                            Adaptor adaptor,
                                            ResultTypes &results) {
  Shape input = getShape(adaptor.getInput().getType());
  int64_t axis = adaptor.getAxis();
  // layer_norm_c1
  if (failed(checkAxis(location, "layer_norm", axis, input.size())))
    return failure();
  // layer_norm_c2
  ArrayRef<Dim> normalised = ArrayRef(input).drop_front(axis);
  if (failed(checkParameter(location, "layer_norm", "scale", adaptor.getScale(),
                            normalised)) ||
      failed(checkParameter(location, "layer_norm", "offset",
                            adaptor.getOffset(), normalised)))
    return failure();
  results.push_back(adaptor.getInput().getType());
  return success();
}

LogicalResult RmsNormOp::inferReturnTypes(MLIRContext *,
                                          OptionalLocation location,
                                          Adaptor adaptor,
                                          ResultTypes &results) {
  Shape input = getShape(adaptor.getInput().getType());
  int64_t axis = adaptor.getAxis();
  // rms_norm_c1, rms_norm_c2
  if (failed(checkAxis(location, "rms_norm", axis, input.size())) ||
      failed(checkParameter(location, "rms_norm", "scale", adaptor.getScale(),
                            ArrayRef(input).drop_front(axis))))
    return failure();
  results.push_back(adaptor.getInput().getType());
  return success();
}

LogicalResult GroupNormOp::inferReturnTypes(MLIRContext *,
                                            OptionalLocation location,
                                            Adaptor adaptor,
                                            ResultTypes &results) {
  Shape input = getShape(adaptor.getInput().getType());
  int64_t groups = adaptor.getGroups();
  // group_norm_c1
  std::optional<int64_t> channels =
      input.size() < 2 ? std::nullopt : input[1].getConstant();
  if (!channels || groups < 1 || *channels % groups != 0)
    return emitOptionalError(
        location, "'mm.group_norm' op channels (dimension 1 of ",
        describeShape(input), ") must be a multiple of ", groups, " groups");
  // group_norm_c2
  for (Value parameter : {adaptor.getScale(), adaptor.getOffset()}) {
    if (!parameter)
      continue;
    Shape shape = getShape(parameter.getType());
    if (shape.size() != 1 || shape[0] != input[1])
      return emitOptionalError(location, "'mm.group_norm' op parameter ",
                               describeShape(shape), " must be [",
                               input[1].str(), "]");
  }
  results.push_back(adaptor.getInput().getType());
  return success();
}

LogicalResult SoftmaxOp::inferReturnTypes(MLIRContext *,
                                          OptionalLocation location,
                                          Adaptor adaptor,
                                          ResultTypes &results) {
  RankedTensorType type = tensorType(adaptor.getInput());
  // softmax_c1
  if (failed(checkAxis(location, "softmax", adaptor.getAxis(), type.getRank())))
    return failure();
  results.push_back(type);
  return success();
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

LogicalResult SimilarityOp::inferReturnTypes(MLIRContext *,
                                             OptionalLocation location,
                                             Adaptor adaptor,
                                             ResultTypes &results) {
  Shape lhs = getShape(adaptor.getLhs().getType());
  Shape rhs = getShape(adaptor.getRhs().getType());
  // similarity_c1
  Type element = tensorType(adaptor.getLhs()).getElementType();
  if (lhs.size() != 2 || rhs.size() != 2 || lhs[1] != rhs[1] ||
      !lhs[1].getConstant() || !element.isF32() ||
      tensorType(adaptor.getRhs()).getElementType() != element)
    return emitOptionalError(location, "'mm.similarity' op rows ",
                             describeShape(lhs), " and ", describeShape(rhs),
                             " must be f32 [rows, dim] with one static dim");
  // similarity_c2
  if (!(adaptor.getLhsEpsilon().convertToDouble() >= 0) ||
      !(adaptor.getRhsEpsilon().convertToDouble() >= 0))
    return emitOptionalError(location,
                             "'mm.similarity' op epsilon is negative");
  results.push_back(makeTensorType({lhs[0], rhs[0]}, element));
  return success();
}

LogicalResult RetrieveOp::inferReturnTypes(MLIRContext *context,
                                           OptionalLocation location,
                                           Adaptor adaptor,
                                           ResultTypes &results) {
  Shape input = getShape(adaptor.getInput().getType());
  Shape weight = getShape(adaptor.getWeight().getType());
  // retrieve_c1
  Type element = tensorType(adaptor.getInput()).getElementType();
  std::optional<int64_t> columns =
      weight.size() == 2 ? weight[1].getConstant() : std::nullopt;
  if (input.size() != 2 || !columns || *columns >= (int64_t(1) << 24) - 1 ||
      input[1] != weight[0] || !element.isF32() ||
      tensorType(adaptor.getWeight()).getElementType() != element)
    return emitOptionalError(location, "'mm.retrieve' op input ",
                             describeShape(input), " and weight ",
                             describeShape(weight),
                             " must be f32 [rows, dim] and [dim, n]");
  // retrieve_c2
  int64_t k = adaptor.getK();
  if (k < 1 || k > *columns)
    return emitOptionalError(location, "'mm.retrieve' op cannot give ", k,
                             " of ", *columns, " columns");
  results.push_back(makeTensorType(
      {Dim::constant(context, 2), input[0], Dim::constant(context, k)},
      element));
  return success();
}

LogicalResult AttentionOp::inferReturnTypes(MLIRContext *,
                                            OptionalLocation location,
                                            Adaptor adaptor,
                                            ResultTypes &results) {
  Shape query = getShape(adaptor.getQuery().getType());
  Shape key = getShape(adaptor.getKey().getType());
  Shape value = getShape(adaptor.getValue().getType());
  // attention_c1
  bool agrees = query.size() == 4 && key.size() == 4 && value.size() == 4 &&
                query[0] == key[0] && query[0] == value[0] &&
                key[1] == value[1] && key[2] == value[2] && query[3] == key[3];
  if (!agrees)
    return emitOptionalError(
        location, "'mm.attention' op query ", describeShape(query), ", key ",
        describeShape(key), " and value ", describeShape(value), " do not fit");
  // attention_c2
  std::optional<int64_t> heads = query[1].getConstant();
  std::optional<int64_t> kvHeads = key[1].getConstant();
  bool multiple = heads && kvHeads && *kvHeads > 0 ? *heads % *kvHeads == 0
                                                   : query[1] == key[1];
  if (!multiple)
    return emitOptionalError(location, "'mm.attention' op ", query[1].str(),
                             " heads are no multiple of ", key[1].str(),
                             " kv_heads");
  // attention_c3
  if (Value mask = adaptor.getMask()) {
    Shape shape = getShape(mask.getType());
    Dim pairs[] = {query[0], query[1], query[2], key[2]};
    if (!broadcastsTo(shape, pairs))
      return emitOptionalError(location, "'mm.attention' op mask ",
                               describeShape(shape), " does not broadcast to ",
                               describeShape(pairs));
  }
  // attention_c4
  int64_t window = adaptor.getWindow(), stride = adaptor.getStride();
  if (window < 0 || stride < 0 || stride == 1 || (stride > 0 && window == 0) ||
      (adaptor.getCausal() && int64_t(adaptor.getAhead()) >= 0))
    return emitOptionalError(location, "'mm.attention' op window ", window,
                             ", ahead ", int64_t(adaptor.getAhead()),
                             " and stride ", stride, " make no pattern");
  // attention_c5
  if (Value spans = adaptor.getSpans()) {
    Shape shape = getShape(spans.getType());
    if (!tensorType(spans).getElementType().isSignlessInteger(32) ||
        shape.size() != 3 || shape[0] != query[2].ceilDiv(64) ||
        !shape[2].isConstant(3) || window > 0)
      return emitOptionalError(location, "'mm.attention' op spans ",
                               describeShape(shape),
                               " must be i32 [ceil(q_tokens / 64), n, 3], "
                               "without a window");
  }
  // attention_c6
  StringRef arithmetic = adaptor.getArithmetic();
  Type element = tensorType(adaptor.getQuery()).getElementType();
  bool isNarrow = (arithmetic == "bf16" && element.isBF16()) ||
                  (arithmetic == "f16" && element.isF16());
  if (arithmetic != "f32" && !isNarrow &&
      (!element.isF32() ||
       (arithmetic != "bf16" && arithmetic != "f16" && arithmetic != "i8")))
    return emitOptionalError(location, "'mm.attention' op arithmetic '",
                             arithmetic,
                             "' is none of f32, and for f32 bf16, f16 and i8, "
                             "for bf16 and f16 their own");
  for (Value operand : {adaptor.getKey(), adaptor.getValue()})
    if (tensorType(operand).getElementType() != element)
      return emitOptionalError(location, "'mm.attention' op query of ", element,
                               " does not fit key and value of ",
                               tensorType(operand).getElementType());
  Dim result[] = {query[0], query[1], query[2], value[3]};
  Type sums = isNarrow ? Float32Type::get(element.getContext()) : element;
  results.push_back(makeTensorType(result, sums));
  return success();
}

LogicalResult RopeOp::inferReturnTypes(MLIRContext *, OptionalLocation location,
                                       Adaptor adaptor, ResultTypes &results) {
  Shape input = getShape(adaptor.getInput().getType());
  int64_t rotary = adaptor.getRotaryDim();
  // rope_c1
  std::optional<int64_t> width =
      input.empty() ? std::nullopt : input.back().getConstant();
  if (!width || rotary < 2 || rotary % 2 != 0 || rotary > *width)
    return emitOptionalError(location, "'mm.rope' op rotary_dim ", rotary,
                             " must be even and fit the last dimension of ",
                             describeShape(input));
  // rope_c2
  Shape rotated = input;
  rotated.back() =
      Dim::constant(input.back().getContext(),
                    adaptor.getInterleaved() ? rotary / 2 : rotary);
  if (failed(
          checkParameter(location, "rope", "cos", adaptor.getCos(), rotated)) ||
      failed(
          checkParameter(location, "rope", "sin", adaptor.getSin(), rotated)))
    return failure();
  results.push_back(adaptor.getInput().getType());
  return success();
}
