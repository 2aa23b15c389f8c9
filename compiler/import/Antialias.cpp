//===- Antialias.cpp - Making images smaller through a filter -------------===//
//
// A dimension becomes shorter by a factor: each element of the result is a sum
// of the same number of neighbours, whose places and weights are constants.
//
//     x [.., in, ..]  gather places [out, taps]   [.., out, taps, ..]
//                     * weights [out, taps, 1, ..], summed over taps
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Antialias.h"

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

/// Neighbours of all elements at most: more would be a mistake, or an attack.
constexpr int64_t kMostTaps = 1 << 22;

/// The coordinate in the input of element i of the result, by ONNX's formulas.
static double sourceOf(StringRef coordinates, double i, double in, double out,
                       double scale) {
  if (coordinates == "asymmetric")
    return i / scale;
  if (coordinates == "align_corners")
    return scale * in == 1 ? 0 : i * (in - 1) / (scale * in - 1);
  if (coordinates == "pytorch_half_pixel" && out == 1)
    return -0.5;
  double centre = (i + 0.5) / scale - 0.5;
  return coordinates == "half_pixel_symmetric"
             ? in / 2 * (1 - out / (scale * in)) + centre
             : centre;
}

/// The filter at a distance.
static double weightAt(double x, const Interpolation &how) {
  double d = std::fabs(x), a = how.cubicA;
  if (how.mode == "linear")
    return std::max(1 - d, 0.0);
  if (d <= 1)
    return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

Tensor shrink(Node &n, const Tensor &x, int64_t axis, double scale,
              const Dim &size, const Interpolation &how) {
  if (!x)
    return {};
  std::optional<int64_t> in = x.dim(axis).getConstant(),
                         out = size.getConstant();
  if (!in || !out || *in < 1)
    return n.fail("a filter for a size that is not fixed is not supported");
  // The filter reaches 1 or 2 elements of the result to either side.
  double reach = (how.mode == "linear" ? 1 : 2) / scale;
  if (!(reach * 2 * std::max<double>(double(*out), 1) < kMostTaps))
    return n.fail("the filter is absurdly wide");
  const int64_t before = int64_t(std::floor(-reach)) + 1, taps = 2 - 2 * before;
  SmallVector<int64_t> places;
  SmallVector<float> weights;
  for (int64_t i = 0; i < *out; ++i) {
    double at =
        sourceOf(how.coordinates, double(i), double(*in), double(*out), scale);
    // Of two neighbours that are as near the lower one counts as nearest.
    int64_t low = int64_t(std::ceil(at)) - 1;
    SmallVector<double> all;
    double sum = 0;
    for (int64_t place = low + before; place < low + before + taps; ++place) {
      bool isOutside = place < 0 || place >= *in;
      double weight = how.excludeOutside && isOutside
                          ? 0
                          : weightAt((double(place) - at) * scale, how);
      places.push_back(std::clamp<int64_t>(place, 0, *in - 1));
      all.push_back(weight);
      sum += weight;
    }
    for (double weight : all)
      weights.push_back(float(weight / sum));
  }
  Type f32 = Float32Type::get(n.context());
  Tensor indices = n.constant(DenseElementsAttr::get(
      RankedTensorType::get({*out, taps}, IntegerType::get(n.context(), 64)),
      ArrayRef<int64_t>(places)));
  Tensor filter = n.constant(DenseElementsAttr::get(
      RankedTensorType::get({*out, taps}, f32), ArrayRef<float>(weights)));
  Shape shape{n.dim(*out), n.dim(taps)};
  shape.append(x.rank() - axis - 1, n.dim(1));
  Tensor near = n.gather(x, indices, axis);
  return n.reduce(
      mm::ReduceKind::Sum,
      n.mul(near, n.castTo(n.reshape(filter, shape), x.elementType())),
      {axis + 1}, /*keep=*/false);
}

} // namespace mmcc::import
