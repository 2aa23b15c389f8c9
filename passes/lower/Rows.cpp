//===- Rows.cpp - The rows that a linear layer multiplies -----------------===//

#include "passes/lower/Rows.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace mmcc::lower {

namespace {

/// Leading dimensions of an operand as (batch, rows) with one stride each.
struct Rows {
  Dim batch, rows, batchStride, rowStride;
};

/// Folds dimensions [0, count) into rows, with at most one jump between them.
std::optional<Rows> foldRows(const View &view, ArrayRef<Dim> shape,
                             unsigned count, const Symbols &symbols) {
  Dim one = symbols.constant(1), zero = symbols.constant(0);
  Rows rows{one, one, zero, zero};
  unsigned i = count;
  auto fold = [&](Dim &extent, Dim &stride) {
    bool any = false;
    Dim span = zero;
    for (; i > 0; --i) {
      if (shape[i - 1].isConstant(1))
        continue;
      if (!any) {
        extent = shape[i - 1];
        stride = view.strides[i - 1];
        span = stride * extent;
        any = true;
        continue;
      }
      if (view.strides[i - 1] != span)
        return;
      extent = extent * shape[i - 1];
      span = span * shape[i - 1];
    }
  };
  fold(rows.rows, rows.rowStride);
  fold(rows.batch, rows.batchStride);
  if (i > 0)
    return std::nullopt;
  return rows;
}

} // namespace

RowInput rowsOf(Lowering &lowering, Value input) {
  Shape shape = mm::getShape(input.getType());
  unsigned leading = shape.size() - 1;
  View view = lowering.view(input);
  std::optional<Rows> rows;
  if (view.strides.back().isConstant(1) || shape.back().isConstant(1))
    rows = foldRows(view, shape, leading, lowering.symbols);
  if (!rows) {
    view = lowering.denseView(input);
    rows = foldRows(view, shape, leading, lowering.symbols);
  }
  return {view, rows->batch, rows->rows, rows->batchStride, rows->rowStride};
}

void postRows(Kernel &kernel, const Chain &chain, Value result, Value bias,
              ArrayRef<Dim> extents) {
  const Symbols &symbols = kernel.lowering.symbols;
  Element post(kernel, "post", "", extents,
               {Float32Type::get(symbols.context)});
  post.define(result, [&](ArrayRef<AffineExpr> at) -> Value {
    Value v = post.value(0);
    if (bias)
      v = post.builder.create<arith::AddFOp>(post.loc, v,
                                             post.at(bias, {at.back()}));
    return v;
  });
  SmallVector<AffineExpr> flat{post.dim(0), post.dim(1), post.dim(2)};
  post.storeChain(chain, result,
                  reshapeIndex(flat, extents, mm::getShape(result.getType()),
                               extents, symbols));
  post.yield();
}

} // namespace mmcc::lower
