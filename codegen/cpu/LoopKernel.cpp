#include "codegen/cpu/LoopKernel.h"

#include "codegen/cpu/NumberConversion.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include "llvm/ADT/ScopeExit.h"

using namespace mlir;

namespace mmcc::cpu {

LoopKernel::LoopKernel(llvm::IRBuilder<> &builder, MathLibrary &math,
                       const KernelFrame &frame, const Level &level,
                       ArrayRef<plan::BlockOp> blocks, AffineMap extentMap,
                       unsigned parallel)
    : b(builder), frame(frame), affine(builder), emitter(builder, math, frame),
      kernel(frame.kernel), blocks(blocks), rank(extentMap.getNumResults()),
      parallel(parallel), registerLanes(level.lanes) {
  extents = affine.emitSizes(extentMap, frame.symbols);
  columns = prefersColumns(shape());
  width = vectorWidth();
}

static SmallVector<plan::BlockOp> blocksOf(plan::KernelOp kernel) {
  return llvm::to_vector(kernel.getBody().getOps<plan::BlockOp>());
}

LoopKernel::LoopKernel(llvm::IRBuilder<> &builder, MathLibrary &math,
                       const KernelFrame &frame, const Level &level)
    : LoopKernel(builder, math, frame, level, blocksOf(frame.kernel),
                 plan::KernelOp(frame.kernel).getExtents(),
                 plan::KernelOp(frame.kernel).getParallel()) {}

LoopKernel::LoopKernel(llvm::IRBuilder<> &builder, MathLibrary &math,
                       const KernelFrame &frame, const Level &level,
                       ArrayRef<plan::BlockOp> blocks, AffineMap pieces)
    : LoopKernel(builder, math, frame, level, blocks, pieces,
                 pieces.getNumResults() - 1) {}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

LogicalResult LoopKernel::checkBlocks() {
  for (plan::BlockOp block : blocks) {
    StringRef role = block.getRole();
    if (role == "post" || role == "score")
      return block.emitOpError("has a role of microkernels in a loops kernel");
    unsigned indices = role == "finish" ? parallel : rank;
    Block &body = block.getBody().front();
    if (body.getNumArguments() < indices)
      return block.emitOpError("needs ") << indices << " indices";
    for (BlockArgument arg : body.getArguments().take_front(indices))
      if (!isa<IndexType>(arg.getType()))
        return block.emitOpError("needs ") << indices << " indices";
    auto yield = dyn_cast<plan::YieldOp>(body.back());
    if (!yield)
      return block.emitOpError("must end with plan.yield");
    if (role != "reduce")
      continue;
    std::optional<Combine> combine = parseCombine(*block.getCombine());
    if (!combine)
      return block.emitOpError("combines by unknown '")
             << *block.getCombine() << "'";
    bool hasIndex = *combine == Combine::argmax || *combine == Combine::argmin;
    unsigned count = yield.getNumOperands();
    if (count < 1 || count > (hasIndex ? 2u : 1u))
      return block.emitOpError("yields ") << count << " values";
    if (!valueType(yield.getOperand(0).getType(), b.getContext()))
      return block.emitOpError("reduces values of an unknown type");
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Decisions
//===----------------------------------------------------------------------===//

/// A register of 32-bit lanes, or of 64-bit lanes when those are computed with.
unsigned LoopKernel::vectorWidth() const {
  bool is64 = false;
  auto visit = [&](Type type) { is64 |= type.isF64() || type.isInteger(64); };
  for (plan::BlockOp block : blocks)
    block.walk([&](Operation *op) {
      for (Type type : op->getResultTypes())
        visit(type);
    });
  return is64 ? registerLanes / 2 : registerLanes;
}

//===----------------------------------------------------------------------===//
// Loops over the cell
//===----------------------------------------------------------------------===//

LogicalResult LoopKernel::emit(llvm::Value *x) {
  if (failed(checkBlocks()))
    return failure();
  if (llvm::any_of(blocks, [](plan::BlockOp block) {
        return block.getRole() == "sequential";
      })) {
    emitSequential();
    return failure(emitter.failed());
  }
  if (kernel.getParams().getNumResults() != 2)
    return kernel.emitOpError("needs rows and columns of a cell as params");

  SmallVector<llvm::Value *> cell =
      affine.emitSizes(kernel.getParams(), frame.symbols);
  llvm::Value *one = b.getInt64(1);
  llvm::Value *rowCount = one, *columnCount = one;
  if (parallel > 0)
    columnCount = extents[parallel - 1];
  for (unsigned dim = 0; dim + 1 < parallel; ++dim)
    rowCount = b.CreateNUWMul(rowCount, extents[dim]);

  // A piece [begin, begin + size) of `total`, size constant where possible.
  auto piece = [&](llvm::Value *index, llvm::Value *size, llvm::Value *total) {
    llvm::Value *begin = b.CreateNSWMul(index, size);
    auto *fixedSize = llvm::dyn_cast<llvm::ConstantInt>(size);
    auto *fixedTotal = llvm::dyn_cast<llvm::ConstantInt>(total);
    llvm::Value *count = size;
    if (!fixedSize || !fixedTotal || fixedSize->isZero() ||
        fixedTotal->getZExtValue() % fixedSize->getZExtValue() != 0)
      count = b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, size,
                                      b.CreateNSWSub(total, begin));
    return std::pair(begin, count);
  };
  llvm::Value *rowPiece = x, *columnPiece = b.getInt64(0);
  llvm::Value *columnSize = cell[1];
  auto *fixedColumns = llvm::dyn_cast<llvm::ConstantInt>(columnCount);
  auto *fixedSize = llvm::dyn_cast<llvm::ConstantInt>(columnSize);
  if (fixedColumns && fixedSize &&
      fixedSize->getZExtValue() >= fixedColumns->getZExtValue()) {
    columnSize = columnCount;
  } else {
    columnSize =
        b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, columnSize, one);
    llvm::Value *pieces = b.CreateUDiv(
        b.CreateNUWAdd(columnCount, b.CreateSub(columnSize, one)), columnSize);
    pieces = b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, pieces, one);
    rowPiece = b.CreateUDiv(x, pieces);
    columnPiece = b.CreateURem(x, pieces);
  }
  auto [firstRow, rows] = piece(rowPiece, cell[0], rowCount);
  auto [firstColumn, count] = piece(columnPiece, columnSize, columnCount);

