//===- SpatialOperators.cpp - Resizing and rearranging images -------------===//

#include "compiler/import/Antialias.h"
#include "compiler/import/ElementType.h"
#include "compiler/import/Node.h"
#include <cmath>

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

namespace {
struct ResizeTarget {
  Shape shape;
  SmallVector<double> scales;
};
} // namespace

/// floor(size * scale), for a size without a fixed value too if the scale is a
/// short binary fraction.
static std::optional<Dim> scaled(Node &n, const Dim &size, double scale) {
  if (std::optional<int64_t> fixed = size.getConstant()) {
    double result = std::floor(*fixed * scale);
    if (result >= 0 && result < double(int64_t(1) << 31))
      return n.dim(static_cast<int64_t>(result));
    n.fail("the output size is absurdly large");
    return std::nullopt;
  }
  for (int64_t denominator = 1; denominator <= 1024; denominator *= 2) {
    double numerator = scale * denominator;
    if (numerator == std::floor(numerator) && numerator < (1 << 24))
      return (size * static_cast<int64_t>(numerator)).floorDiv(denominator);
  }
  n.fail("scaling the size " + size.str() + " by " + std::to_string(scale) +
         " has no expression");
  return std::nullopt;
}

/// The ratio of two sizes, if it does not depend on them.
static std::optional<double> ratio(const Dim &to, const Dim &from) {
  if (to == from)
    return 1;
  if (to.getConstant() && from.getConstant())
    return double(*to.getConstant()) / double(*from.getConstant());
  if (std::optional<Dim> up = to.exactDiv(from))
    if (std::optional<int64_t> whole = up->getConstant())
      return double(*whole);
  if (std::optional<Dim> down = from.exactDiv(to))
    if (std::optional<int64_t> whole = down->getConstant())
      return 1.0 / double(*whole);
  return std::nullopt;
}

static std::optional<ResizeTarget> fromScales(Node &n, const Tensor &x,
                                              ArrayRef<double> scales,
                                              ArrayRef<int64_t> axes) {
  ResizeTarget target{x.shape(), SmallVector<double>(x.rank(), 1.0)};
  if (scales.size() != axes.size()) {
    n.fail("there must be one scale for each axis");
    return std::nullopt;
  }
  for (auto [scale, axis] : llvm::zip(scales, axes)) {
    if (!(scale > 0)) {
      n.fail("a scale is not positive");
      return std::nullopt;
    }
    std::optional<Dim> size = scaled(n, x.dim(axis), scale);
    if (!size)
      return std::nullopt;
    target.shape[axis] = *size;
    target.scales[axis] = scale;
  }
  return target;
}

static std::optional<ResizeTarget> fromSizes(Node &n, const Tensor &x,
                                             const Shape &sizes,
                                             ArrayRef<int64_t> axes,
                                             StringRef policy) {
  ResizeTarget target{x.shape(), SmallVector<double>(x.rank(), 1.0)};
  if (sizes.size() != axes.size()) {
    n.fail("there must be one size for each axis");
    return std::nullopt;
  }
  std::optional<double> common;
  for (auto [size, axis] : llvm::zip(sizes, axes)) {
    std::optional<double> scale = ratio(size, x.dim(axis));
    if (!scale || !(*scale > 0)) {
      n.fail("the ratio of " + size.str() + " to " + x.dim(axis).str() +
             " is not a fixed positive number");
      return std::nullopt;
    }
    target.shape[axis] = size;
    target.scales[axis] = *scale;
    if (policy != "stretch")
      common = !common                  ? *scale
               : policy == "not_larger" ? std::min(*common, *scale)
                                        : std::max(*common, *scale);
  }
  if (common)
    for (int64_t axis : axes) {
      std::optional<int64_t> fixed = x.dim(axis).getConstant();
      if (!fixed) {
        n.fail("keeping the aspect ratio of a size that is not fixed is not "
               "supported");
        return std::nullopt;
      }
      target.shape[axis] =
          n.dim(static_cast<int64_t>(std::floor(*fixed * *common + 0.5)));
      target.scales[axis] = *common;
    }
  return target;
}

static Tensor resize(Node &n, const Tensor &x, const ResizeTarget &target,
                     const Interpolation &how, StringRef rounding) {
  return n.emitAs<mm::ResizeOp>(
      mm::makeTensorType(target.shape, x.elementType()), x,
      {n.string("mode", how.mode), n.string("coordinates", how.coordinates),
       n.string("rounding", rounding),
       n.named("scales", DenseF64ArrayAttr::get(n.context(), target.scales)),
       n.real("cubic_a", how.cubicA),
       n.flag("exclude_outside", how.excludeOutside)});
}

/// Dimensions that become shorter go through a filter; those that become longer
/// have none.
static Tensor resizeFiltered(Node &n, const Tensor &given, ResizeTarget target,
                             const Interpolation &how, StringRef rounding) {
  Type type = given.elementType();
  Tensor x =
      isFloat(type) ? given : n.castTo(given, Float32Type::get(n.context()));
  for (int64_t d = 0; d < given.rank(); ++d)
    if (target.scales[d] < 1) {
      x = shrink(n, x, d, target.scales[d], target.shape[d], how);
      target.scales[d] = 1;
    }
  if (x && llvm::any_of(target.scales, [](double s) { return s != 1; }))
    x = resize(n, x, target, how, rounding);
  return x && !isFloat(type) ? n.castTo(x, type) : x;
}

