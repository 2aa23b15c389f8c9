//===- Selection.cpp - Lowering of top-k and retrieval --------------------===//

#include "codegen/cpu/kernels/Scratch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/lower/Rows.h"

using namespace mlir;

namespace mmcc::lower {

namespace {

/// Cells that are enough for any number of threads, on which they do not
/// depend, and rows of a cell at most.
constexpr int64_t kCells = 16, kRows = 32;
/// Chunks of a row at most, and elements that are worth one.
constexpr int64_t kChunks = 32, kChunk = 8192;

/// Elements of a chunk where a row of n is cut in so many.
int64_t pieceOf(int64_t n, int64_t chunks) {
  return ((n - 1) / std::max<int64_t>(chunks, 1) / 128 + 1) * 128;
}

/// Rows of a cell of topk_f32.
int64_t rowBlock(const Lowering &lowering, const Dim &rows, int64_t chunk) {
  // A warp's each, or the block's.
  if (lowering.isCuda())
    return chunk <= cuda::kShortRow ? cuda::kRowsPerCell : 1;
  int64_t count = rows.getConstant().value_or(kCells * kRows);
  return std::clamp<int64_t>((count + kCells - 1) / kCells, 1, kRows);
}

/// Elements of a chunk of a row of n, of which the k best are wanted: few rows
/// are cut, many are cells themselves.
int64_t chunkOf(const Lowering &lowering, int64_t n, int64_t k, const Dim &rows,
                int64_t rowsOfCell, int64_t least) {
  int64_t cells = rows.getConstant().value_or(1);
  cells = std::max<int64_t>((cells + rowsOfCell - 1) / rowsOfCell, 1);
  int64_t most = lowering.isCuda() ? cuda::kBusyCells : kChunks;
  return pieceOf(n, std::min(most / cells, n / std::max(least, 4 * k)));
}

/// A post block that stores into `target` [2, rows, columns].
void storePlanes(Kernel &kernel, const View &target, const Shape &extents) {
  Element post(kernel, "post", "", extents,
               {Float32Type::get(kernel.lowering.symbols.context)});
  post.store(post.value(0), target, {post.dim(0), post.dim(1), post.dim(2)});
  post.yield();
}

struct Chunked {
  Dim rows;
  int64_t k, chunks;
};

/// topk_f32 over x [rows, n] (and the places `at` that stand for its elements)
/// into `target` [2, rows, chunks * k].
void emitTopK(Lowering &lowering, Location loc, const View &x, const View *at,
              const Dim &rows, int64_t n, int64_t k, bool largest,
              int64_t chunk, const View &target) {
  const Symbols &symbols = lowering.symbols;
  auto dim = [&](int64_t value) { return symbols.constant(value); };
  int64_t chunks = (n + chunk - 1) / chunk;
  int64_t block = rowBlock(lowering, rows, std::min(n, chunk));
  // A GPU takes more cells along x than along y.
  Dim columns = dim(chunks), cells = rows.ceilDiv(dim(block));
  if (lowering.isCuda())
    columns = columns * cells, cells = dim(1);
  Kernel kernel(lowering, "topk_f32", loc);
  kernel.tensor(x.buffer);
  kernel.tensor(at ? at->buffer : x.buffer);
  Shape extents{dim(2), rows, dim(chunks * k)};
  storePlanes(kernel, target, extents);
  kernel.finish(
      extents, 3,
      {rows, dim(n), dim(k), dim(largest), dim(chunk), x.strides[0],
       dim(at != nullptr), at ? at->strides[0] : x.strides[0], dim(block)},
      {x.offset, at ? at->offset : x.offset}, dim(cpu::topKScratchBytes(k)),
      rows * n, {columns, cells, dim(1)});
}

/// Plane `plane` of a view [2, rows, columns] as [rows, columns].
View planeOf(const View &view, int64_t plane) {
  View result = view;
  result.offset = view.offset + view.strides[0] * plane;
  result.strides.erase(result.strides.begin());
  return result;
}

/// The best of what all chunks have found, [2, rows, chunks * k], as [2, rows,
/// k]; itself if there was one chunk.
View joinChunks(Lowering &lowering, Location loc, const View &found,
                const Chunked &chunked, bool largest, const View *target) {
  const Symbols &symbols = lowering.symbols;
  if (chunked.chunks == 1)
    return found;
  int64_t n = chunked.chunks * chunked.k;
  Shape shape{symbols.constant(2), chunked.rows, symbols.constant(chunked.k)};
  View best =
      target
          ? *target
          : lowering.allocDense(shape, Float32Type::get(symbols.context), loc);
  View scores = planeOf(found, 0), places = planeOf(found, 1);
  emitTopK(lowering, loc, scores, &places, chunked.rows, n, chunked.k, largest,
           (n + 127) / 128 * 128, best);
  return best;
}

/// The k best of each row of x [rows, n], as [2, rows, k], in `target` if there
/// is one.
View bestOfRows(Lowering &lowering, Location loc, const View &x,
                const Dim &rows, int64_t n, int64_t k, bool largest,
                const View *target) {
  const Symbols &symbols = lowering.symbols;
  // On a CPU eight rows are work enough.
  int64_t chunk = pieceOf(n, 1);
  if (lowering.isCuda())
    chunk = chunkOf(lowering, n, k, rows, 1, cuda::kChunkOfRow);
  else if (rows.getConstant().value_or(1) < kCells / 2)
    chunk = chunkOf(lowering, n, k, rows, kRows, kChunk);
  Chunked chunked{rows, k, (n + chunk - 1) / chunk};
  View found =
      target && chunked.chunks == 1
          ? *target
          : lowering.allocDense({symbols.constant(2), rows,
                                 symbols.constant(chunked.chunks * k)},
                                Float32Type::get(symbols.context), loc);
  emitTopK(lowering, loc, x, nullptr, rows, n, k, largest, chunk, found);
  return joinChunks(lowering, loc, found, chunked, largest, target);
}

/// x [rows, depth] times a bank in panels, [rows, n].
View emitScores(Lowering &lowering, Location loc, const View &x, Value packed,
                const Dim &rows, const Dim &depth, int64_t n) {
  const Symbols &symbols = lowering.symbols;
  Dim one = symbols.constant(1), zero = symbols.constant(0);
  cpu::Blocks blocks =
      linearBlocks(lowering, rows, one, n, /*isF32=*/true, /*onCpu=*/{});
  Dim columns = symbols.constant(n), mBlock = symbols.constant(blocks.m_block),
      nBlock = symbols.constant(blocks.n_block);
  Type f32 = Float32Type::get(symbols.context);
  View scores = lowering.allocDense({rows, columns}, f32, loc);
  Kernel kernel(lowering, "gemm_f32", loc);
  kernel.tensor(x.buffer);
  kernel.tensor(packed);
  Shape extents{one, rows, columns};
  Element post(kernel, "post", "", extents, {f32});
  post.store(post.value(0), scores, {post.dim(1), post.dim(2)});
  post.yield();
  kernel.finish(extents, 3,
                {one, rows, columns, depth, zero, x.strides[0], mBlock, nBlock},
                {x.offset, zero}, zero, rows * depth * n * 2,
                {columns.ceilDiv(nBlock), rows.ceilDiv(mBlock), one});
  return scores;
}

} // namespace

bool selectsInKernel(mm::TopKOp op) {
  Shape shape = mm::getShape(op.getInput().getType());
  Shape out = mm::getShape(op.getValues().getType());
  bool isF32 =
      cast<RankedTensorType>(op.getInput().getType()).getElementType().isF32();
  std::optional<int64_t> n =
      shape.empty() ? std::nullopt : shape.back().getConstant();
  std::optional<int64_t> k = n ? out.back().getConstant() : std::nullopt;
  return isF32 && k && *k > 0 && op.getAxis() == shape.size() - 1 &&
         *n < (int64_t(1) << 24) - 1 && *k <= int64_t(1) << 20;
}

void lowerTopKInKernel(Lowering &lowering, mm::TopKOp op) {
  const Symbols &symbols = lowering.symbols;
  Type f32 = Float32Type::get(symbols.context);
  Shape shape = mm::getShape(op.getInput().getType());
  Shape out = mm::getShape(op.getValues().getType());
  int64_t n = *shape.back().getConstant(), k = *out.back().getConstant();
  View input = lowering.denseView(op.getInput());
  Dim rows = mm::product(symbols.context, ArrayRef(shape).drop_back());
  View x{
      input.buffer, input.offset, {symbols.constant(n), symbols.constant(1)}};
  View best = bestOfRows(lowering, op.getLoc(), x, rows, n, k, op.getLargest(),
                         nullptr);

  // Values and indices as the model has them.
  Type i64 = IntegerType::get(symbols.context, 64);
  Shape flat{rows, symbols.constant(k)};
  for (int64_t plane : {0, 1}) {
    Value result = op.getResult(plane);
    if (result.use_empty())
      continue;
    View target = lowering.destination(result);
    View from = planeOf(best, plane);
    Domain domain;
    domain.extents.assign(out.begin(), out.end());
    domain.parallel = out.size();
    buildLoops(
        lowering, op.getLoc(), domain,
        [&](Kernel &kernel, const Domain &domain, ArrayRef<AffineExpr> index) {
          Element map(kernel, "map", "", domain.extents, {});
          SmallVector<AffineExpr> at =
              reshapeIndex(index, out, flat, domain.extents, symbols);
          Value v = map.load(from, at, f32);
          if (result == op.getIndices())
            v = map.builder.create<arith::FPToSIOp>(map.loc, i64, v);
          map.store(v, target, index);
          map.yield();
        });
    lowering.stored({result, target, {}});
  }
}

void lowerRetrieve(Lowering &lowering, mm::RetrieveOp op) {
  const Symbols &symbols = lowering.symbols;
  auto dim = [&](int64_t value) { return symbols.constant(value); };
  Value packed = lowering.packedWeight(op.getWeight());
  if (!packed) {
    op.emitOpError("the bank is no constant");
    lowering.failed = true;
    return;
  }
  Shape shape = mm::getShape(op.getInput().getType());
  View x = lowering.denseView(op.getInput(), 1);
  int64_t k = op.getK();
  int64_t n = *mm::getShape(op.getWeight().getType())[1].getConstant();
  Dim rows = shape[0], depth = shape[1];
  View target = lowering.destination(op.getResult());
  if (lowering.isCuda() && k > cuda::kRetrieveMost) {
    // A block of threads has no room for so many: scores are written.
    View scores = emitScores(lowering, op.getLoc(), x, packed, rows, depth, n);
    bestOfRows(lowering, op.getLoc(), scores, rows, n, k, true, &target);
    lowering.stored({op.getResult(), target, {}});
    return;
  }
  int64_t block = lowering.isCuda() ? cuda::retrieveRows(k) : kRows;
  // A bank is read by whole rows of it: less of it makes a chunk.
  int64_t chunk = chunkOf(lowering, n, k, rows, block,
                          lowering.isCuda() ? cuda::kChunkOfBank : kChunk / 8);
  Chunked chunked{rows, k, (n + chunk - 1) / chunk};
  View found = target;
  if (chunked.chunks > 1)
    found = lowering.allocDense({dim(2), rows, dim(chunked.chunks * k)},
                                Float32Type::get(symbols.context), op.getLoc());
  {
    Kernel kernel(lowering, "retrieve_f32", op.getLoc());
    kernel.tensor(x.buffer);
    kernel.tensor(packed);
    Shape extents{dim(2), rows, dim(chunked.chunks * k)};
    storePlanes(kernel, found, extents);
    kernel.finish(
        extents, 3,
        {rows, dim(n), depth, dim(k), x.strides[0], dim(chunk), dim(block)},
        {x.offset, dim(0)}, dim(cpu::retrieveScratchBytes(k, block)),
        rows * depth * n * 2,
        {dim(chunked.chunks), rows.ceilDiv(dim(block)), dim(1)});
  }
  joinChunks(lowering, op.getLoc(), found, chunked, true, &target);
  lowering.stored({op.getResult(), target, {}});
}

} // namespace mmcc::lower
