//===- Inference.cpp - Shape arithmetic shared by the op families ---------===//

#include "dialects/mm/Inference.h"

using namespace mlir;

namespace mmcc::mm {

std::string describeShape(ArrayRef<Dim> shape) {
  std::string text = "[";
  for (auto [index, dim] : llvm::enumerate(shape))
    text += (index ? ", " : "") + dim.str();
  return text + "]";
}

LogicalResult inferElementwise(OptionalLocation location, StringRef op,
                               ValueRange operands, Type elementType,
                               ResultTypes &results) {
  Shape shape;
  for (Value operand : operands) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    if (!type)
      return emitOptionalError(location, "'mm.", op,
                               "' op needs ranked tensors");
    Shape next = getShape(type);
    std::optional<Shape> joined = broadcastShapes(shape, next);
    if (!joined)
      return emitOptionalError(location, "'mm.", op, "' op operands of shape ",
                               describeShape(shape), " and ",
                               describeShape(next), " do not broadcast");
    shape = std::move(*joined);
  }
  results.push_back(makeTensorType(shape, elementType));
  return success();
}

LogicalResult checkAxis(OptionalLocation location, StringRef op, int64_t axis,
                        int64_t rank) {
  if (axis >= 0 && axis < rank)
    return success();
  return emitOptionalError(location, "'mm.", op, "' op axis ", axis,
                           " is outside [0, ", rank, ")");
}

bool broadcastsTo(ArrayRef<Dim> shape, ArrayRef<Dim> target) {
  if (shape.size() > target.size())
    return false;
  ArrayRef<Dim> aligned = target.take_back(shape.size());
  for (auto [have, want] : llvm::zip_equal(shape, aligned))
    if (!have.isConstant(1) && have != want)
      return false;
  return true;
}

bool sameElementCount(ArrayRef<Dim> a, ArrayRef<Dim> b) {
  SmallVector<Dim> left(a.begin(), a.end()), right;
  // An empty tensor stays empty whatever its other dimensions.
  auto isZero = [](const Dim &dim) { return dim.isConstant(0); };
  if (llvm::any_of(a, isZero) || llvm::any_of(b, isZero))
    return llvm::any_of(a, isZero) && llvm::any_of(b, isZero);
  for (const Dim &dim : b) {
    auto *match = llvm::find(left, dim);
    if (match != left.end())
      left.erase(match);
    else
      right.push_back(dim);
  }
  if (left.empty() && right.empty())
    return true;
  MLIRContext *context =
      a.empty() ? b.front().getContext() : a.front().getContext();
  return product(context, left) == product(context, right);
}

} // namespace mmcc::mm
