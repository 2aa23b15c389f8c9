//===- EmitMath.cpp - Building elementwise maths and reductions -----------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Emitter.h"

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

Tensor Emitter::elementwise(StringRef operation, const Tensor &x) {
  if (!x)
    return {};
  std::shared_ptr<Known> known;
  if (x.known && operation != "mm.is_nan" && operation != "mm.is_inf")
    known = knownOf(x.type, [&](ArrayRef<int64_t> at) {
      return evaluate(operation,
                      x.known->elements[broadcastPosition(x.known->sizes, at)],
                      x.elementType(), facts);
    });
  return finish(known, [&] { return inferred(operation, x, {}); });
}

Tensor Emitter::elementwise(StringRef operation, const Tensor &a,
                            const Tensor &b) {
  if (!a || !b)
    return {};
  if (a.elementType() != b.elementType() && operation != "mm.pow")
    return fail("the operands have different element types");
  std::optional<Shape> shape = broadcastShape(a.shape(), b.shape());
  if (!shape)
    return {};
  std::shared_ptr<Known> known;
  RankedTensorType type = mm::makeTensorType(*shape, a.elementType());
  if (a.known && b.known && a.elementType() == b.elementType())
    known = knownOf(type, [&](ArrayRef<int64_t> at) {
      return evaluate(
          operation,
          {a.known->elements[broadcastPosition(a.known->sizes, at)],
           b.known->elements[broadcastPosition(b.known->sizes, at)]},
          a.elementType(), facts);
    });
  return finish(known, [&] { return inferred(operation, {a, b}, {}); });
}

Tensor Emitter::add(const Tensor &a, double b) {
  return a ? add(a, scalar(b, a.elementType())) : Tensor();
}
Tensor Emitter::mul(const Tensor &a, double b) {
  return a ? mul(a, scalar(b, a.elementType())) : Tensor();
}

Tensor Emitter::compare(mm::Predicate predicate, const Tensor &a,
                        const Tensor &b) {
  if (!a || !b)
    return {};
  if (a.elementType() != b.elementType())
    return fail("the operands have different element types");
  std::optional<Shape> shape = broadcastShape(a.shape(), b.shape());
  if (!shape)
    return {};
  std::shared_ptr<Known> known;
  if (a.known && b.known)
    known =
        knownOf(mm::makeTensorType(*shape, builder.getI1Type()),
                [&](ArrayRef<int64_t> at) {
                  return import::compare(
                      mm::stringifyPredicate(predicate),
                      a.known->elements[broadcastPosition(a.known->sizes, at)],
                      b.known->elements[broadcastPosition(b.known->sizes, at)],
                      facts, context());
                });
  return finish(known, [&] {
    return emit<mm::CompareOp>(
        {a, b},
        named("predicate", mm::PredicateAttr::get(context(), predicate)));
  });
}

Tensor Emitter::select(const Tensor &condition, const Tensor &a,
                       const Tensor &b) {
  if (!condition || !a || !b)
    return {};
  if (!isBool(condition.elementType()))
    return fail("the condition is not bool");
  if (a.elementType() != b.elementType())
    return fail("the operands have different element types");
  std::optional<Shape> shape = broadcastShape(a.shape(), b.shape());
  if (shape)
    shape = broadcastShape(*shape, condition.shape());
  if (!shape)
    return {};
  std::shared_ptr<Known> known;
  if (condition.known)
    known = knownOf(
        mm::makeTensorType(*shape, a.elementType()),
        [&](ArrayRef<int64_t> at) -> Scalar {
          std::optional<int64_t> chosen =
              condition.known
                  ->elements[broadcastPosition(condition.known->sizes, at)]
                  .constant();
          if (!chosen)
            return {};
          const Tensor &side = *chosen ? a : b;
          return side.known
                     ? side.known
                           ->elements[broadcastPosition(side.known->sizes, at)]
                     : Scalar();
        });
  return finish(known, [&] { return emit<mm::SelectOp>({condition, a, b}); });
}

Tensor Emitter::castTo(const Tensor &x, Type elementType, bool saturate) {
  if (!x || !elementType || x.elementType() == elementType)
    return elementType ? x : Tensor();
  RankedTensorType type = mm::makeTensorType(x.shape(), elementType);
  std::shared_ptr<Known> known;
  if (x.known)
    known = knownOf(type, [&](ArrayRef<int64_t> at) {
      return convert(x.known->elements[broadcastPosition(x.known->sizes, at)],
                     x.elementType(), elementType, facts);
    });
  return finish(known, [&] {
    return emitAs<mm::CastOp>(type, x, flag("saturate", saturate));
  });
}

Tensor Emitter::gelu(const Tensor &x, mm::GeluKind kind) {
  return x ? emit<mm::GeluOp>(
                 x, named("kind", mm::GeluKindAttr::get(context(), kind)))
           : Tensor();
}

Tensor Emitter::reduce(mm::ReduceKind kind, const Tensor &x,
                       ArrayRef<int64_t> axes, bool keep) {
  if (!x)
    return {};
  std::shared_ptr<Known> known;
  StringRef combine = kind == mm::ReduceKind::Sum    ? "mm.add"
                      : kind == mm::ReduceKind::Prod ? "mm.mul"
                      : kind == mm::ReduceKind::Max  ? "mm.max"
                      : kind == mm::ReduceKind::Min  ? "mm.min"
                                                     : "";
  bool empty = llvm::any_of(
      axes, [&](int64_t axis) { return x.dim(axis).isConstant(0); });
  if (x.known && !combine.empty() && !empty && !isFloat(x.elementType())) {
    SmallVector<int64_t> kept(x.known->sizes), sizes;
    for (int64_t axis : axes)
      kept[axis] = 1;
    for (auto [index, size] : llvm::enumerate(kept))
      if (keep || !llvm::is_contained(axes, int64_t(index)))
        sizes.push_back(size);
    auto type = RankedTensorType::get(sizes, x.elementType());
    std::vector<std::optional<Scalar>> sums(type.getNumElements());
    size_t position = 0;
    forEachElement(x.known->sizes, [&](ArrayRef<int64_t> at) {
      const Scalar &element = x.known->elements[position++];
      std::optional<Scalar> &sum = sums[broadcastPosition(kept, at)];
      sum = sum ? evaluate(combine, {*sum, element}, x.elementType(), facts)
                : element;
    });
    size_t next = 0;
    known = knownOf(type,
                    [&](ArrayRef<int64_t>) -> Scalar { return *sums[next++]; });
  }
  return finish(known, [&] {
    return emit<mm::ReduceOp>(
        x, {named("kind", mm::ReduceKindAttr::get(context(), kind)),
            list("axes", axes), flag("keep", keep)});
  });
}

Tensor Emitter::matmul(const Tensor &a, const Tensor &b) {
  if (!a || !b)
    return {};
  if (a.elementType() != b.elementType())
    return fail("the operands have different element types");
  Shape x = a.shape(), y = b.shape();
  if (x.size() < 2 || y.size() < 2)
    return fail("a product needs matrices");
  if (!demandEqual(x.back(), y[y.size() - 2], "inner dimensions differ") ||
      !broadcastShape(ArrayRef(x).drop_back(2), ArrayRef(y).drop_back(2)))
    return {};
  return emit<mm::MatmulOp>({a, b});
}

Tensor Emitter::softmax(const Tensor &x, int64_t axis, bool log) {
  return x ? emit<mm::SoftmaxOp>(x, {named("axis", axis), flag("log", log)})
           : Tensor();
}

} // namespace mmcc::import
