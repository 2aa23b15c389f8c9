//===- MathOps.cpp - Elementwise maths and reductions: types --------------===//

#include "dialects/mm/Inference.h"

using namespace mlir;
using namespace mmcc::mm;

static Type elementOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementType();
}

/// Two operands of one element type.
static LogicalResult checkSameElements(OptionalLocation location, StringRef op,
                                       Value a, Value b) {
  if (elementOf(a) == elementOf(b))
    return success();
  return emitOptionalError(location, "'mm.", op, "' op operands of ",
                           elementOf(a), " and ", elementOf(b),
                           " elements differ in type");
}

//===----------------------------------------------------------------------===//
// One operand: the result has its type
//===----------------------------------------------------------------------===//

#define MMCC_SAME_TYPE(OP)                                                     \
  LogicalResult OP::inferReturnTypes(MLIRContext *, OptionalLocation,          \
                                     Adaptor adaptor, ResultTypes &results) {  \
    results.push_back(adaptor.getInput().getType());                           \
    return success();                                                          \
  }
MMCC_SAME_TYPE(AbsOp)
MMCC_SAME_TYPE(NegOp)
MMCC_SAME_TYPE(ExpOp)
MMCC_SAME_TYPE(LogOp)
MMCC_SAME_TYPE(SqrtOp)
MMCC_SAME_TYPE(RsqrtOp)
MMCC_SAME_TYPE(ReciprocalOp)
MMCC_SAME_TYPE(ErfOp)
MMCC_SAME_TYPE(SinOp)
MMCC_SAME_TYPE(CosOp)
MMCC_SAME_TYPE(TanOp)
MMCC_SAME_TYPE(AsinOp)
MMCC_SAME_TYPE(AcosOp)
MMCC_SAME_TYPE(AtanOp)
MMCC_SAME_TYPE(SinhOp)
MMCC_SAME_TYPE(CoshOp)
MMCC_SAME_TYPE(TanhOp)
MMCC_SAME_TYPE(AsinhOp)
MMCC_SAME_TYPE(AcoshOp)
MMCC_SAME_TYPE(AtanhOp)
MMCC_SAME_TYPE(SigmoidOp)
MMCC_SAME_TYPE(ReluOp)
MMCC_SAME_TYPE(SiluOp)
MMCC_SAME_TYPE(CeilOp)
MMCC_SAME_TYPE(FloorOp)
MMCC_SAME_TYPE(RoundOp)
MMCC_SAME_TYPE(SignOp)
MMCC_SAME_TYPE(NotOp)
MMCC_SAME_TYPE(GeluOp)
#undef MMCC_SAME_TYPE

#define MMCC_PREDICATE(OP)                                                     \
  LogicalResult OP::inferReturnTypes(MLIRContext *context, OptionalLocation,   \
                                     Adaptor adaptor, ResultTypes &results) {  \
    auto type = cast<RankedTensorType>(adaptor.getInput().getType());          \
    results.push_back(type.clone(IntegerType::get(context, 1)));               \
    return success();                                                          \
  }
MMCC_PREDICATE(IsNaNOp)
MMCC_PREDICATE(IsInfOp)
#undef MMCC_PREDICATE

//===----------------------------------------------------------------------===//
// Two operands, broadcast
//===----------------------------------------------------------------------===//

#define MMCC_BROADCAST(OP, NAME)                                               \
  LogicalResult OP::inferReturnTypes(MLIRContext *, OptionalLocation location, \
                                     Adaptor adaptor, ResultTypes &results) {  \
    if (failed(checkSameElements(location, NAME, adaptor.getLhs(),             \
                                 adaptor.getRhs())))                           \
      return failure();                                                        \
    return inferElementwise(location, NAME, adaptor.getOperands(),             \
                            elementOf(adaptor.getLhs()), results);             \
  }
