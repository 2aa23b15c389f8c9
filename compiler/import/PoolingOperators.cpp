//===- PoolingOperators.cpp - Pooling -------------------------------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Window.h"
#include <cmath>

using namespace mlir;
using mmcc::mm::Shape;

namespace mmcc::import {

static Tensor pool(Node &n, const Tensor &x, mm::PoolKind kind,
                   const Window &window) {
  Shape shape = x.shape();
  shape.resize(2);
  llvm::append_range(shape, window.sizes);
  return n.emitAs<mm::PoolOp>(
      mm::makeTensorType(shape, x.elementType()), x,
      {n.named("kind", mm::PoolKindAttr::get(n.context(), kind)),
       n.list("kernel", window.kernel), n.list("strides", window.strides),
       n.list("pads", window.pads), n.list("dilations", window.dilations)});
}

static bool hasImage(Node &n, const Tensor &x) {
  if (x && x.rank() < 3)
    n.fail("the input has no spatial dimensions");
  return x && x.rank() >= 3;
}

static void importMaxPool(Node &n) {
  // Concerns the second output only, which is not supported.
  n.ignore({"storage_order"});
  Tensor x = n.required(0);
  if (!hasImage(n, x))
    return;
  if (std::optional<Window> window = readWindow(n, x, {}))
    n.set(0, pool(n, x, mm::PoolKind::Max, *window));
}

static void importAveragePool(Node &n) {
  Tensor x = n.required(0);
  bool withPads = n.integer("count_include_pad", 0) != 0;
  if (!hasImage(n, x))
    return;
  if (std::optional<Window> window = readWindow(n, x, {}))
    n.set(0,
          pool(n, x,
               withPads ? mm::PoolKind::AverageWithPads : mm::PoolKind::Average,
               *window));
}

/// (sum of |x|^p over the window)^(1/p), from the mean over windows that are
/// full because the pads, zeros here, have become part of the image.
static void importLpPool(Node &n) {
  Tensor x = n.required(0);
  int64_t p = n.integer("p", 2);
  if (!hasImage(n, x))
    return;
  std::optional<Window> window = readWindow(n, x, {});
  if (!window)
    return;
  int64_t rank = window->rank();
  Shape low(2, n.dim(0)), shape = x.shape();
  double count = 1;
  for (int64_t d = 0; d < rank; ++d) {
    low.push_back(n.dim(window->pads[d]));
    // Rounding up may reach beyond the end pads.
    mm::Dim covered =
        (window->sizes[d] - 1) * window->strides[d] + window->span(d);
    mm::Dim padded = shape[d + 2] + (window->pads[d] + window->pads[d + rank]);
    std::optional<mm::Dim> size = n.facts.max(covered, padded);
    shape[d + 2] = size ? *size : padded;
    count *= window->kernel[d];
  }
  window->pads.assign(2 * rank, 0);
  Tensor power = n.unary<mm::AbsOp>(x);
  power = p == 2   ? n.mul(x, x)
          : p == 1 ? power
                   : n.binary<mm::PowOp>(power, n.scalar(p, x.elementType()));
  power = n.pad(power, low, shape, "constant", n.scalar(0, x.elementType()));
  if (!power)
    return;
  Tensor sum =
      n.mul(pool(n, power, mm::PoolKind::AverageWithPads, *window), count);
  n.set(0, p == 2 ? n.unary<mm::SqrtOp>(sum)
           : p == 1
               ? sum
               : n.binary<mm::PowOp>(sum, n.scalar(1.0 / p, x.elementType())));
}

static void importGlobalPool(Node &n) {
  Tensor x = n.required(0);
  int64_t p = n.type() == "GlobalLpPool" ? n.integer("p", 2) : 0;
  if (!x)
    return;
  if (x.rank() < 2) {
    n.fail("the input has no channels");
    return;
  }
  auto axes = llvm::to_vector(llvm::seq<int64_t>(2, x.rank()));
  if (axes.empty())
    n.set(0, x);
  else if (n.type() == "GlobalAveragePool")
    n.set(0, n.reduce(mm::ReduceKind::Mean, x, axes, true));
  else if (n.type() == "GlobalMaxPool")
    n.set(0, n.reduce(mm::ReduceKind::Max, x, axes, true));
  else if (p == 2)
    n.set(0, n.unary<mm::SqrtOp>(
                 n.reduce(mm::ReduceKind::Sum, n.mul(x, x), axes, true)));
  else
    n.fail("p = " + Twine(p) + " is not supported");
}

ArrayRef<OperatorRow> poolingOperators() {
  static const OperatorRow rows[] = {
      {"MaxPool", importMaxPool},
      {"AveragePool", importAveragePool},
      {"LpPool", importLpPool},
      {"GlobalAveragePool", importGlobalPool},
      {"GlobalMaxPool", importGlobalPool},
      {"GlobalLpPool", importGlobalPool},
  };
  return rows;
}

} // namespace mmcc::import