  uint64_t align = registerLanes;
  if (auto *size = llvm::dyn_cast<llvm::ConstantInt>(columnSize);
      columnPiece != b.getInt64(0))
    align = size ? (size->getZExtValue() & -size->getZExtValue()) : 1;
  llvm::Value *begin = firstColumn, *length = count;
  if (columnSize == columnCount && prefersRows(shape())) {
    emitNarrow(firstRow, rows);
  } else if (readsAcross(shape())) {
    emitTransposed(firstRow, rows, begin, length, align);
  } else if (rows == one) {
    emitRow(firstRow, begin, length, align);
  } else {
    emitLoop(b, firstRow, b.CreateNSWAdd(firstRow, rows), 1, {},
             [&](llvm::Value *row, ArrayRef<llvm::Value *>) {
               emitRow(row, begin, length, align);
               return Carried();
             });
  }
  return failure(emitter.failed());
}

void LoopKernel::emitRow(llvm::Value *row, llvm::Value *begin,
                         llvm::Value *count, uint64_t align) {
  Indices outer(parallel > 0 ? parallel - 1 : 0);
  for (unsigned dim = outer.size(); dim-- > 0;) {
    outer[dim] = dim == 0 ? row : b.CreateURem(row, extents[dim]);
    if (dim > 0)
      row = b.CreateUDiv(row, extents[dim]);
  }
  if (parallel == 0) {
    Point point;
    emitPoints(point);
    return;
  }
  emitColumns(outer, begin, count, align);
}

void LoopKernel::emitColumns(const Indices &outer, llvm::Value *begin,
                             llvm::Value *count, uint64_t align) {
  bool reduces = llvm::any_of(
      blocks, [](plan::BlockOp block) { return block.getRole() == "reduce"; });
  StripShape shape;
  if (columns) {
    shape.width = width;
    shape.copies = reduces ? fittingCopies(count, width, 4) : 1;
    shape.dim = parallel - 1;
    shape.align = align;
  }
  emitStrip(b, begin, count, shape, {},
            [&](ArrayRef<StripPart> parts, ArrayRef<llvm::Value *>) {
              SmallVector<Point> points;
              for (const StripPart &part : parts) {
                Point point;
                point.parallel = outer;
                point.parallel.push_back(part.first);
                if (columns)
                  point.lanes = part.lanes;
                points.push_back(point);
              }
              emitPoints(points);
              return Carried();
            });
}

LogicalResult LoopKernel::emitPieces(llvm::Value *batch, Range rows,
                                     Range pieces) {
  if (failed(checkBlocks()))
    return failure();
  emitLoop(b, rows.begin, b.CreateNSWAdd(rows.begin, rows.count), 1, {},
           [&](llvm::Value *row, ArrayRef<llvm::Value *>) {
             emitColumns({batch, row}, pieces.begin, pieces.count, /*align=*/1);
             return Carried();
           });
  return failure(emitter.failed());
}

