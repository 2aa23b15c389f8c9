//===- TokenOps.cpp - Merging and choosing of tokens: types ---------------===//

#include "dialects/mm/Inference.h"

using namespace mlir;
using namespace mmcc::mm;

LogicalResult MatchTokensOp::inferReturnTypes(MLIRContext *context,
                                              OptionalLocation location,
                                              Adaptor adaptor,
                                              ResultTypes &results) {
  auto type = cast<RankedTensorType>(adaptor.getMetric().getType());
  Shape shape = getShape(type);
  // match_tokens_c1
  std::optional<int64_t> tokens =
      shape.size() == 3 ? shape[1].getConstant() : std::nullopt;
  if (!tokens || *tokens > int64_t(1) << 24 || !type.getElementType().isF32())
    return emitOptionalError(location, "'mm.match_tokens' op metric ",
                             describeShape(shape),
                             " must be f32 [batch, tokens, dim] with a static "
                             "number of tokens");
  // match_tokens_c2
  int64_t protect = adaptor.getProtect(), merged = adaptor.getMerged();
  if (protect < 0 || merged < 1 || merged > (*tokens - protect) / 2)
    return emitOptionalError(location, "'mm.match_tokens' op cannot merge ",
                             merged, " of ", *tokens, " tokens, ", protect,
                             " of them protected");
  results.push_back(makeTensorType(ArrayRef(shape).take_front(2),
                                   IntegerType::get(context, 64)));
  return success();
}

LogicalResult MergeTokensOp::inferReturnTypes(MLIRContext *context,
                                              OptionalLocation location,
                                              Adaptor adaptor,
                                              ResultTypes &results) {
  auto type = cast<RankedTensorType>(adaptor.getInput().getType());
  auto successorType = cast<RankedTensorType>(adaptor.getSuccessor().getType());
  Shape shape = getShape(type), successor = getShape(successorType);
  // merge_tokens_c1
  if (shape.size() < 2 || shape.size() > 3 || !type.getElementType().isF32() ||
      !successorType.getElementType().isSignlessInteger(64) ||
      successor.size() != 2 || successor[0] != shape[0] ||
      successor[1] != shape[1])
    return emitOptionalError(location, "'mm.merge_tokens' op input ",
                             describeShape(shape),
                             " must be f32 [batch, tokens, dim] or [batch, "
                             "tokens], and successor ",
                             describeShape(successor), " i64 [batch, tokens]");
  // merge_tokens_c2
  if (Value size = adaptor.getSize()) {
    Shape sizes = getShape(size.getType());
    if (!cast<RankedTensorType>(size.getType()).getElementType().isF32() ||
        sizes != successor)
      return emitOptionalError(location, "'mm.merge_tokens' op size ",
                               describeShape(sizes),
                               " must be f32 [batch, tokens]");
  }
  // merge_tokens_c3
  int64_t left = adaptor.getLeft();
  std::optional<int64_t> tokens = shape[1].getConstant();
  if (left < 1 || (tokens && left > *tokens))
    return emitOptionalError(location, "'mm.merge_tokens' op cannot leave ",
                             left, " of ", shape[1].str(), " tokens");
  shape[1] = Dim::constant(context, left);
  results.push_back(makeTensorType(shape, type.getElementType()));
  return success();
}

LogicalResult SelectTokensOp::inferReturnTypes(MLIRContext *context,
                                               OptionalLocation location,
                                               Adaptor adaptor,
                                               ResultTypes &results) {
  auto type = cast<RankedTensorType>(adaptor.getSimilarity().getType());
  Shape shape = getShape(type);
  // select_tokens_c1
  std::optional<int64_t> tokens =
      shape.size() == 3 ? shape[1].getConstant() : std::nullopt;
  if (!tokens || *tokens > int64_t(1) << 24 || shape[2] != shape[1] ||
      !type.getElementType().isF32())
    return emitOptionalError(location, "'mm.select_tokens' op similarity ",
                             describeShape(shape),
                             " must be f32 [batch, tokens, tokens] with a "
                             "static number of tokens");
  // select_tokens_c2
  int64_t keep = adaptor.getKeep();
  if (keep < 1 || keep > *tokens)
    return emitOptionalError(location, "'mm.select_tokens' op cannot keep ",
                             keep, " of ", *tokens, " tokens");
  results.push_back(makeTensorType({shape[0], Dim::constant(context, keep)},
                                   IntegerType::get(context, 64)));
  return success();
}
