//===- NormalizationOperators.cpp - Normalisation -------------------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Node.h"

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

static void importBatchNorm(Node &n) {
  n.ignore({"momentum", "spatial"});
  bool training = n.integer("training_mode", 0) != 0;
  double epsilon = n.number("epsilon", 1e-5);
  Tensor x = n.required(0), scale = n.required(1), offset = n.required(2);
  Tensor mean = n.required(3), variance = n.required(4);
  if (training) {
    n.fail("training mode is not supported");
    return;
  }
  if (!x || n.hasFailed())
    return;
  // Statistics may be wider than the data; the sums are then formed in the
  // wider type.
  Type type = x.elementType(), wide = type;
  for (const Tensor &t : {scale, offset, mean, variance})
    if (t.elementType().getIntOrFloatBitWidth() > wide.getIntOrFloatBitWidth())
      wide = t.elementType();
  auto in = [&](const Tensor &t) { return n.castTo(t, wide); };
  n.set(0, n.castTo(n.emit<mm::BatchNormOp>(
                        {in(x), in(scale), in(offset), in(mean), in(variance)},
                        n.real("epsilon", epsilon)),
                    type));
}

static Tensor groupNorm(Node &n, const Tensor &x, const Tensor &scale,
                        const Tensor &offset, int64_t groups, double epsilon) {
  return n.emit<mm::GroupNormOp>(
      {x, scale, offset},
      {n.named("groups", groups), n.real("epsilon", epsilon),
       n.segments({1, scale ? 1 : 0, offset ? 1 : 0})});
}

static void importInstanceNorm(Node &n) {
  double epsilon = n.number("epsilon", 1e-5);
  Tensor x = n.required(0), scale = n.required(1), offset = n.required(2);
  if (!x || !scale || !offset)
    return;
  std::optional<int64_t> channels =
      x.rank() >= 2 ? x.dim(1).getConstant() : std::nullopt;
  if (!channels || *channels < 1) {
    n.fail("the number of channels is not fixed");
    return;
  }
  n.set(0, groupNorm(n, x, scale, offset, *channels, epsilon));
}

static void importGroupNorm(Node &n) {
  double epsilon = n.number("epsilon", 1e-5);
  int64_t groups = n.integer("num_groups", 0);
  n.ignore({"stash_type"});
  Tensor x = n.required(0), scale = n.required(1), offset = n.required(2);
  if (!x || !scale || !offset)
    return;
  std::optional<int64_t> channels =
      x.rank() >= 2 ? x.dim(1).getConstant() : std::nullopt;
  if (!channels || groups < 1 || *channels % groups != 0) {
    n.fail("num_groups does not divide a fixed number of channels");
    return;
  }
  // Until opset 21 there was one scale and offset for each group.
  auto eachChannel = [&](const Tensor &t) {
    if (n.opset() >= 21)
      return t;
    Tensor column = n.reshape(t, {n.dim(groups), n.dim(1)});
    return n.reshape(
        n.broadcast(column, {n.dim(groups), n.dim(*channels / groups)}),
        n.dim(*channels));
  };
  Tensor channelScale = eachChannel(scale), channelOffset = eachChannel(offset);
  if (!n.hasFailed())
    n.set(0, groupNorm(n, x, channelScale, channelOffset, groups, epsilon));
}

static void importLayerNorm(Node &n) {
  double epsilon = n.number("epsilon", 1e-5);
  int64_t given = n.integer("axis", -1);
  // The type of the statistics: f32, as it is here for all narrower inputs.
  if (n.integer("stash_type", 1) != 1) {
    n.fail("stash_type other than float is not supported");
    return;
  }
  Tensor x = n.required(0), scale = n.required(1), offset = n.input(2);
  if (!x || !scale)
    return;
  std::optional<int64_t> axis = n.axis(given, x.rank());
  if (!axis)
    return;
  n.set(0, n.emit<mm::LayerNormOp>({x, scale, offset},
                                   {n.named("axis", *axis),
                                    n.real("epsilon", epsilon),
                                    n.segments({1, 1, offset ? 1 : 0})}));
  if (n.outputCount() < 2)
    return;
  auto axes = llvm::to_vector(llvm::seq<int64_t>(*axis, x.rank()));
  Tensor wide = n.castTo(x, Float32Type::get(n.context()));
  Tensor mean = n.reduce(mm::ReduceKind::Mean, wide, axes, true);
  Tensor centered = n.sub(wide, mean);
  Tensor variance =
      n.reduce(mm::ReduceKind::Mean, n.mul(centered, centered), axes, true);
  n.set(1, mean);
  n.set(2, n.unary<mm::RsqrtOp>(n.add(variance, epsilon)));
}

