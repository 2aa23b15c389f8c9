//===- BlockAttention.cpp - Blocks that a constant mask hides -------------===//

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/attention/MaskTerms.h"
#include "passes/attention/Passes.h"
#include "passes/fuse/ConstantValues.h"
#include <algorithm>
#include <cmath>

namespace mmcc {
#define GEN_PASS_DEF_BLOCKATTENTION
#include "passes/attention/Passes.h.inc"
} // namespace mmcc

using namespace mlir;
using namespace mmcc;

namespace {

constexpr int64_t kQueries = 64, kKeys = 32;
/// Elements of a mask that is looked at.
constexpr int64_t kMostElements = int64_t(1) << 25;

enum Block : uint8_t { Empty, Partial, Full };

/// How a constant mask [leading..., queries, keys] meets each block, the same
/// for all batches and heads.
struct MaskBlocks {
  size_t rows, columns; // of blocks
  std::vector<Block> kinds;
  /// Some pair is left out by a large number only, not by infinity.
  bool finite = false;

  Block at(size_t row, size_t column) const {
    return kinds[row * columns + column];
  }
  int64_t count(Block kind) const {
    return std::count(kinds.begin(), kinds.end(), kind);
  }
};

/// One element of a mask: does the pair take part, and as it is?
struct Pair {
  bool kept, plain;
};

std::optional<MaskBlocks> classify(mm::ConstantOp constant) {
  auto type = getTensorType(constant.getResult());
  int64_t rank = type.getRank();
  if (rank < 2 || type.getNumElements() > kMostElements)
    return std::nullopt;
  int64_t queries = type.getDimSize(rank - 2), keys = type.getDimSize(rank - 1);
  std::optional<SmallVector<double>> elements =
      getElements(constant.getResult(), kMostElements);
  if (!elements || queries < 2 || keys < 2)
    return std::nullopt;
  bool isBool = type.getElementType().isInteger(1);
  auto pairOf = [&](double element) {
    return isBool ? Pair{element != 0, element != 0}
                  : Pair{!(element <= kExcluded), element == 0};
  };
  MaskBlocks blocks{
      llvm::divideCeil(queries, kQueries), llvm::divideCeil(keys, kKeys), {}};
  size_t count = blocks.rows * blocks.columns;
  std::vector<bool> any(count, false), all(count, true);
  for (size_t row = 0; row * keys < elements->size(); ++row) {
    bool anyInRow = false, finiteInRow = false;
    for (int64_t j = 0; j < keys; ++j) {
      double element = (*elements)[row * keys + j];
      Pair pair = pairOf(element);
      size_t block = row % queries / kQueries * blocks.columns + j / kKeys;
      any[block] = any[block] || pair.kept;
      all[block] = all[block] && pair.plain;
      anyInRow |= pair.kept;
      finiteInRow |= !isBool && !pair.kept && std::isfinite(element);
    }
    if (!anyInRow && finiteInRow)
      return std::nullopt;
    blocks.finite |= finiteInRow;
  }
  for (size_t i = 0; i < count; ++i)
    blocks.kinds.push_back(!any[i] ? Empty : all[i] ? Full : Partial);
  return blocks;
}

struct Span {
  int64_t begin, end;
  bool whole;
};

/// Neighbours of one kind, in each row of blocks.
std::vector<std::vector<Span>> makeSpans(const MaskBlocks &blocks,
                                         int64_t keys) {
  std::vector<std::vector<Span>> table(blocks.rows);
  for (size_t row = 0; row < blocks.rows; ++row)
    for (size_t column = 0; column < blocks.columns; ++column) {
      Block kind = blocks.at(row, column);
      if (kind == Empty)
        continue;
      std::vector<Span> &spans = table[row];
      int64_t begin = int64_t(column) * kKeys,
              end = std::min(begin + kKeys, keys);
      if (!spans.empty() && spans.back().end == begin &&
          spans.back().whole == (kind == Full))
        spans.back().end = end;
      else
        spans.push_back({begin, end, kind == Full});
    }
  return table;
}

/// [blocks, spans, 3] i32, short rows filled up with spans of no keys.
Value makeTable(OpBuilder &builder, Location loc,
                const std::vector<std::vector<Span>> &table) {
  size_t width = 1;
  for (const std::vector<Span> &spans : table)
    width = std::max(width, spans.size());
  SmallVector<int32_t> numbers;
  for (const std::vector<Span> &spans : table) {
    for (const Span &span : spans)
      numbers.append({int32_t(span.begin), int32_t(span.end), span.whole});
    numbers.append((width - spans.size()) * 3, 0);
  }
  auto type = RankedTensorType::get({int64_t(table.size()), int64_t(width), 3},
                                    builder.getI32Type());
  return builder.create<mm::ConstantOp>(
      loc, DenseElementsAttr::get(type, ArrayRef(numbers)));
}

struct BlockAttention : mmcc::impl::BlockAttentionBase<BlockAttention> {
  using BlockAttentionBase::BlockAttentionBase;

  void runOnOperation() override {
    getOperation().walk([&](mm::AttentionOp op) { skipEmpty(op); });
  }

  void skipEmpty(mm::AttentionOp op) {
    auto constant =
        op.getMask() ? op.getMask().getDefiningOp<mm::ConstantOp>() : nullptr;
    std::optional<int64_t> queries =
        mm::getShape(op.getQuery().getType())[2].getConstant();
    std::optional<int64_t> keys =
        mm::getShape(op.getKey().getType())[2].getConstant();
    if (!constant || op.getSpans() || !queries || !keys || op.getWindow() > 0 ||
        int64_t(op.getAhead()) >= 0)
      return;
    // Fewer queries stream keys and values where they lie.
    if (*queries < kKeys)
      return;
    const MaskBlocks *blocks = lookUp(constant);
    if (!blocks || blocks->rows != llvm::divideCeil(*queries, kQueries))
      return;
    // Causality may leave a row no key but those.
    if (blocks->finite && op.getCausal())
      return;
    int64_t empty = blocks->count(Empty), partial = blocks->count(Partial);
    int64_t all = blocks->kinds.size();
    if (explain)
      op.emitRemark("its mask has ")
          << empty << " empty, " << partial << " partial and "
          << all - empty - partial << " full blocks of 64 x 32 pairs";
    if (empty * 10 <= all)
      return;
    OpBuilder builder(op);
    op.getSpansMutable().assign(
        makeTable(builder, op.getLoc(), makeSpans(*blocks, *keys)));
    if (partial == 0)
      op.getMaskMutable().clear();
    ++numBlocked;
  }

  /// Layers share their mask, which is looked at once.
  const MaskBlocks *lookUp(mm::ConstantOp constant) {
    auto [it, isNew] = known.try_emplace(constant);
    if (isNew)
      it->second = classify(constant);
    return it->second ? &*it->second : nullptr;
  }

  DenseMap<Operation *, std::optional<MaskBlocks>> known;
};

} // namespace
