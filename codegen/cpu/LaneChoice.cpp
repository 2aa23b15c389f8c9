#include "codegen/cpu/LaneChoice.h"

#include "llvm/IR/Constants.h"

using namespace mlir;

namespace mmcc::cpu {

/// Stride along a block index, an expression of symbols.
static std::optional<AffineExpr> strideExpr(AffineMap map, ValueRange indices,
                                            unsigned position, unsigned width) {
  AffineExpr expr = map.getResult(0);
  SmallVector<bool> laneDims;
  for (auto [dim, index] : llvm::enumerate(indices)) {
    auto argument = dyn_cast<BlockArgument>(index);
    laneDims.push_back(argument && argument.getArgNumber() == position);
    // What was computed may vary in any way.
    if (!argument && expr.isFunctionOfDim(dim))
      return std::nullopt;
  }
  Lanes lanes;
  lanes.width = width;
  lanes.align = width;
  return laneStride(expr, laneDims, lanes);
}

std::optional<int64_t> strideAlong(AffineMap map, ValueRange indices,
                                   unsigned position, unsigned width) {
  auto stride = strideExpr(map, indices, position, width);
  auto constant = stride ? dyn_cast<AffineConstantExpr>(*stride) : nullptr;
  if (!constant)
    return std::nullopt;
  return constant.getValue();
}

/// Calls `visit` with the map and the indices of each load and store of a
/// block.
static void forEachAccess(
    plan::BlockOp block,
    llvm::function_ref<void(AffineMap, ValueRange, bool isStore)> visit) {
  block.walk([&](Operation *op) {
    if (auto load = dyn_cast<plan::LoadOp>(op))
      visit(load.getMap(), load.getIndices(), false);
    else if (auto store = dyn_cast<plan::StoreOp>(op))
      visit(store.getMap(), store.getIndices(), true);
  });
}

static std::optional<uint64_t> constantOf(llvm::Value *value) {
  if (auto *constant = llvm::dyn_cast<llvm::ConstantInt>(value))
    return constant->getZExtValue();
  return std::nullopt;
}

bool prefersColumns(const LoopShape &shape) {
  unsigned rank = shape.extents.size();
  if (rank == shape.parallel)
    return true;
  if (shape.parallel == 0)
    return false;
  unsigned columns = 0, reduction = 0;
  for (plan::BlockOp block : shape.blocks)
    if (block.getRole() != "finish")
      forEachAccess(block, [&](AffineMap map, ValueRange indices, bool) {
        auto isOne = [&](unsigned position) {
          return strideAlong(map, indices, position, shape.lanes) == 1;
        };
        columns += isOne(shape.parallel - 1);
        reduction += isOne(rank - 1);
      });
  if (columns != reduction)
    return columns > reduction;
  // Neither is better for memory: take what fills the lanes.
  std::optional<uint64_t> last = constantOf(shape.extents[rank - 1]);
  std::optional<uint64_t> across =
      constantOf(shape.extents[shape.parallel - 1]);
  return last && *last < shape.lanes && (!across || *across > *last);
}

/// Then loads and stores of different points must stay in order.
static bool readsWhatItWrites(ArrayRef<plan::BlockOp> blocks) {
  bool reads = false;
  for (plan::BlockOp block : blocks)
    block.walk([&](plan::LoadOp load) {
      for (Operation *user : load.getBuffer().getUsers())
        reads |= isa<plan::StoreOp>(user);
    });
  return reads;
}

bool prefersRows(const LoopShape &shape) {
  if (shape.parallel < 2 || shape.parallel != shape.extents.size())
    return false;
  std::optional<uint64_t> columns = constantOf(shape.extents.back());
  std::optional<uint64_t> rows = constantOf(shape.extents[shape.parallel - 2]);
  if (!columns || *columns < 1 || *columns > kNarrowColumns ||
      (rows && *rows < shape.lanes))
    return false;
  if (readsWhatItWrites(shape.blocks))
    return false;
  unsigned along = 0, others = 0;
  for (plan::BlockOp block : shape.blocks)
    forEachAccess(block, [&](AffineMap map, ValueRange indices, bool isStore) {
      std::optional<int64_t> stride =
          strideAlong(map, indices, shape.parallel - 2, shape.lanes);
      if (stride == 1)
        ++along;
      else if (!stride || (*stride != 0 && !isStore))
        ++others;
    });
  return along > others;
}

bool readsAcross(AffineMap map, ValueRange indices, unsigned columnDim,
                 unsigned lanes) {
  auto across = strideExpr(map, indices, columnDim, 1);
  return across && *across != 0 && *across != 1 &&
         strideAlong(map, indices, columnDim - 1, 1) == 1;
}

bool readsAcross(const LoopShape &shape) {
  if (shape.parallel < 2 || shape.parallel != shape.extents.size() ||
      readsWhatItWrites(shape.blocks))
    return false;
  for (llvm::Value *extent : shape.extents.take_back(2))
    if (std::optional<uint64_t> size = constantOf(extent);
        size && *size < shape.lanes)
      return false;
  bool found = false;
  for (plan::BlockOp block : shape.blocks)
    forEachAccess(block, [&](AffineMap map, ValueRange indices, bool isStore) {
      found |= !isStore &&
               readsAcross(map, indices, shape.parallel - 1, shape.lanes);
    });
  return found;
}

} // namespace mmcc::cpu
