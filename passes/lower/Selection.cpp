//===- Selection.cpp - Lowering of top-k and retrieval --------------------===//

#include "codegen/cpu/kernels/Scratch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/lower/Kernel.h"

using namespace mlir;

namespace mmcc::lower {

namespace {

/// Cells that are enough for any number of threads, on which they do not
/// depend, and rows of a cell at most.
constexpr int64_t kCells = 16, kRows = 32;
/// Chunks of a row at most, and elements that are worth one.
constexpr int64_t kChunks = 32, kChunk = 8192;

int64_t rowBlock(const Dim &rows) {
  int64_t count = rows.getConstant().value_or(kCells * kRows);
  return std::clamp<int64_t>((count + kCells - 1) / kCells, 1, kRows);
}

/// Elements of a chunk of a row of n, of which the k best are wanted: few rows
/// are cut, many are cells themselves.
int64_t chunkOf(int64_t n, int64_t k, const Dim &rows, int64_t least) {
  int64_t cells = rows.getConstant().value_or(1);
  cells = std::max<int64_t>((cells + kRows - 1) / kRows, 1);
  int64_t chunks =
      std::min(kChunks / std::min(cells, kChunks), n / std::max(least, 4 * k));
  if (chunks < 2)
    return (n + 127) / 128 * 128;
  return ((n + chunks - 1) / chunks + 127) / 128 * 128;
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
  Kernel kernel(lowering, "topk_f32", loc);
  kernel.tensor(x.buffer);
  kernel.tensor(at ? at->buffer : x.buffer);
  Shape extents{dim(2), rows, dim(chunks * k)};
  storePlanes(kernel, target, extents);
  kernel.finish(extents, 3,
                {rows, dim(n), dim(k), dim(largest), dim(chunk), x.strides[0],
                 dim(at != nullptr), at ? at->strides[0] : x.strides[0],
                 dim(rowBlock(rows))},
                {x.offset, at ? at->offset : x.offset},
                dim(cpu::topKScratchBytes(k)), rows * n,
                {dim(chunks), rows.ceilDiv(dim(rowBlock(rows))), dim(1)});
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
  Chunked chunked{rows, k, 1};
  // Eight rows are work enough.
  int64_t chunk = rows.getConstant().value_or(1) < kCells / 2
                      ? chunkOf(n, k, rows, kChunk)
                      : (n + 127) / 128 * 128;
  chunked.chunks = (n + chunk - 1) / chunk;
  View found = lowering.allocDense(
      {symbols.constant(2), rows, symbols.constant(chunked.chunks * k)}, f32,
      op.getLoc());
  emitTopK(lowering, op.getLoc(), x, nullptr, rows, n, k, op.getLargest(),
           chunk, found);
  View best = joinChunks(lowering, op.getLoc(), found, chunked, op.getLargest(),
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
  // A bank is read by whole rows of it: less of it makes a chunk.
  int64_t chunk = chunkOf(n, k, rows, kChunk / 8);
  Chunked chunked{rows, k, (n + chunk - 1) / chunk};
  View target = lowering.destination(op.getResult());
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
        {rows, dim(n), depth, dim(k), x.strides[0], dim(chunk), dim(kRows)},
        {x.offset, dim(0)}, dim(cpu::retrieveScratchBytes(k, kRows)),
        rows * depth * n * 2,
        {dim(chunked.chunks), rows.ceilDiv(dim(kRows)), dim(1)});
  }
  joinChunks(lowering, op.getLoc(), found, chunked, true, &target);
  lowering.stored({op.getResult(), target, {}});
}

} // namespace mmcc::lower
