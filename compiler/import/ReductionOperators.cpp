//===- ReductionOperators.cpp - Reductions along axes ---------------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Node.h"
#include <limits>

using namespace mlir;
using mmcc::mm::ReduceKind;

namespace mmcc::import {

namespace {
/// What every Reduce* operator reads.
struct Reduction {
  Tensor x;
  SmallVector<int64_t> axes;
  bool keep = true;
};
} // namespace

static std::optional<Reduction> readReduction(Node &n) {
  Reduction reduction;
  reduction.x = n.required(0);
  reduction.keep = n.integer("keepdims", 1) != 0;
  bool emptyMeansNone = n.integer("noop_with_empty_axes", 0) != 0;
  if (!reduction.x)
    return std::nullopt;
  std::optional<SmallVector<int64_t>> axes = n.axesFrom(1, reduction.x.rank());
  if (n.hasFailed())
    return std::nullopt;
  if (axes && !axes->empty())
    reduction.axes = *axes;
  else if (!emptyMeansNone)
    reduction.axes = llvm::to_vector(llvm::seq<int64_t>(0, reduction.x.rank()));
  return reduction;
}

static Tensor reduce(Node &n, ReduceKind kind, const Tensor &x,
                     const Reduction &reduction) {
  if (reduction.axes.empty())
    return x;
  return n.reduce(kind, x, reduction.axes, reduction.keep);
}

template <ReduceKind kind> static void importReduce(Node &n) {
  std::optional<Reduction> r = readReduction(n);
  if (!r)
    return;
  Type type = r->x.elementType();
  if (isBool(type)) {
    // Largest and smallest of truth values, as numbers.
    Type byte = IntegerType::get(n.context(), 8, IntegerType::Unsigned);
    n.set(0, n.castTo(reduce(n, kind, n.castTo(r->x, byte), *r), type));
    return;
  }
  n.set(0, reduce(n, kind, r->x, *r));
}

static void importReduceMean(Node &n) {
  std::optional<Reduction> r = readReduction(n);
  if (!r)
    return;
  if (isFloat(r->x.elementType())) {
    n.set(0, reduce(n, ReduceKind::Mean, r->x, *r));
    return;
  }
  mm::Dim count = n.dim(1);
  for (int64_t axis : r->axes)
    count = count * r->x.dim(axis);
  Tensor divisor = n.castTo(n.reshape(n.sizes(count), {}), r->x.elementType());
  n.set(0, n.div(reduce(n, ReduceKind::Sum, r->x, *r), divisor));
}

static void importReduceL1(Node &n) {
  if (std::optional<Reduction> r = readReduction(n))
    n.set(0, reduce(n, ReduceKind::Sum,
                    isUnsigned(r->x.elementType()) ? r->x
                                                   : n.unary<mm::AbsOp>(r->x),
                    *r));
}

static void importReduceL2(Node &n) {
  std::optional<Reduction> r = readReduction(n);
  if (!r)
    return;
  Type type = r->x.elementType();
  Tensor sum = reduce(n, ReduceKind::Sum, n.mul(r->x, r->x), *r);
  if (isFloat(type))
    n.set(0, n.unary<mm::SqrtOp>(sum));
  else
    n.set(0, n.castTo(n.unary<mm::SqrtOp>(
                          n.castTo(sum, Float64Type::get(n.context()))),
                      type));
}

static void importReduceSumSquare(Node &n) {
  if (std::optional<Reduction> r = readReduction(n))
    n.set(0, reduce(n, ReduceKind::Sum, n.mul(r->x, r->x), *r));
}

static void importReduceLogSum(Node &n) {
  if (std::optional<Reduction> r = readReduction(n))
    n.set(0, n.unary<mm::LogOp>(reduce(n, ReduceKind::Sum, r->x, *r)));
}

static void importReduceLogSumExp(Node &n) {
  std::optional<Reduction> r = readReduction(n);
  if (!r)
    return;
  if (r->axes.empty()) {
    n.set(0, r->x);
    return;
  }
  if (!isFloat(r->x.elementType())) {
    n.fail("integers are not supported");
    return;
  }
  // The maximum is taken out so that exp cannot overflow, unless it is
  // infinite itself.
  Tensor largest = n.reduce(ReduceKind::Max, r->x, r->axes, true);
  Tensor shift = n.select(n.unary<mm::IsInfOp>(largest),
                          n.scalar(0, r->x.elementType()), largest);
  Tensor sum = n.reduce(ReduceKind::Sum, n.unary<mm::ExpOp>(n.sub(r->x, shift)),
                        r->axes, true);
  Tensor result = n.add(n.unary<mm::LogOp>(sum), shift);
  n.set(0, r->keep ? result : n.squeeze(result, r->axes));
}

template <bool largest> static void importArg(Node &n) {
  Tensor x = n.required(0);
  int64_t given = n.integer("axis", 0);
  bool keep = n.integer("keepdims", 1) != 0;
  bool last = n.integer("select_last_index", 0) != 0;
  if (!x)
    return;
  if (std::optional<int64_t> axis = n.axis(given, x.rank()))
    n.set(0, n.emit<mm::ArgReduceOp>(
                 x, {n.named("axis", *axis), n.flag("keep", keep),
                     n.flag("largest", largest), n.flag("last", last)}));
}

static void importCumulative(Node &n) {
  Tensor x = n.required(0);
  bool exclusive = n.integer("exclusive", 0) != 0;
  bool reverse = n.integer("reverse", 0) != 0;
  std::optional<SmallVector<int64_t>> given = n.inputIntegers(1, "the axis");
  if (!x || !given)
    return;
  if (given->size() != 1) {
    n.fail("the axis is not one number");
    return;
  }
  if (std::optional<int64_t> axis = n.axis(given->front(), x.rank()))
    n.set(0, n.emit<mm::CumulativeOp>(
                 x, {n.string("kind", n.type() == "CumProd" ? "prod" : "sum"),
                     n.named("axis", *axis), n.flag("exclusive", exclusive),
                     n.flag("reverse", reverse)}));
}

ArrayRef<OperatorRow> reductionOperators() {
  static const OperatorRow rows[] = {
      {"ReduceSum", importReduce<ReduceKind::Sum>},
      {"ReduceProd", importReduce<ReduceKind::Prod>},
      {"ReduceMax", importReduce<ReduceKind::Max>},
      {"ReduceMin", importReduce<ReduceKind::Min>},
      {"ReduceMean", importReduceMean},
      {"ReduceL1", importReduceL1},
      {"ReduceL2", importReduceL2},
      {"ReduceSumSquare", importReduceSumSquare},
      {"ReduceLogSum", importReduceLogSum},
      {"ReduceLogSumExp", importReduceLogSumExp},
      {"ArgMax", importArg<true>},
      {"ArgMin", importArg<false>},
      {"CumSum", importCumulative},
      {"CumProd", importCumulative},
  };
  return rows;
}

} // namespace mmcc::import
