//===- SpectralOperators.cpp - Fourier transforms, mel filters, windows ---===//
//
// A transform of a fixed length is a product with a constant matrix, and a
// short-time one a convolution whose filters are that matrix times the window:
// they run where products and convolutions do.
//
//     DFT   x [.., n, 1 or 2]      matmul [n * 1 or 2, bins * 2]
//     STFT  x [batch, 1 or 2, n]   conv   [bins * 2, 1 or 2, frame], a stride
//                                         of the step
//
//===----------------------------------------------------------------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Node.h"
#include <cmath>

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

static constexpr double kPi = 3.14159265358979323846;
/// Numbers of a matrix at most (256 MB): longer transforms are for an FFT.
static constexpr int64_t kMostNumbers = int64_t(1) << 26;
/// Elements of a window, and bands of a filter, at most.
static constexpr int64_t kMostElements = 1 << 24;

/// A constant of this element type.
static Tensor numbers(Node &n, ArrayRef<int64_t> shape,
                      const std::vector<float> &values, Type type) {
  auto attribute = DenseElementsAttr::get(
      RankedTensorType::get(shape, Float32Type::get(n.context())),
      ArrayRef<float>(values));
  return n.castTo(n.constant(attribute), type);
}

/// What number (k, part) of a signal of `channels` parts, real and imaginary,
/// adds to number (bin, part) of its transform: a rotation by the angle.
static double basisAt(int64_t length, int64_t k, int64_t from, int64_t bin,
                      int64_t to) {
  // In whole steps: products of large numbers lose no digits.
  double angle = 2 * kPi * double(k * bin % length) / double(length);
  return from == to  ? std::cos(angle)
         : from < to ? -std::sin(angle)
                     : std::sin(angle);
}

/// The last dimension of a signal: 1 if it is real, 2 if it is complex.
static std::optional<int64_t> channelsOf(Node &n, const Tensor &x) {
  std::optional<int64_t> channels;
  if (x.rank() >= 2)
    channels = x.dim(x.rank() - 1).getConstant();
  if (channels && (*channels == 1 || *channels == 2))
    return channels;
  n.fail("the last dimension of the signal is neither 1 nor 2");
  return std::nullopt;
}

/// A scalar input that is a constant in [1, most].
static std::optional<int64_t> positiveInput(Node &n, size_t index,
                                            StringRef what, int64_t most) {
  auto values = n.inputIntegers(index, what);
  if (!values)
    return std::nullopt;
  if (values->size() == 1 && (*values)[0] >= 1 && (*values)[0] <= most)
    return (*values)[0];
  n.fail(what + " is no number from 1 to " + Twine(most));
  return std::nullopt;
}

