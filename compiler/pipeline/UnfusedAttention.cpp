//===- UnfusedAttention.cpp - What ----------------------------------------===//

#include "compiler/pipeline/UnfusedAttention.h"
#include "dialects/mm/MM.h"

using namespace mmcc;
using namespace mlir;

/// Operations that attention may have between its products.
static bool isBetween(Operation *op) {
  return op->hasTrait<mm::Elementwise>() ||
         isa<mm::CastOp, mm::ReshapeOp, mm::TransposeOp, mm::BroadcastOp,
             mm::SoftmaxOp>(op);
}

static bool comesFromProduct(Value value, int depth = 0) {
  Operation *op = value.getDefiningOp();
  if (!op || depth > 16)
    return false;
  if (isa<mm::MatmulOp>(op))
    return true;
  return isBetween(op) && llvm::any_of(op->getOperands(), [&](Value operand) {
           return comesFromProduct(operand, depth + 1);
         });
}

static bool feedsProduct(Value value, int depth = 0) {
  return depth <= 16 && llvm::any_of(value.getUsers(), [&](Operation *user) {
           return isa<mm::MatmulOp>(user) ||
                  (isBetween(user) &&
                   feedsProduct(user->getResult(0), depth + 1));
         });
}

LogicalResult mmcc::checkAttentionIsFused(ModuleOp module) {
  bool fused = true;
  module.walk([&](mm::SoftmaxOp op) {
    if (!comesFromProduct(op.getInput()) || !feedsProduct(op.getResult()))
      return;
    op.emitError("attention was not recognised (--strict)");
    fused = false;
  });
  return success(fused);
}
