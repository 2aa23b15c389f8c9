//===- NarrowColumns.cpp - Loops kernels with a few columns ---------------===//
//
// Three channels would leave 13 of 16 lanes idle. Where memory is read along
// the dimension before, lanes run along that one, all columns are done at
// once, and what they store is woven together:
//
//     column 0   r0 r1 r2 r3 ...
//     column 1   g0 g1 g2 g3 ...    ─►   r0 g0 b0 r1 g1 b1 r2 ...
//     column 2   b0 b1 b2 b3 ...
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/LoopKernel.h"

#include <numeric>

using namespace mlir;

namespace mmcc::cpu {

/// Runs over rows [first, first + rows) of the flattened outer dimensions, the
/// last of which the lanes run along.
void LoopKernel::emitNarrow(llvm::Value *first, llvm::Value *rows) {
  unsigned laneDim = parallel - 2;
  uint64_t count =
      llvm::cast<llvm::ConstantInt>(extents[parallel - 1])->getZExtValue();
  StripShape strip;
  strip.width = width;
  strip.dim = laneDim;
  forEachRun(first, rows,
             [&](ArrayRef<llvm::Value *> outer, llvm::Value *begin,
                 llvm::Value *size) {
               emitStrip(
                   b, begin, size, strip, {},
                   [&](ArrayRef<StripPart> parts, ArrayRef<llvm::Value *>) {
                     emitter.beginWeaving(parallel - 1, count);
                     for (uint64_t column = 0; column < count; ++column) {
                       Indices indices(outer.begin(), outer.end());
                       indices.push_back(parts[0].first);
                       indices.push_back(b.getInt64(column));
                       for (plan::BlockOp block : blocks)
                         emitter.emit(block, indices, {}, parts[0].lanes);
                     }
                     emitter.endWeaving(parts[0].lanes);
                     return Carried();
                   });
             });
}

//===----------------------------------------------------------------------===//
// Stores of all columns together
//===----------------------------------------------------------------------===//

void BlockEmitter::beginWeaving(unsigned columnDim, uint64_t columns) {
  weaving.columnDim = columnDim;
  weaving.columns = columns;
}

/// True when the store waits for the other columns': it must step by one from
/// column to column and by the number of columns from lane to lane.
bool BlockEmitter::weave(plan::StoreOp op, llvm::Value *value,
                         const Address &to) {
  if (weaving.columns < 2 || lanes.width == 1)
    return false;
  auto stride = to.stride ? dyn_cast<AffineConstantExpr>(*to.stride) : nullptr;
  if (!stride || stride.getValue() != int64_t(weaving.columns) ||
      strideAlong(op.getMap(), op.getIndices(), weaving.columnDim, 1) != 1)
    return false;
  auto &woven = weaving.stores[op];
  if (woven.values.empty())
    woven.first = to.index;
  woven.values.push_back(value);
  return true;
}

void BlockEmitter::endWeaving(const Lanes &all) {
  unsigned columns = weaving.columns, width = all.width;
  for (auto &[op, woven] : weaving.stores) {
    if (hasFailed)
      break;
    // Pairwise, the shorter side filled up, then one permutation.
    llvm::Value *joined = woven.values[0];
    for (unsigned i = 1; i < columns; ++i) {
      unsigned have = i * width;
      SmallVector<int> widen(have, -1), both(have + width);
      std::iota(widen.begin(), widen.begin() + width, 0);
      std::iota(both.begin(), both.end(), 0);
      joined = b.CreateShuffleVector(
          joined, b.CreateShuffleVector(woven.values[i], widen), both);
    }
    SmallVector<int> order;
    for (unsigned lane = 0; lane < width; ++lane)
      for (unsigned column = 0; column < columns; ++column)
        order.push_back(column * width + lane);
    joined = b.CreateShuffleVector(joined, order);

    auto store = cast<plan::StoreOp>(op);
    unsigned operand = cast<BlockArgument>(store.getBuffer()).getArgNumber();
    llvm::Type *element = joined->getType()->getScalarType();
    llvm::Value *address =
        b.CreateGEP(element, frame.buffers[operand], woven.first);
    llvm::Align align(element->getPrimitiveSizeInBits() / 8);
    llvm::Instruction *access;
    if (all.mask) {
      SmallVector<int> repeat;
      for (unsigned i = 0; i < width * columns; ++i)
        repeat.push_back(i / columns);
      access = b.CreateMaskedStore(joined, address, align,
                                   b.CreateShuffleVector(all.mask, repeat));
    } else {
      access = b.CreateAlignedStore(joined, address, align);
    }
    frame.annotate(access, operand);
  }
  weaving = {};
}

} // namespace mmcc::cpu