static void importRmsNorm(Node &n) {
  double epsilon = n.number("epsilon", 1e-5);
  int64_t given = n.integer("axis", -1);
  if (n.integer("stash_type", 1) != 1) {
    n.fail("stash_type other than float is not supported");
    return;
  }
  Tensor x = n.required(0), scale = n.required(1);
  if (!x || !scale)
    return;
  if (std::optional<int64_t> axis = n.axis(given, x.rank()))
    n.set(0, n.emit<mm::RmsNormOp>(
                 {x, n.castTo(scale, x.elementType())},
                 {n.named("axis", *axis), n.real("epsilon", epsilon)}));
}

static void importLpNorm(Node &n) {
  int64_t p = n.integer("p", 2), given = n.integer("axis", -1);
  Tensor x = n.required(0);
  if (!x)
    return;
  std::optional<int64_t> axis = n.axis(given, x.rank());
  if (!axis)
    return;
  if (p != 1 && p != 2) {
    n.fail("p = " + Twine(p) + " is not supported");
    return;
  }
  Tensor power = p == 1 ? n.unary<mm::AbsOp>(x) : n.mul(x, x);
  Tensor norm = n.reduce(mm::ReduceKind::Sum, power, *axis, true);
  if (p == 2)
    norm = n.unary<mm::SqrtOp>(norm);
  // A vector of zeros stays one.
  Tensor zero = n.scalar(0, x.elementType());
  n.set(0, n.select(n.compare(mm::Predicate::EQ, norm, zero), zero,
                    n.div(x, norm)));
}

static void importMeanVarianceNorm(Node &n) {
  Tensor x = n.required(0);
  SmallVector<int64_t> given = n.integerList("axes", {0, 2, 3});
  if (!x)
    return;
  auto axes = n.axes(given, x.rank());
  if (!axes)
    return;
  Tensor mean = n.reduce(mm::ReduceKind::Mean, x, *axes, true);
  Tensor square = n.reduce(mm::ReduceKind::Mean, n.mul(x, x), *axes, true);
  Tensor deviation = n.unary<mm::SqrtOp>(n.sub(square, n.mul(mean, mean)));
  n.set(0, n.div(n.sub(x, mean), n.add(deviation, 1e-9)));
}

/// x / (bias + alpha / size * sum of squares over `size` channels)^beta
static void importLrn(Node &n) {
  double alpha = n.number("alpha", 1e-4), beta = n.number("beta", 0.75);
  double bias = n.number("bias", 1);
  int64_t size = n.integer("size", 0);
  Tensor x = n.required(0);
  if (!x)
    return;
  if (size < 1 || size > (1 << 16) || x.rank() < 2) {
    n.fail("size = " + Twine(size) + " does not fit the input");
    return;
  }
  // The channels as the height of an image with one channel: a pool over them.
  Shape old = x.shape();
  Dim pixels = mm::product(n.context(), ArrayRef(old).drop_front(2));
  Shape image = {old[0], n.dim(1), old[1], pixels};
  Tensor squares = n.reshape(n.mul(x, x), image);
  Shape low(4, n.dim(0)), padded = image;
  low[2] = n.dim((size - 1) / 2);
  padded[2] = old[1] + (size - 1);
  squares =
      n.pad(squares, low, padded, "constant", n.scalar(0, x.elementType()));
  if (!squares)
    return;
  Tensor mean = n.emitAs<mm::PoolOp>(
      mm::makeTensorType(image, x.elementType()), squares,
      {n.named("kind", mm::PoolKindAttr::get(n.context(),
                                             mm::PoolKind::AverageWithPads)),
       n.list("kernel", {size, 1}), n.list("strides", {1, 1}),
       n.list("pads", {0, 0, 0, 0}), n.list("dilations", {1, 1})});
  Tensor base = n.add(n.mul(n.reshape(mean, old), alpha), bias);
  n.set(0,
        n.div(x, n.binary<mm::PowOp>(base, n.scalar(beta, x.elementType()))));
}

ArrayRef<OperatorRow> normalizationOperators() {
  static const OperatorRow rows[] = {
      {"BatchNormalization", importBatchNorm},
      {"InstanceNormalization", importInstanceNorm},
      {"GroupNormalization", importGroupNorm},
      {"LayerNormalization", importLayerNorm},
      {"RMSNormalization", importRmsNorm},
      {"LpNormalization", importLpNorm},
      {"MeanVarianceNormalization", importMeanVarianceNorm},
      {"LRN", importLrn},
  };
  return rows;
}

} // namespace mmcc::import
