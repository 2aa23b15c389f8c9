//===- AttentionKind.cpp - What an attention is, for people ---------------===//

#include "passes/attention/AttentionKind.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace mmcc {

/// Whether it attends in groups of its own, windows of a grid, say: there are
/// more of them than there are rows in any input.
static bool isInGroups(mm::AttentionOp op, const mm::Shape &query) {
  auto func = op->getParentOfType<func::FuncOp>();
  if (!func || query[0].isConstant(1))
    return false;
  return llvm::none_of(func.getArgumentTypes(), [&](Type type) {
    mm::Shape shape = mm::getShape(type);
    return !shape.empty() && shape[0] == query[0];
  });
}

AttentionKind getKind(mm::AttentionOp op) {
  mm::Shape query = mm::getShape(op.getQuery().getType());
  mm::Shape key = mm::getShape(op.getKey().getType());
  AttentionKind result;
  result.kind = op.getStride()          ? "sparse"
                : op.getWindow()        ? "sliding"
                : op.getSpans()         ? "blocks"
                : op.getCausal()        ? "causal"
                : query[2] != key[2]    ? "cross"
                : isInGroups(op, query) ? "windowed"
                                        : "full";
  std::string &limits = result.limits;
  if (op.getWindow())
    limits += ", window " + std::to_string(op.getWindow());
  if (int64_t(op.getAhead()) > 0)
    limits += " and " + std::to_string(op.getAhead()) + " ahead";
  if (op.getStride())
    limits += ", every " + std::to_string(op.getStride()) + "th key";
  if (op.getCausal() && (op.getWindow() || op.getSpans()))
    limits += ", causal";
  if (Value mask = op.getMask())
    limits +=
        cast<RankedTensorType>(mask.getType()).getElementType().isInteger(1)
            ? ", a mask"
            : ", a bias";
  std::string &size = result.size;
  if (result.kind == "windowed")
    size = query[0].str() + " windows of ";
  size += query[1].str() + " heads";
  if (key[1] != query[1])
    size += " on " + key[1].str();
  size += ", " + query[2].str() + " x " + key[2].str() + " tokens of " +
          query[3].str();
  return result;
}

} // namespace mmcc
