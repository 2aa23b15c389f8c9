//===- MergeLinears.cpp - One product for Q, K, V or gate and up ----------===//

#include "passes/fuse/ConstantValues.h"
#include "passes/fuse/Passes.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallPtrSet.h"

namespace mmcc {
#define GEN_PASS_DEF_MERGELINEARS
#include "passes/fuse/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

/// The heavy operations that a value flows into through views, elementwise
/// maths and norms. Keys and values of different layers that share an encoder
/// output meet nowhere, and stay apart: merged, they would all be alive at
/// once.
SmallPtrSet<Operation *, 4> findMeetingPoints(Value value) {
  SmallPtrSet<Operation *, 4> points;
  SmallPtrSet<Operation *, 16> seen;
  SmallVector<Value> pending = {value};
  while (!pending.empty() && seen.size() < 64)
    for (Operation *user : pending.pop_back_val().getUsers()) {
      if (!seen.insert(user).second)
        continue;
      bool passesThrough =
          user->hasTrait<mm::Elementwise>() ||
          isa<mm::ReshapeOp, mm::TransposeOp, mm::BroadcastOp, mm::SliceOp,
              mm::ConcatOp, mm::RopeOp, mm::RmsNormOp, mm::LayerNormOp>(user);
      if (passesThrough)
        llvm::append_range(pending, user->getResults());
      else if (!user->hasTrait<OpTrait::IsTerminator>())
        points.insert(user);
    }
  return points;
}

/// Moves the operations that compute the constant `value` before `point`.
void hoistConstant(Value value, Operation *point) {
  Operation *op = value.getDefiningOp();
  if (!op || op->isBeforeInBlock(point))
    return;
  op->moveBefore(point);
  for (Value operand : op->getOperands())
    hoistConstant(operand, op);
}

bool isReturned(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) {
    return user->hasTrait<OpTrait::IsTerminator>();
  });
}

struct Candidate {
  mm::LinearOp op;
  SmallPtrSet<Operation *, 4> points;
};

struct MergeLinears : mmcc::impl::MergeLinearsBase<MergeLinears> {
  using MergeLinearsBase::MergeLinearsBase;

  void runOnOperation() override {
    for (Block &block : getOperation().getBody())
      runOnBlock(block);
  }

  void runOnBlock(Block &block) {
    llvm::MapVector<Value, SmallVector<mm::LinearOp>> byInput;
    for (auto op : block.getOps<mm::LinearOp>())
      byInput[op.getInput()].push_back(op);
    for (auto &[input, ops] : byInput) {
      if (ops.size() < 2)
        continue;
      SmallVector<Candidate> candidates;
      for (mm::LinearOp op : ops)
        if (isConstantExpression(op.getWeight()) &&
            (!op.getBias() || isConstantExpression(op.getBias())) &&
            !isReturned(op.getResult()))
          candidates.push_back({op, findMeetingPoints(op.getResult())});
      while (candidates.size() > 1)
        mergeWithFirst(candidates);
    }
  }

  /// Takes the first candidate and all that meet it out of the list, and
  /// merges them.
  void mergeWithFirst(SmallVector<Candidate> &candidates) {
    Candidate first = candidates.front();
    candidates.erase(candidates.begin());
    SmallVector<mm::LinearOp> group = {first.op};
    int64_t width = getWidth(first.op);
    Type elementType = getTensorType(first.op.getWeight()).getElementType();
    for (auto *it = candidates.begin(); it != candidates.end();) {
      bool meets = llvm::any_of(it->points, [&](Operation *point) {
        return first.points.contains(point);
      });
      if (!meets || width + getWidth(it->op) > maxWidth ||
          getTensorType(it->op.getWeight()).getElementType() != elementType) {
        ++it;
        continue;
      }
      width += getWidth(it->op);
      group.push_back(it->op);
      it = candidates.erase(it);
    }
    if (group.size() > 1)
      merge(group, width);
  }

  static int64_t getWidth(mm::LinearOp op) {
    return getTensorType(op.getWeight()).getDimSize(1);
  }

  void merge(ArrayRef<mm::LinearOp> group, int64_t width) {
    mm::LinearOp first = group.front();
    SmallVector<Location> locations;
    SmallVector<Value> weights, biases;
    OpBuilder builder(first);
    bool anyBias = llvm::any_of(
        group, [](mm::LinearOp op) { return static_cast<bool>(op.getBias()); });
    for (mm::LinearOp op : group) {
      locations.push_back(op.getLoc());
      hoistConstant(op.getWeight(), first);
      weights.push_back(op.getWeight());
      if (!anyBias)
        continue;
      if (op.getBias())
        hoistConstant(op.getBias(), first);
      biases.push_back(op.getBias() ? op.getBias() : makeZeros(builder, op));
    }
    Location loc = builder.getFusedLoc(locations);
    Value weight = builder.create<mm::ConcatOp>(loc, weights, 1);
    Value bias;
    if (anyBias)
      bias = builder.create<mm::ConcatOp>(loc, biases, 0);
    Value merged =
        builder.create<mm::LinearOp>(loc, first.getInput(), weight, bias);
    int64_t rank = getTensorType(merged).getRank(), offset = 0;
    SmallVector<int64_t> steps(rank, 1);
    for (mm::LinearOp op : group) {
      mm::Shape offsets =
          mm::makeShape(&getContext(), SmallVector<int64_t>(rank, 0));
      offsets.back() = mm::Dim::constant(&getContext(), offset);
      Value slice = builder.create<mm::SliceOp>(
          op.getLoc(), op.getType(), merged,
          mm::DimsAttr::get(&getContext(), offsets), steps);
      offset += getWidth(op);
      op.getResult().replaceAllUsesWith(slice);
    }
    for (mm::LinearOp op : group)
      op.erase();
    numMerged += group.size();
  }

  static Value makeZeros(OpBuilder &builder, mm::LinearOp op) {
    auto weight = getTensorType(op.getWeight());
    auto type =
        RankedTensorType::get({weight.getDimSize(1)}, weight.getElementType());
    return builder.create<mm::ConstantOp>(
        op.getLoc(), DenseElementsAttr::get(
                         type, builder.getZeroAttr(weight.getElementType())));
  }
};

} // namespace
