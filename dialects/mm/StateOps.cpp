//===- StateOps.cpp - What outlives a call: types -------------------------===//

#include "dialects/mm/Inference.h"

using namespace mlir;
using namespace mmcc::mm;

LogicalResult StateAppendOp::inferReturnTypes(MLIRContext *context,
                                              OptionalLocation location,
                                              Adaptor adaptor,
                                              ResultTypes &results) {
  auto type = cast<RankedTensorType>(adaptor.getRows().getType());
  Shape shape = getShape(type);
  // state_append_c1
  if (shape.size() != 4 || !type.getElementType().isF32() ||
      !shape[1].getConstant() || !shape[3].getConstant())
    return emitOptionalError(location, "'mm.state_append' op rows ",
                             describeShape(shape),
                             " must be f32 [batch, heads, tokens, dim] with "
                             "static heads and dim");
  // state_append_c2
  DimsAttr length = adaptor.getLength();
  if (length.size() != 1)
    return emitOptionalError(location, "'mm.state_append' op length has ",
                             length.size(), " sizes instead of one");
  // state_append_c3
  Type stored = adaptor.getStored();
  if (!stored.isF32() && !stored.isF16() && !stored.isSignlessInteger(8) &&
      !isa<Float8E4M3FNType>(stored))
    return emitOptionalError(location, "'mm.state_append' op keeps ", stored,
                             " instead of f32, f16, i8 or f8E4M3FN");
  shape[2] = length.getDim(0) + shape[2];
  results.push_back(makeTensorType(shape, type.getElementType()));
  return success();
}
