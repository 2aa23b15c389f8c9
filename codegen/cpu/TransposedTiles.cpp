//===- TransposedTiles.cpp - Loops kernels that read across ---------------===//
//
// A kernel whose results run along the last dimension may read along the one
// before it. Lane by lane, each vector would gather from as many cache lines as
// it has lanes. Instead a square tile is read in vectors along the rows,
// transposed in registers and kept on the stack, from where the block reads it
// the way it wants:
//
//     memory  a0 a1 a2 a3        tile  a0 b0 c0 d0   ◄─ row 0, lanes: columns
//             b0 b1 b2 b3   ─►         a1 b1 c1 d1
//             c0 c1 c2 c3              a2 b2 c2 d2
//             d0 d1 d2 d3              a3 b3 c3 d3
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/LoopKernel.h"

#include "codegen/cpu/NumberConversion.h"

using namespace mlir;

namespace mmcc::cpu {

/// Calls `run` for each run of the last outer dimension that rows
/// [first, first + rows) of the flattened outer dimensions fall into, with the
/// indices of the others, the run's begin and its size.
void LoopKernel::forEachRun(
    llvm::Value *first, llvm::Value *rows,
    llvm::function_ref<void(ArrayRef<llvm::Value *> outer, llvm::Value *begin,
                            llvm::Value *size)>
        run) {
  unsigned rowDim = parallel - 2;
  if (rowDim == 0) {
    run({}, first, rows);
    return;
  }
  auto atLeast = [&](llvm::Value *value, llvm::Value *least) {
    return b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, value, least);
  };
  llvm::Value *one = b.getInt64(1);
  llvm::Value *length = atLeast(extents[rowDim], one);
  llvm::Value *end = b.CreateNSWAdd(first, rows);
  llvm::Value *firstRun = b.CreateUDiv(first, length);
  llvm::Value *endRun =
      b.CreateUDiv(b.CreateNUWAdd(end, b.CreateSub(length, one)), length);
  emitLoop(b, firstRun, endRun, 1, {},
           [&](llvm::Value *at, ArrayRef<llvm::Value *>) {
             llvm::Value *start = b.CreateNSWMul(at, length);
             llvm::Value *from =
                 atLeast(b.CreateNSWSub(first, start), b.getInt64(0));
             llvm::Value *to = b.CreateBinaryIntrinsic(
                 llvm::Intrinsic::smin, b.CreateNSWSub(end, start), length);
             Indices outer(rowDim);
             llvm::Value *rest = at;
             for (unsigned dim = rowDim; dim-- > 0;) {
               outer[dim] = dim == 0 ? rest : b.CreateURem(rest, extents[dim]);
               if (dim > 0)
                 rest = b.CreateUDiv(rest, extents[dim]);
             }
             run(outer, from, b.CreateNSWSub(to, from));
             return Carried();
           });
}

void LoopKernel::emitTransposed(llvm::Value *first, llvm::Value *rows,
                                llvm::Value *begin, llvm::Value *count,
                                uint64_t align) {
  StripShape strip;
  strip.width = width;
  strip.dim = parallel - 1;
  strip.align = align;
  auto emitBlocks = [&](ArrayRef<llvm::Value *> outer, llvm::Value *row,
                        const StripPart &part) {
    Indices indices(outer.begin(), outer.end());
    indices.push_back(row);
    indices.push_back(part.first);
    for (plan::BlockOp block : blocks)
      emitter.emit(block, indices, {}, part.lanes);
  };
  forEachRun(
      first, rows,
      [&](ArrayRef<llvm::Value *> outer, llvm::Value *from, llvm::Value *size) {
        llvm::Value *tiled = b.CreateNSWAdd(
            from, b.CreateAnd(size, b.getInt64(~uint64_t(width - 1))));
        emitLoop(b, from, tiled, width, {},
                 [&](llvm::Value *top, ArrayRef<llvm::Value *>) {
                   emitStrip(
                       b, begin, count, strip, {},
                       [&](ArrayRef<StripPart> parts, ArrayRef<llvm::Value *>) {
                         const StripPart &part = parts[0];
                         Indices corner(outer.begin(), outer.end());
                         corner.push_back(top);
                         corner.push_back(part.first);
                         // A tile's columns beyond the last do not exist.
                         if (!part.lanes.mask)
                           for (plan::BlockOp block : blocks)
                             emitter.readTiles(block, corner, width);
                         emitLoop(b, b.getInt64(0), b.getInt64(width), 1, {},
                                  [&](llvm::Value *i, ArrayRef<llvm::Value *>) {
                                    emitter.setTileRow(i);
                                    emitBlocks(outer, b.CreateNSWAdd(top, i),
                                               part);
                                    return Carried();
                                  });
                         emitter.forgetTiles();
                         return Carried();
                       });
                   return Carried();
                 });
        emitLoop(b, tiled, b.CreateNSWAdd(from, size), 1, {},
                 [&](llvm::Value *row, ArrayRef<llvm::Value *>) {
                   emitStrip(
                       b, begin, count, strip, {},
                       [&](ArrayRef<StripPart> parts, ArrayRef<llvm::Value *>) {
                         emitBlocks(outer, row, parts[0]);
                         return Carried();
                       });
                   return Carried();
                 });
      });
}