void LoopKernel::emitSequential() {
  for (plan::BlockOp block : blocks) {
    Indices indices;
    auto nest = [&](auto &&self) -> void {
      if (indices.size() == rank) {
        emitter.emit(block, indices, {}, Lanes());
        return;
      }
      emitLoop(b, b.getInt64(0), extents[indices.size()], 1, {},
               [&](llvm::Value *iv, ArrayRef<llvm::Value *>) {
                 indices.push_back(iv);
                 self(self);
                 indices.pop_back();
                 return Carried();
               });
    };
    nest(nest);
  }
}

//===----------------------------------------------------------------------===//
// Blocks at a point
//===----------------------------------------------------------------------===//

void LoopKernel::emitPoints(MutableArrayRef<Point> points) {
  for (size_t i = 0; i < blocks.size() && !emitter.failed(); ++i) {
    plan::BlockOp block = blocks[i];
    if (block.getRole() == "finish") {
      for (Point &point : points)
        emitter.emit(block, point.parallel, point.reduced, point.lanes);
    } else if (block.getRole() == "map") {
      emitMap(block, points);
    } else {
      // Reductions that do not use each other's results share their loops.
      size_t known = points[0].reduced.size();
      size_t last = i;
      auto usesNewResults = [&](plan::BlockOp next) {
        for (BlockArgument arg : next.getBody().front().getArguments())
          if (arg.getArgNumber() >= rank + known && !arg.use_empty())
            return true;
        return false;
      };
      while (last + 1 < blocks.size() &&
             blocks[last + 1].getRole() == "reduce" &&
             !usesNewResults(blocks[last + 1]))
        ++last;
      emitReduce(ArrayRef(blocks).slice(i, last - i + 1), points);
      i = last;
    }
  }
}

Carried LoopKernel::overReduced(Indices &indices, unsigned copies, Carried init,
                                ReducedBody body) {
  unsigned dim = parallel + indices.size();
  if (dim == rank)
    return body(indices, StripPart{nullptr, Lanes()}, init);
  llvm::Value *zero = b.getInt64(0);
  if (dim + 1 == rank && !columns) {
    StripShape shape;
    shape.width = width;
    shape.copies = fittingCopies(extents[dim], width, copies);
    shape.dim = dim;
    shape.align = width;
    return emitStrip(
        b, zero, extents[dim], shape, init,
        [&](ArrayRef<StripPart> parts, ArrayRef<llvm::Value *> carried) {
          return body(indices, parts, carried);
        });
  }
  return emitLoop(b, zero, extents[dim], 1, init,
                  [&](llvm::Value *iv, ArrayRef<llvm::Value *> carried) {
                    indices.push_back(iv);
                    Carried next = overReduced(
                        indices, copies,
                        Carried(carried.begin(), carried.end()), body);
                    indices.pop_back();
                    return next;
                  });
}

static SmallVector<llvm::Value *> joined(ArrayRef<llvm::Value *> parallel,
                                         ArrayRef<llvm::Value *> reduced,
                                         llvm::Value *last) {
  SmallVector<llvm::Value *> all(parallel.begin(), parallel.end());
  all.append(reduced.begin(), reduced.end());
  if (last)
    all.push_back(last);
  return all;
}

void LoopKernel::emitMap(plan::BlockOp block, MutableArrayRef<Point> points) {
  if (rank == parallel) {
    for (Point &point : points)
      emitter.emit(block, point.parallel, point.reduced, point.lanes);
    return;
  }
  Indices reduced;
  overReduced(reduced, 1, {},
              [&](ArrayRef<llvm::Value *> outer, ArrayRef<StripPart> parts,
                  ArrayRef<llvm::Value *>) {
                for (Point &point : points)
                  for (const StripPart &part : parts)
                    emitter.emit(
                        block, joined(point.parallel, outer, part.first),
                        point.reduced, columns ? point.lanes : part.lanes);
                return Carried();
              });
}

Reduction LoopKernel::reductionOf(plan::BlockOp block) const {
  auto yield = cast<plan::YieldOp>(block.getBody().front().back());
  Type type = yield.getOperand(0).getType();
  llvm::Type *scalar = isa<FloatType>(type) && !type.isF64()
                           ? b.getFloatTy()
                           : valueType(type, b.getContext());
  bool magnitudes =
      yield.getOperand(0).getDefiningOp<math::AbsFOp>() != nullptr;
  return Reduction(b, *parseCombine(*block.getCombine()), scalar, magnitudes);
}

