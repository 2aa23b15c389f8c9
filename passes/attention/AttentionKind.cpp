//===- AttentionKind.cpp - What an attention is, for people ---------------===//

#include "passes/attention/AttentionKind.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace mmcc {

/// How many rows of tokens the queries come in: of the product that makes them,
/// whose windows may stand among the batch or among the heads by now.
static mm::Dim getRows(mm::AttentionOp op, const mm::Shape &query) {
  Operation *behind = op.getQuery().getDefiningOp();
  while (behind &&
         isa<mm::ReshapeOp, mm::TransposeOp, mm::SliceOp, mm::RopeOp>(behind))
    behind = behind->getOperand(0).getDefiningOp();
  if (!isa_and_nonnull<mm::LinearOp>(behind))
    return query[0];
  mm::Shape shape = mm::getShape(behind->getResult(0).getType());
  mm::Dim tokens =
      mm::product(op.getContext(), llvm::ArrayRef<mm::Dim>(shape).drop_back());
  return tokens.exactDiv(query[2]).value_or(query[0]);
}

/// Whether rows are groups within an input, windows of a grid, say: there are
/// more of them than there are rows in any input.
static bool isInGroups(mm::AttentionOp op, const mm::Dim &rows) {
  auto func = op->getParentOfType<func::FuncOp>();
  if (!func || rows.isConstant(1))
    return false;
  return llvm::none_of(func.getArgumentTypes(), [&](Type type) {
    mm::Shape shape = mm::getShape(type);
    return !shape.empty() && shape[0] == rows;
  });
}

/// Whether its keys are an input's, joined with new ones along the tokens.
static bool isCached(mm::AttentionOp op) {
  Operation *behind = op.getKey().getDefiningOp();
  while (behind && isa<mm::ReshapeOp, mm::TransposeOp, mm::BroadcastOp>(behind))
    behind = behind->getOperand(0).getDefiningOp();
  return isa_and_nonnull<mm::ConcatOp>(behind) &&
         llvm::any_of(behind->getOperands(),
                      [](Value joined) { return isa<BlockArgument>(joined); });
}

AttentionKind getKind(mm::AttentionOp op) {
  mm::Shape query = mm::getShape(op.getQuery().getType());
  mm::Shape key = mm::getShape(op.getKey().getType());
  mm::Dim rows = getRows(op, query);
  AttentionKind result;
  result.kind = op.getStride()   ? "sparse"
                : op.getWindow() ? "sliding"
                : op.getSpans()  ? "blocks"
                : op.getCausal() ? "causal"
                : query[2] == key[2]
                    ? (isInGroups(op, rows) ? "windowed" : "full")
                : isCached(op) ? "cached"
                               : "cross";
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
  bool windowed = result.kind == "windowed";
  auto headsOf = [&](const mm::Shape &shape) {
    return (shape[0] * shape[1]).exactDiv(rows).value_or(shape[1]);
  };
  result.rows = windowed ? rows : query[0];
  result.heads = windowed ? headsOf(query) : query[1];
  result.keyHeads = windowed ? headsOf(key) : key[1];
  if (windowed)
    size = rows.str() + " windows of ";
  size += result.heads.str() + " heads";
  if (result.keyHeads != result.heads)
    size += " on " + result.keyHeads.str();
  size += ", " + query[2].str() + " x " + key[2].str() + " tokens of " +
          query[3].str();
  return result;
}

} // namespace mmcc