MMCC_BROADCAST(AddOp, "add")
MMCC_BROADCAST(SubOp, "sub")
MMCC_BROADCAST(MulOp, "mul")
MMCC_BROADCAST(DivOp, "div")
MMCC_BROADCAST(ModOp, "mod")
MMCC_BROADCAST(FModOp, "fmod")
MMCC_BROADCAST(MaxOp, "max")
MMCC_BROADCAST(MinOp, "min")
MMCC_BROADCAST(AndOp, "and")
MMCC_BROADCAST(OrOp, "or")
MMCC_BROADCAST(XorOp, "xor")
MMCC_BROADCAST(ShlOp, "shl")
MMCC_BROADCAST(ShrOp, "shr")
#undef MMCC_BROADCAST

// The exponent may be of another type than the base.
LogicalResult PowOp::inferReturnTypes(MLIRContext *, OptionalLocation location,
                                      Adaptor adaptor, ResultTypes &results) {
  return inferElementwise(location, "pow", adaptor.getOperands(),
                          elementOf(adaptor.getLhs()), results);
}

LogicalResult CompareOp::inferReturnTypes(MLIRContext *context,
                                          OptionalLocation location,
                                          Adaptor adaptor,
                                          ResultTypes &results) {
  if (failed(checkSameElements(location, "compare", adaptor.getLhs(),
                               adaptor.getRhs())))
    return failure();
  return inferElementwise(location, "compare", adaptor.getOperands(),
                          IntegerType::get(context, 1), results);
}

LogicalResult SelectOp::inferReturnTypes(MLIRContext *,
                                         OptionalLocation location,
                                         Adaptor adaptor,
                                         ResultTypes &results) {
  if (failed(checkSameElements(location, "select", adaptor.getOnTrue(),
                               adaptor.getOnFalse())))
    return failure();
  return inferElementwise(location, "select", adaptor.getOperands(),
                          elementOf(adaptor.getOnTrue()), results);
}

LogicalResult CastOp::verify() {
  // cast_c1
  Shape from = getShape(getInput().getType());
  Shape to = getShape(getResult().getType());
  if (from != to)
    return emitOpError("changes the shape from ")
           << describeShape(from) << " to " << describeShape(to);
  return success();
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

LogicalResult ReduceOp::inferReturnTypes(MLIRContext *context,
                                         OptionalLocation location,
                                         Adaptor adaptor,
                                         ResultTypes &results) {
  auto type = cast<RankedTensorType>(adaptor.getInput().getType());
  ArrayRef<int64_t> axes = adaptor.getAxes();
  // reduce_c1
  int64_t previous = -1;
  for (int64_t axis : axes) {
    if (axis <= previous || axis >= type.getRank())
      return emitOptionalError(location, "'mm.reduce' op axes [", axes,
                               "] must be sorted, distinct and in [0, ",
                               type.getRank(), ")");
    previous = axis;
  }
  Shape shape;
  for (auto [index, dim] : llvm::enumerate(getShape(type))) {
    if (!llvm::is_contained(axes, static_cast<int64_t>(index)))
      shape.push_back(dim);
    else if (adaptor.getKeep())
      shape.push_back(Dim::constant(context, 1));
  }
  results.push_back(makeTensorType(shape, type.getElementType()));
  return success();
}

LogicalResult ArgReduceOp::inferReturnTypes(MLIRContext *context,
                                            OptionalLocation location,
                                            Adaptor adaptor,
                                            ResultTypes &results) {
  auto type = cast<RankedTensorType>(adaptor.getInput().getType());
  int64_t axis = adaptor.getAxis();
  // arg_reduce_c1
  if (failed(checkAxis(location, "arg_reduce", axis, type.getRank())))
    return failure();
  Shape shape = getShape(type);
  if (adaptor.getKeep())
    shape[axis] = Dim::constant(context, 1);
  else
    shape.erase(shape.begin() + axis);
  results.push_back(makeTensorType(shape, IntegerType::get(context, 64)));
  return success();
}