/// What a reduce block yields, in accumulator type and full vectors.
Partial LoopKernel::yieldOf(plan::BlockOp block, const Reduction &reduction,
                            ArrayRef<llvm::Value *> indices, const Point &point,
                            const Lanes &lanes) {
  auto yield = cast<plan::YieldOp>(block.getBody().front().back());
  BlockEmitter::Values values =
      emitter.emit(block, indices, point.reduced, lanes);
  if (emitter.failed())
    return reduction.identity(lanes.width);
  Type type = yield.getOperand(0).getType();
  Partial result;
  result.push_back(isa<FloatType>(type) ? widenFloat(b, values[0], type)
                                        : values[0]);
  if (reduction.hasIndex()) {
    llvm::Value *index;
    if (values.size() > 1) {
      index = b.CreateSExtOrTrunc(
          values[1], withLanesOf(b.getInt64Ty(), values[1]->getType()));
    } else { // Row-major position in the reduced dimensions.
      index = b.getInt64(0);
      for (unsigned dim = parallel; dim < rank; ++dim)
        index =
            b.CreateNSWAdd(b.CreateNSWMul(index, extents[dim]), indices[dim]);
      if (lanes.dim >= int(parallel) && lanes.width > 1)
        index = b.CreateNSWAdd(splat(b, index, lanes.width),
                               laneNumbers(b.getInt64Ty(), lanes.width));
    }
    result.push_back(index);
  }
  for (llvm::Value *&value : result)
    value = splat(b, value, lanes.width);
  return result;
}

void LoopKernel::emitReduce(ArrayRef<plan::BlockOp> group,
                            MutableArrayRef<Point> points) {
  SmallVector<Reduction> reductions;
  for (plan::BlockOp block : group)
    reductions.push_back(reductionOf(block));
  // Accumulators: of each copy, of each block, its parts. A copy is a point
  // when lanes are columns, a vector of the main loop otherwise.
  unsigned copies = points.size(), lanesEach = points[0].lanes.width;
  if (!columns) {
    copies = rank > parallel ? fittingCopies(extents[rank - 1], width, 4) : 1;
    lanesEach = rank > parallel ? width : 1;
  }
  Carried init;
  for (unsigned copy = 0; copy < copies; ++copy)
    for (const Reduction &reduction : reductions)
      llvm::append_range(init, reduction.identity(lanesEach));

  Indices reduced;
  Carried sums = overReduced(
      reduced, copies, init,
      [&](ArrayRef<llvm::Value *> outer, ArrayRef<StripPart> parts,
          ArrayRef<llvm::Value *> carried) {
        Carried next(carried.begin(), carried.end());
        size_t at = 0;
        unsigned doing = columns ? points.size() : parts.size();
        for (unsigned copy = 0; copy < doing; ++copy) {
          const Point &point = points[columns ? copy : 0];
          const StripPart &part = parts[columns ? 0 : copy];
          const Lanes &lanes = columns ? point.lanes : part.lanes;
          for (auto [block, reduction] : llvm::zip(group, reductions)) {
            Partial value = yieldOf(block, reduction,
                                    joined(point.parallel, outer, part.first),
                                    point, lanes);
            Partial sum;
            for (unsigned i = 0; i < reduction.parts(); ++i)
              sum.push_back(next[at + i]);
            value = reduction.join(sum, value);
            for (unsigned i = 0; i < reduction.parts(); ++i, ++at)
              next[at] = !columns && lanes.mask
                             ? b.CreateSelect(lanes.mask, value[i], next[at])
                             : value[i];
          }
        }
        return next;
      });

  size_t stride = sums.size() / copies, offset = 0;
  for (size_t index = 0; index < group.size(); ++index) {
    const Reduction &reduction = reductions[index];
    plan::BlockOp block = group[index];
    auto partial = [&](unsigned copy) {
      Partial result;
      for (unsigned i = 0; i < reduction.parts(); ++i)
        result.push_back(sums[copy * stride + offset + i]);
      return result;
    };
    auto yield = cast<plan::YieldOp>(block.getBody().front().back());
    Type type = yield.getOperand(0).getType();
    auto keep = [&](Point &point, Partial result) {
      result = reduction.settle(result);
      if (isa<FloatType>(type))
        result[0] = roundFloat(b, result[0], type);
      llvm::append_range(point.reduced, result);
    };
    if (columns) {
      for (auto [copy, point] : llvm::enumerate(points))
        keep(point, partial(copy));
    } else {
      // Pairwise, in fixed order.
      SmallVector<Partial> partials;
      for (unsigned copy = 0; copy < copies; ++copy)
        partials.push_back(partial(copy));
      for (; partials.size() > 1; partials.resize(partials.size() / 2))
        for (size_t i = 0; i < partials.size() / 2; ++i)
          partials[i] = reduction.join(partials[2 * i], partials[2 * i + 1]);
      keep(points[0], reduction.across(partials[0]));
    }
    offset += reduction.parts();
  }
}

} // namespace mmcc::cpu