/// rows[i][j] = columns[j][i], in place, by exchanging ever larger squares.
static void transpose(llvm::IRBuilder<> &b,
                      llvm::MutableArrayRef<llvm::Value *> vectors) {
  unsigned width = vectors.size();
  for (unsigned step = 1; step < width; step *= 2) {
    SmallVector<int> low(width), high(width);
    for (unsigned lane = 0; lane < width; ++lane) {
      bool upper = lane & step;
      low[lane] = upper ? width + lane - step : lane;
      high[lane] = upper ? width + lane : lane + step;
    }
    for (unsigned i = 0; i < width; ++i) {
      if (i & step)
        continue;
      llvm::Value *first = vectors[i], *second = vectors[i + step];
      vectors[i] = b.CreateShuffleVector(first, second, low);
      vectors[i + step] = b.CreateShuffleVector(first, second, high);
    }
  }
}

void BlockEmitter::readTiles(plan::BlockOp block,
                             ArrayRef<llvm::Value *> corner, unsigned size) {
  unsigned columnDim = corner.size() - 1, rowDim = columnDim - 1;
  block.walk([&](plan::LoadOp load) {
    auto argument = dyn_cast<BlockArgument>(load.getBuffer());
    llvm::Type *element =
        memoryType(load.getResult().getType(), b.getContext());
    if (!argument || !element ||
        !readsAcross(load.getMap(), load.getIndices(), columnDim, size))
      return;
    auto *vector = llvm::FixedVectorType::get(element, size);
    llvm::Align align(element->getPrimitiveSizeInBits() / 8);
    SmallVector<llvm::Value *> vectors;
    for (unsigned column = 0; column < size; ++column) {
      known.clear();
      lanes = Lanes();
      lanes.width = size;
      lanes.dim = rowDim;
      laneIndexVector = nullptr;
      for (auto [arg, value] :
           llvm::zip(block.getBody().getArguments(), corner))
        known[arg] = value;
      BlockArgument last = block.getBody().getArgument(columnDim);
      known[last] = b.CreateNSWAdd(known[last], b.getInt64(column));
      laneIndex = block.getBody().getArgument(rowDim);
      Address from = address(load.getMap(), load.getIndices());
      llvm::LoadInst *read = b.CreateAlignedLoad(
          vector,
          b.CreateGEP(element, frame.buffers[argument.getArgNumber()],
                      from.index),
          align);
      frame.annotate(read, argument.getArgNumber());
      vectors.push_back(read);
    }
    transpose(b, vectors);
    llvm::BasicBlock &entry = b.GetInsertBlock()->getParent()->getEntryBlock();
    llvm::Value *tile = llvm::IRBuilder<>(&entry, entry.begin())
                            .CreateAlloca(llvm::ArrayType::get(vector, size));
    for (auto [i, row] : llvm::enumerate(vectors))
      b.CreateStore(row, b.CreateConstInBoundsGEP1_64(vector, tile, i));
    tiles[load] = tile;
  });
}

/// The row of the tile that was read for `load`; null when there is none.
llvm::Value *BlockEmitter::tileRow(plan::LoadOp load, llvm::Type *element) {
  llvm::Value *tile = tiles.lookup(load);
  if (!tile)
    return nullptr;
  auto *vector = llvm::FixedVectorType::get(element, lanes.width);
  return b.CreateLoad(vector, b.CreateInBoundsGEP(vector, tile, currentRow));
}

} // namespace mmcc::cpu
