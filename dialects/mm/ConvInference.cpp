//===- ConvInference.cpp - Convolution and pooling: types -----------------===//

#include "dialects/mm/Inference.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mmcc::mm;

/// The window's attributes: one stride and dilation (at least 1) a spatial
/// dimension, two pads.
static LogicalResult checkWindow(OptionalLocation location, StringRef op,
                                 int64_t spatial, ArrayRef<int64_t> strides,
                                 ArrayRef<int64_t> pads,
                                 ArrayRef<int64_t> dilations) {
  auto positive = [](int64_t value) { return value > 0; };
  int64_t counts[] = {static_cast<int64_t>(strides.size()),
                      static_cast<int64_t>(dilations.size())};
  if (counts[0] != spatial || counts[1] != spatial ||
      static_cast<int64_t>(pads.size()) != 2 * spatial)
    return emitOptionalError(location, "'mm.", op, "' op needs ", spatial,
                             " strides and dilations and ", 2 * spatial,
                             " pads");
  if (!llvm::all_of(strides, positive) || !llvm::all_of(dilations, positive))
    return emitOptionalError(location, "'mm.", op,
                             "' op strides and dilations must be positive");
  return success();
}

static LogicalResult checkBias(OptionalLocation location, StringRef op,
                               Value bias, const Dim &channels) {
  if (!bias)
    return success();
  Shape shape = getShape(bias.getType());
  if (shape.size() == 1 && shape[0] == channels)
    return success();
  return emitOptionalError(location, "'mm.", op, "' op bias ",
                           describeShape(shape), " must be [", channels.str(),
                           "]");
}

LogicalResult ConvOp::inferReturnTypes(MLIRContext *, OptionalLocation location,
                                       Adaptor adaptor, ResultTypes &results) {
  auto type = cast<RankedTensorType>(adaptor.getInput().getType());
  Shape input = getShape(type);
  Shape weight = getShape(adaptor.getWeight().getType());
  int64_t rank = input.size();
  // conv_c1
  if (rank < 3 || static_cast<int64_t>(weight.size()) != rank)
    return emitOptionalError(
        location, "'mm.conv' op input ", describeShape(input), " and weight ",
        describeShape(weight), " must have one rank, at least 3");
  // conv_c2
  int64_t groups = adaptor.getGroups();
  int64_t channelAxis = adaptor.getChannelsLast() ? rank - 1 : 1;
  std::optional<int64_t> filters = weight[0].getConstant();
  if (groups < 1 || weight[1] * groups != input[channelAxis] || !filters ||
      *filters % groups != 0)
    return emitOptionalError(
        location, "'mm.conv' op input ", describeShape(input), " and weight ",
        describeShape(weight), " do not fit ", groups, " groups");
  // conv_c3
  int64_t spatial = rank - 2;
  if (failed(checkWindow(location, "conv", spatial, adaptor.getStrides(),
                         adaptor.getPads(), adaptor.getDilations())))
    return failure();
  // conv_c4
  if (failed(checkBias(location, "conv", adaptor.getBias(), weight[0])))
    return failure();
  int64_t firstSpatial = adaptor.getChannelsLast() ? 1 : 2;
  Shape shape = input;
  shape[channelAxis] = weight[0];
  for (int64_t i = 0; i < spatial; ++i) {
    // The last position of the window is the first at which it still fits.
    Dim reach = (weight[2 + i] - 1) * adaptor.getDilations()[i];
    Dim room = input[firstSpatial + i] + adaptor.getPads()[i] +
               adaptor.getPads()[spatial + i] - reach - 1;
    shape[firstSpatial + i] = room.floorDiv(adaptor.getStrides()[i]) + 1;
    std::optional<int64_t> size = shape[firstSpatial + i].getConstant();
    // conv_c5
    if (size && *size < 0)
      return emitOptionalError(location,
                               "'mm.conv' op kernel is larger than "
                               "the padded input in spatial "
                               "dimension ",
                               i);
  }
  // conv_c6
  StringRef arithmetic = adaptor.getArithmetic();
  Type element = type.getElementType();
  Type filter = getElementTypeOrSelf(adaptor.getWeight());
  if (arithmetic != "f32" && !(arithmetic == "bf16" && filter.isF32() &&
                               (element.isF32() || element.isBF16())))
    return emitOptionalError(location, "'mm.conv' op arithmetic '", arithmetic,
                             "' is neither f32 nor, for f32, bf16");
  results.push_back(
      makeTensorType(shape, arithmetic == "bf16" ? filter : element));
  return success();
}

LogicalResult ConvTransposeOp::verify() {
  Shape input = getShape(getInput().getType());
  Shape weight = getShape(getWeight().getType());
  Shape result = getShape(getResult().getType());
  // conv_transpose_c1
  if (input.size() < 3 || weight.size() != input.size() ||
      result.size() != input.size())
    return emitOpError("input, weight and result must have one rank, at "
                       "least 3");
  // conv_transpose_c2
  int64_t groups = getGroups();
  std::optional<int64_t> channels = input[1].getConstant();
  if (groups < 1 || input[1] != weight[0] || !channels ||
      *channels % groups != 0 || result[1] != weight[1] * groups ||
      result[0] != input[0])
    return emitOpError("input ")
           << describeShape(input) << ", weight " << describeShape(weight)
           << " and result " << describeShape(result) << " do not fit "
           << groups << " groups";
  // conv_transpose_c3
  if (failed(checkWindow(getLoc(), "conv_transpose", input.size() - 2,
                         getStrides(), getPads(), getDilations())))
    return failure();
  // conv_transpose_c4
  return checkBias(getLoc(), "conv_transpose", getBias(), result[1]);
}

LogicalResult PoolOp::verify() {
  Shape input = getShape(getInput().getType());
  Shape result = getShape(getResult().getType());
  // pool_c1
  if (input.size() < 3 || result.size() != input.size())
    return emitOpError("input and result must have one rank, at least 3");
  // pool_c2
  size_t channelAxis = getChannelsLast() ? input.size() - 1 : 1;
  if (result[0] != input[0] || result[channelAxis] != input[channelAxis])
    return emitOpError("input ")
           << describeShape(input) << " and result " << describeShape(result)
           << " differ in batch or channels";
  // pool_c3
  if (getKernel().size() != input.size() - 2 ||
      llvm::any_of(getKernel(), [](int64_t size) { return size < 1; }))
    return emitOpError("kernel needs one positive size a spatial dimension");
  return checkWindow(getLoc(), "pool", input.size() - 2, getStrides(),
                     getPads(), getDilations());
}
