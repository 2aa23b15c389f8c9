//===- ConvolutionOperators.cpp - Convolutions ----------------------------===//

#include "compiler/import/ElementType.h"
#include "compiler/import/Window.h"

using namespace mlir;
using mmcc::mm::Dim;
using mmcc::mm::Shape;

namespace mmcc::import {

/// The weight's spatial sizes; nothing after a failure.
static std::optional<SmallVector<int64_t>>
kernelOf(Node &n, const Tensor &input, const Tensor &weight) {
  if (input.rank() < 3 || weight.rank() != input.rank()) {
    n.fail("input and weight must have the same rank, at least 3");
    return std::nullopt;
  }
  if (!weight.type.hasStaticShape()) {
    n.fail("a weight without fixed sizes is not supported");
    return std::nullopt;
  }
  return SmallVector<int64_t>(weight.type.getShape().drop_front(2));
}

static std::optional<int64_t> groupsOf(Node &n) {
  int64_t groups = n.integer("group", 1);
  if (groups >= 1 && groups <= (1 << 20))
    return groups;
  n.fail("group = " + Twine(groups) + " is not a number of groups");
  return std::nullopt;
}

Tensor convolve(Node &n, const Tensor &input, const Tensor &weight,
                const Tensor &bias) {
  std::optional<int64_t> groups = groupsOf(n);
  if (!input || !weight || !groups)
    return {};
  auto kernel = kernelOf(n, input, weight);
  if (!kernel)
    return {};
  std::optional<Window> window = readWindow(n, input, *kernel);
  if (!window || !n.demandEqual(input.dim(1), weight.dim(1) * *groups,
                                "the channels of input and weight differ"))
    return {};
  return n.emit<mm::ConvOp>(
      {input, weight, bias},
      {n.list("strides", window->strides), n.list("pads", window->pads),
       n.list("dilations", window->dilations), n.named("groups", *groups)});
}

static void importConv(Node &n) {
  Tensor x = n.required(0), w = n.required(1), bias = n.input(2);
  n.set(0, convolve(n, x, w, bias));
}

static void importConvTranspose(Node &n) {
  Tensor x = n.required(0), w = n.required(1), bias = n.input(2);
  std::optional<int64_t> groups = groupsOf(n);
  if (!x || !w || !groups)
    return;
  auto kernel = kernelOf(n, x, w);
  if (!kernel)
    return;
  int64_t rank = kernel->size();
  std::optional<Window> window = readWindowShape(n, rank, *kernel);
  SmallVector<int64_t> zeros(2 * rank, 0);
  SmallVector<int64_t> pads = n.integerList("pads", zeros);
  SmallVector<int64_t> extra =
      n.integerList("output_padding", ArrayRef(zeros).take_front(rank));
  SmallVector<int64_t> wanted = n.integerList("output_shape");
  std::string autoPad = n.text("auto_pad", "NOTSET");
  if (!window)
    return;
  // Some models give the whole shape instead of the spatial part.
  if (int64_t(wanted.size()) == rank + 2)
    wanted.erase(wanted.begin(), wanted.begin() + 2);
  if (int64_t(pads.size()) != 2 * rank || int64_t(extra.size()) != rank ||
      (!wanted.empty() && int64_t(wanted.size()) != rank)) {
    n.fail("pads, output_padding or output_shape do not fit the input");
    return;
  }
  for (ArrayRef<int64_t> values :
       {ArrayRef(pads), ArrayRef(extra), ArrayRef(wanted)})
    for (int64_t value : values)
      if (value < 0 || value > (1 << 30)) {
        n.fail("pads, output_padding or output_shape hold " + Twine(value));
        return;
      }
  bool same = autoPad == "SAME_UPPER" || autoPad == "SAME_LOWER";
  if (autoPad == "VALID")
    pads = zeros;
  Shape shape = {x.dim(0), w.dim(1) * *groups};
  for (int64_t d = 0; d < rank; ++d) {
    Dim size = x.dim(d + 2);
    int64_t stride = window->strides[d];
    Dim full = (size - 1) * stride + (extra[d] + window->span(d));
    if (wanted.empty() && !same) {
      shape.push_back(full - (pads[d] + pads[d + rank]));
    } else {
      Dim target = wanted.empty() ? size * stride : n.dim(wanted[d]);
      std::optional<int64_t> total = (full - target).getConstant();
      if (!total) {
        n.fail("the pads depend on the size " + size.str());
        return;
      }
      total = std::max<int64_t>(*total, 0);
      int64_t less = *total / 2, more = *total - less;
      pads[d] = autoPad == "SAME_UPPER" ? less : more;
      pads[d + rank] = autoPad == "SAME_UPPER" ? more : less;
      shape.push_back(target);
    }
    if (!n.facts.demandAtMost(n.dim(0), shape.back())) {
      n.fail("the output size " + shape.back().str() + " is negative");
      return;
    }
  }
  if (!n.demandEqual(x.dim(1), w.dim(0),
                     "the channels of input and weight differ"))
    return;
  n.set(0, n.emitAs<mm::ConvTransposeOp>(
               mm::makeTensorType(shape, x.elementType()), {x, w, bias},
               {n.list("strides", window->strides), n.list("pads", pads),
                n.list("dilations", window->dilations),
                n.named("groups", *groups)}));
}

ArrayRef<OperatorRow> convolutionOperators() {
  static const OperatorRow rows[] = {
      {"Conv", importConv},
      {"ConvTranspose", importConvTranspose},
  };
  return rows;
}

} // namespace mmcc::import
