//===- PastPairs.cpp - Past keys and values that a step extends -----------===//

#include "passes/state/PastPairs.h"
#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;

namespace mmcc {
namespace {

bool isSymbol(const mm::Dim &dim) {
  return isa<AffineSymbolExpr>(dim.getExpr());
}

/// The pair that begins at an argument, if attention alone reads the concat.
std::optional<PastPair> pairOf(BlockArgument argument) {
  auto type = dyn_cast<RankedTensorType>(argument.getType());
  if (!type || type.getRank() != 4 || !type.getElementType().isF32() ||
      !argument.hasOneUse())
    return std::nullopt;
  mm::Shape shape = mm::getShape(type);
  if (!shape[1].getConstant() || !isSymbol(shape[2]) || !shape[3].getConstant())
    return std::nullopt;
  auto concat = dyn_cast<mm::ConcatOp>(*argument.getUsers().begin());
  if (!concat || concat.getAxis() != 2 || concat.getInputs().size() != 2 ||
      concat.getInputs()[0] != argument)
    return std::nullopt;
  std::optional<unsigned> result;
  for (OpOperand &use : concat.getResult().getUses()) {
    if (isa<func::ReturnOp>(use.getOwner()) && !result) {
      result = use.getOperandNumber();
      continue;
    }
    auto attention = dyn_cast<mm::AttentionOp>(use.getOwner());
    if (!attention || attention.getQuery() == use.get() ||
        attention.getMask() == use.get() || attention.getSpans() ||
        int64_t(attention.getStride()) > 0)
      return std::nullopt;
  }
  if (!result)
    return std::nullopt;
  return PastPair{argument.getArgNumber(), *result, concat};
}

/// Drops pairs whose attention would read a tensor beside the state.
void keepWholeAttentions(SmallVector<PastPair> &pairs) {
  size_t before;
  do {
    before = pairs.size();
    llvm::SmallPtrSet<Operation *, 16> kept;
    for (const PastPair &pair : pairs)
      kept.insert(pair.present);
    llvm::erase_if(pairs, [&](PastPair pair) {
      return llvm::any_of(pair.present->getUsers(), [&](Operation *user) {
        auto attention = dyn_cast<mm::AttentionOp>(user);
        return attention &&
               !(kept.contains(attention.getKey().getDefiningOp()) &&
                 kept.contains(attention.getValue().getDefiningOp()));
      });
    });
  } while (pairs.size() != before);
}

/// Whether every symbol of the pairs' arguments but the length is the size of
/// some dimension of an argument that stays.
bool leavesSizes(func::FuncOp func, ArrayRef<PastPair> pairs) {
  llvm::SmallDenseSet<StringAttr> told, asked;
  for (BlockArgument argument : func.getArguments()) {
    bool goes = llvm::any_of(pairs, [&](const PastPair &pair) {
      return pair.argument == argument.getArgNumber();
    });
    mm::Shape shape = mm::getShape(argument.getType());
    for (auto [i, dim] : llvm::enumerate(shape)) {
      if (!goes && isSymbol(dim))
        told.insert(dim.symbols()[0]);
      if (goes && i != 2)
        asked.insert(dim.symbols().begin(), dim.symbols().end());
    }
  }
  return llvm::all_of(asked,
                      [&](StringAttr name) { return told.contains(name); });
}

} // namespace

SmallVector<PastPair> findPastPairs(func::FuncOp func) {
  SmallVector<PastPair> pairs;
  if (!llvm::hasSingleElement(func.getBody()))
    return pairs;
  for (BlockArgument argument : func.getArguments())
    if (std::optional<PastPair> pair = pairOf(argument))
      pairs.push_back(*pair);
  keepWholeAttentions(pairs);
  if (pairs.empty())
    return pairs;
  // A state has one length and one batch, and all of it grows alike.
  auto shapesOf = [&](PastPair pair) {
    return std::pair(mm::getShape(func.getArgument(pair.argument).getType()),
                     mm::getShape(pair.present.getInputs()[1].getType()));
  };
  auto [past, added] = shapesOf(pairs.front());
  llvm::erase_if(pairs, [&, &past = past, &added = added](PastPair pair) {
    auto [otherPast, otherAdded] = shapesOf(pair);
    return otherPast[0] != past[0] || otherPast[2] != past[2] ||
           otherAdded[2] != added[2];
  });
  keepWholeAttentions(pairs);
  if (!leavesSizes(func, pairs))
    pairs.clear();
  return pairs;
}

} // namespace mmcc