static void importDFT(Node &n) {
  Tensor x = n.required(0);
  bool onesided = n.integer("onesided", 0) != 0;
  if (n.integer("inverse", 0) != 0) {
    n.fail("the inverse transform is not supported");
    return;
  }
  int64_t given = n.opset() < 20 ? n.integer("axis", 1) : -2;
  if (n.opset() >= 20 && n.hasInput(2)) {
    auto axes = n.inputIntegers(2, "the axis");
    if (!axes)
      return;
    given = axes->size() == 1 ? (*axes)[0] : n.opset() << 8;
  }
  if (!x)
    return;
  std::optional<int64_t> channels = channelsOf(n, x);
  std::optional<int64_t> axis = n.axis(given, x.rank());
  if (!channels || !axis)
    return;
  std::optional<int64_t> size = x.dim(*axis).getConstant(), length = size;
  if (n.hasInput(1) &&
      !(length = positiveInput(n, 1, "the length", kMostElements)))
    return;
  if (*axis == x.rank() - 1 || !size || *size < 1 ||
      !isFloat(x.elementType())) {
    n.fail("the signal is not one of floats whose length is fixed");
    return;
  }
  if (onesided && *channels == 2) {
    n.fail("one side of the transform of a complex signal is not supported");
    return;
  }
  // What is cut off is not read, what is missing is zero.
  int64_t count = std::min(*size, *length);
  int64_t bins = onesided ? *length / 2 + 1 : *length;
  if (count * *channels > kMostNumbers / (bins * 2)) {
    n.fail("a transform of " + Twine(*length) + " numbers is not supported");
    return;
  }
  std::vector<float> values;
  values.reserve(count * *channels * bins * 2);
  for (int64_t k = 0; k < count; ++k)
    for (int64_t from = 0; from < *channels; ++from)
      for (int64_t bin = 0; bin < bins; ++bin)
        for (int64_t to : {0, 1})
          values.push_back(float(basisAt(*length, k, from, bin, to)));
  Tensor matrix =
      numbers(n, {count * *channels, bins * 2}, values, x.elementType());

  int64_t last = x.rank() - 1;
  SmallVector<int64_t> order, back(x.rank());
  Shape outer;
  for (int64_t d = 0; d < last; ++d)
    if (d != *axis) {
      order.push_back(d);
      outer.push_back(x.dim(d));
    }
  order.append({*axis, last});
  for (auto [position, d] : llvm::enumerate(order))
    back[d] = int64_t(position);
  if (count < *size)
    x = n.sliceAlong(x, *axis, n.dim(0), n.dim(count));
  Shape rows = outer, result = outer;
  if (rows.empty())
    rows.push_back(n.dim(1));
  rows.push_back(n.dim(count * *channels));
  result.append({n.dim(bins), n.dim(2)});
  Tensor signal = n.reshape(n.transpose(x, order), rows);
  n.set(0, n.transpose(n.reshape(n.matmul(signal, matrix), result), back));
}

static void importSTFT(Node &n) {
  Tensor signal = n.required(0), window = n.input(2);
  bool onesided = n.integer("onesided", 1) != 0;
  auto step = positiveInput(n, 1, "the step", kMostElements);
  if (!signal || !step)
    return;
  std::optional<int64_t> frame;
  if (n.hasInput(3)) {
    if (!(frame = positiveInput(n, 3, "the frame's length", kMostElements)))
      return;
  } else if (window && window.rank() == 1) {
    frame = window.dim(0).getConstant();
  }
  if (!frame || *frame < 1 ||
      (window && !(window.rank() == 1 && window.dim(0).isConstant(*frame)))) {
    n.fail("the window is not as long as a frame, or of no fixed length");
    return;
  }
  if (signal.rank() == 2)
    signal = n.unsqueeze(signal, {2});
  std::optional<int64_t> channels = channelsOf(n, signal);
  if (!channels)
    return;
  if (signal.rank() != 3 || !isFloat(signal.elementType()) ||
      (onesided && *channels == 2)) {
    n.fail("the signal is not [batch, length, 1] of floats, nor complex with "
           "both sides wanted");
    return;
  }
  int64_t bins = onesided ? *frame / 2 + 1 : *frame;
  if (*frame * *channels > kMostNumbers / (bins * 2)) {
    n.fail("frames of " + Twine(*frame) + " numbers are not supported");
    return;
  }
  if (!n.facts.demandAtMost(n.dim(*frame), signal.dim(1))) {
    n.fail("the signal is shorter than a frame");
    return;
  }
  std::vector<float> values;
  values.reserve(*frame * *channels * bins * 2);
  for (int64_t bin = 0; bin < bins; ++bin)
    for (int64_t to : {0, 1})
      for (int64_t from = 0; from < *channels; ++from)
        for (int64_t k = 0; k < *frame; ++k)
          values.push_back(float(basisAt(*frame, k, from, bin, to)));
  Tensor filters =
      numbers(n, {bins * 2, *channels, *frame}, values, signal.elementType());
  if (window)
    filters = n.mul(filters, n.reshape(n.castTo(window, signal.elementType()),
                                       {n.dim(1), n.dim(1), n.dim(*frame)}));
  Tensor found =
      n.emit<mm::ConvOp>({n.transposeLast(signal), filters, Tensor()},
                         {n.list("strides", {*step}), n.list("pads", {0, 0}),
                          n.list("dilations", {1}), n.named("groups", 1)});
  if (!found)
    return;
  Tensor parts =
      n.reshape(found, {found.dim(0), n.dim(bins), n.dim(2), found.dim(2)});
  n.set(0, n.transpose(parts, {0, 3, 1, 2}));
}

