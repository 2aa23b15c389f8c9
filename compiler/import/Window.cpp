//===- Window.cpp - Sliding windows of convolutions and pools -------------===//

#include "compiler/import/Window.h"

using namespace mlir;
using mmcc::mm::Dim;

namespace mmcc::import {

/// Larger windows, strides and pads are refused, so that no product of them
/// can overflow.
static constexpr int64_t kLargest = 1 << 20;

std::optional<Window> readWindowShape(Node &n, int64_t rank,
                                      ArrayRef<int64_t> kernel) {
  Window window;
  SmallVector<int64_t> ones(rank, 1);
  window.kernel = n.integerList("kernel_shape", kernel);
  window.strides = n.integerList("strides", ones);
  window.dilations = n.integerList("dilations", ones);
  if (rank < 1 || window.rank() != rank ||
      int64_t(window.strides.size()) != rank ||
      int64_t(window.dilations.size()) != rank ||
      (!kernel.empty() && ArrayRef(window.kernel) != kernel)) {
    n.fail("kernel_shape, strides or dilations do not fit the input");
    return std::nullopt;
  }
  for (ArrayRef<int64_t> values :
       {ArrayRef(window.kernel), ArrayRef(window.strides),
        ArrayRef(window.dilations)})
    for (int64_t value : values)
      if (value < 1 || value > kLargest) {
        n.fail("kernel_shape, strides or dilations hold " + Twine(value));
        return std::nullopt;
      }
  return window;
}

std::optional<Window> readWindow(Node &n, const Tensor &input,
                                 ArrayRef<int64_t> kernel) {
  int64_t rank = input.rank() - 2;
  std::string autoPad = n.text("auto_pad", "NOTSET");
  bool ceilMode = n.integer("ceil_mode", 0) != 0;
  SmallVector<int64_t> zeros(std::max<int64_t>(2 * rank, 0), 0);
  SmallVector<int64_t> pads = n.integerList("pads", zeros);
  std::optional<Window> window = readWindowShape(n, rank, kernel);
  if (!window)
    return std::nullopt;
  if (pads.size() != zeros.size()) {
    n.fail("pads do not fit the input");
    return std::nullopt;
  }
  for (int64_t pad : pads)
    if (pad < 0 || pad > kLargest) {
      n.fail("pads hold " + Twine(pad));
      return std::nullopt;
    }
  bool same = autoPad == "SAME_UPPER" || autoPad == "SAME_LOWER";
  if (!same && autoPad != "NOTSET" && autoPad != "VALID" && !autoPad.empty()) {
    n.fail("auto_pad = '" + autoPad + "' is not supported");
    return std::nullopt;
  }
  window->pads = autoPad == "NOTSET" || autoPad.empty() ? pads : zeros;
  for (int64_t d = 0; d < rank; ++d) {
    Dim size = input.dim(d + 2);
    int64_t span = window->span(d), stride = window->strides[d];
    if (same) {
      // As many windows as strides fit, and the pads that this takes.
      Dim count = size.ceilDiv(stride);
      int64_t total = span - 1;
      if (stride != 1) {
        std::optional<int64_t> fixed = size.getConstant();
        if (!fixed) {
          n.fail("auto_pad of a dimension without a fixed size, with a stride, "
                 "is not supported");
          return std::nullopt;
        }
        total = std::max<int64_t>(
            (*count.getConstant() - 1) * stride + span - *fixed, 0);
      }
      int64_t less = total / 2, more = total - less;
      window->pads[d] = autoPad == "SAME_UPPER" ? less : more;
      window->pads[d + rank] = autoPad == "SAME_UPPER" ? more : less;
      window->sizes.push_back(count);
      continue;
    }
    Dim room = size + (window->pads[d] + window->pads[d + rank] - span);
    Dim count = (ceilMode ? room.ceilDiv(stride) : room.floorDiv(stride)) + 1;
    if (ceilMode) {
      // A window that would start behind the image does not count.
      std::optional<bool> starts =
          n.facts.less((count - 1) * stride, size + window->pads[d]);
      if (!starts && window->pads[d + rank] + stride <= span)
        starts = true;
      if (!starts) {
        n.fail("the number of windows, rounded up, has no expression over " +
               size.str());
        return std::nullopt;
      }
      if (!*starts)
        count = count - 1;
    }
    if (!n.facts.demandAtMost(n.dim(0), room)) {
      n.fail("the window is larger than the padded dimension " + size.str());
      return std::nullopt;
    }
    window->sizes.push_back(count);
  }
  return window;
}

} // namespace mmcc::import