static void importUpsample(Node &n) {
  Tensor x = n.required(0);
  std::string mode = n.text("mode", "nearest");
  SmallVector<double> scales;
  if (n.hasAttribute("scales"))
    scales = n.numberList("scales");
  else if (auto given = n.inputReals(1, "the scales"))
    scales = *given;
  if (!x || n.hasFailed())
    return;
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, x.rank()));
  std::optional<ResizeTarget> target = fromScales(n, x, scales, axes);
  if (target)
    n.set(0,
          resize(n, x, *target, {mode, "asymmetric", -0.75, false}, "floor"));
}

static void importResize(Node &n) {
  if (n.opset() < 11) {
    importUpsample(n);
    return;
  }
  Tensor x = n.required(0);
  std::string mode = n.text("mode", "nearest");
  std::string coordinates =
      n.text("coordinate_transformation_mode", "half_pixel");
  std::string rounding = n.text("nearest_mode", "round_prefer_floor");
  std::string policy = n.text("keep_aspect_ratio_policy", "stretch");
  double cubicA = n.number("cubic_coeff_a", -0.75);
  bool exclude = n.integer("exclude_outside", 0) != 0;
  bool antialias = n.integer("antialias", 0) != 0;
  SmallVector<int64_t> given = n.integerList("axes");
  // The region and the value around it are tf_crop_and_resize's only.
  n.ignore({"extrapolation_value"});
  n.ignoreInput(1);
  if (!x)
    return;
  if (coordinates == "tf_crop_and_resize") {
    n.fail("tf_crop_and_resize is not supported");
    return;
  }
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, x.rank()));
  if (!given.empty()) {
    axes.clear();
    for (int64_t one : given) {
      std::optional<int64_t> axis = n.axis(one, x.rank());
      if (!axis)
        return;
      axes.push_back(*axis);
    }
  }
  std::optional<ResizeTarget> target;
  Tensor scaleInput = n.input(2);
  if (scaleInput &&
      !(scaleInput.rank() == 1 && scaleInput.dim(0).isConstant(0))) {
    n.ignoreInput(3);
    if (auto scales = n.inputReals(2, "the scales"))
      target = fromScales(n, x, *scales, axes);
  } else if (auto sizes = n.inputDims(3, "the sizes")) {
    target = fromSizes(n, x, *sizes, axes, policy);
  }
  if (!target)
    return;
  Interpolation how{mode, coordinates, cubicA, exclude};
  bool isFiltered = antialias && (mode == "linear" || mode == "cubic");
  n.set(0, isFiltered ? resizeFiltered(n, x, *target, how, rounding)
                      : resize(n, x, *target, how, rounding));
}

static void importDepthToSpace(Node &n) {
  Tensor x = n.required(0);
  int64_t block = n.integer("blocksize", 0);
  std::string mode = n.text("mode", "DCR");
  if (!x)
    return;
  std::optional<Dim> depth = x.rank() == 4 && block >= 1 && block < (1 << 16)
                                 ? x.dim(1).exactDiv(n.dim(block * block))
                                 : std::nullopt;
  if (!depth || (mode != "DCR" && mode != "CRD")) {
    n.fail("blocksize or mode do not fit the input");
    return;
  }
  Dim b = n.dim(block);
  bool depthFirst = mode == "DCR";
  Shape split = depthFirst ? Shape{x.dim(0), b, b, *depth, x.dim(2), x.dim(3)}
                           : Shape{x.dim(0), *depth, b, b, x.dim(2), x.dim(3)};
  SmallVector<int64_t> order = depthFirst
                                   ? SmallVector<int64_t>{0, 3, 4, 1, 5, 2}
                                   : SmallVector<int64_t>{0, 1, 4, 2, 5, 3};
  n.set(0, n.reshape(n.transpose(n.reshape(x, split), order),
                     {x.dim(0), *depth, x.dim(2) * b, x.dim(3) * b}));
}

static void importSpaceToDepth(Node &n) {
  Tensor x = n.required(0);
  int64_t block = n.integer("blocksize", 0);
  if (!x)
    return;
  std::optional<Dim> height, width;
  if (x.rank() == 4 && block >= 1 && block < (1 << 16)) {
    height = x.dim(2).exactDiv(n.dim(block));
    width = x.dim(3).exactDiv(n.dim(block));
  }
  if (!height || !width) {
    n.fail("blocksize does not divide the image");
    return;
  }
  Dim b = n.dim(block);
  Tensor split = n.reshape(x, {x.dim(0), x.dim(1), *height, b, *width, b});
  n.set(0, n.reshape(n.transpose(split, {0, 3, 5, 1, 2, 4}),
                     {x.dim(0), x.dim(1) * (block * block), *height, *width}));
}

ArrayRef<OperatorRow> spatialOperators() {
  static const OperatorRow rows[] = {
      {"Resize", importResize},
      {"Upsample", importUpsample},
      {"DepthToSpace", importDepthToSpace},
      {"SpaceToDepth", importSpaceToDepth},
  };
  return rows;
}

} // namespace mmcc::import