/// A window by its first terms: a - b cos(2 pi i / n) + c cos(4 pi i / n).
template <int A, int B, int C, int Of> static void importWindow(Node &n) {
  auto size = positiveInput(n, 0, "the size", kMostElements);
  bool periodic = n.integer("periodic", 1) != 0;
  Type type =
      elementTypeFor(int32_t(n.integer("output_datatype", 1)), n.context());
  if (!size)
    return;
  if (!type || !isFloat(type)) {
    n.fail("the element type is not supported");
    return;
  }
  double period = double(periodic ? *size : *size - 1);
  std::vector<float> values;
  for (int64_t i = 0; i < *size; ++i) {
    double angle = period ? 2 * kPi * double(i) / period : 0;
    values.push_back(
        float((A - B * std::cos(angle) + C * std::cos(2 * angle)) / Of));
  }
  n.set(0, numbers(n, {*size}, values, type));
}

static void importMelWeightMatrix(Node &n) {
  auto bands = positiveInput(n, 0, "the number of bands", kMostElements);
  auto length = positiveInput(n, 1, "the length", kMostElements);
  auto rate = positiveInput(n, 2, "the sample rate", int64_t(1) << 31);
  auto low = n.inputReals(3, "the lower edge");
  auto high = n.inputReals(4, "the upper edge");
  Type type =
      elementTypeFor(int32_t(n.integer("output_datatype", 1)), n.context());
  if (!bands || !length || !rate || !low || !high)
    return;
  int64_t bins = *length / 2 + 1;
  if (!type || !isFloat(type) || low->size() != 1 || high->size() != 1 ||
      bins > kMostNumbers / *bands) {
    n.fail("the element type is not supported, or the matrix absurdly large");
    return;
  }
  auto melOf = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  double lowest = melOf((*low)[0]), highest = melOf((*high)[0]);
  double apart = (highest - lowest) / double(*bands + 2);
  // Edges of the triangles as bins.
  SmallVector<int64_t> edges;
  for (int64_t i = 0; i < *bands + 2; ++i) {
    double hertz =
        700 * (std::pow(10, (lowest + double(i) * apart) / 2595) - 1);
    double bin = std::floor(double(*length + 1) * hertz / double(*rate));
    if (!(bin >= 0 && bin < double(bins))) {
      n.fail("an edge lies outside of what the sample rate holds");
      return;
    }
    edges.push_back(int64_t(bin));
  }
  std::vector<float> values(bins * *bands);
  for (int64_t band = 0; band < *bands; ++band) {
    int64_t left = edges[band], centre = edges[band + 1],
            right = edges[band + 2];
    auto set = [&](int64_t bin, double value) {
      values[bin * *bands + band] = float(value);
    };
    if (left == centre)
      set(centre, 1);
    for (int64_t bin = left; left < centre && bin <= centre; ++bin)
      set(bin, double(bin - left) / double(centre - left));
    for (int64_t bin = centre; bin < right; ++bin)
      set(bin, double(right - bin) / double(right - centre));
  }
  n.set(0, numbers(n, {bins, *bands}, values, type));
}

ArrayRef<OperatorRow> spectralOperators() {
  static const OperatorRow rows[] = {
      {"DFT", importDFT},
      {"STFT", importSTFT},
      {"MelWeightMatrix", importMelWeightMatrix},
      {"HannWindow", importWindow<1, 1, 0, 2>},
      {"HammingWindow", importWindow<25, 21, 0, 46>},
      {"BlackmanWindow", importWindow<42, 50, 8, 100>},
  };
  return rows;
}

} // namespace mmcc::import
