//===- Window.h - Sliding windows of convolutions and pools -----*- C++ -*-===//

#ifndef MMCC_COMPILER_IMPORT_WINDOW_H
#define MMCC_COMPILER_IMPORT_WINDOW_H

#include "compiler/import/Node.h"

namespace mmcc::import {

/// Kernel, strides, dilations and pads of the spatial dimensions (those from 2
/// on), as ONNX's attributes give them with auto_pad resolved.
struct Window {
  llvm::SmallVector<int64_t> kernel, strides, dilations;
  /// All begins, then all ends.
  llvm::SmallVector<int64_t> pads;
  /// Sizes of the output.
  mm::Shape sizes;

  int64_t rank() const { return kernel.size(); }
  /// Elements that a window spans, holes included.
  int64_t span(int64_t d) const { return (kernel[d] - 1) * dilations[d] + 1; }
};

/// Reads strides, dilations, pads, auto_pad and ceil_mode for windows of
/// `kernel` over `input`; fails on what is inconsistent, absurdly large, or
/// depends on sizes in a way that has no expression.
std::optional<Window> readWindow(Node &node, const Tensor &input,
                                 llvm::ArrayRef<int64_t> kernel);

/// Reads strides, dilations and kernel_shape only; `kernel` is what the weight
/// says, or empty.
std::optional<Window> readWindowShape(Node &node, int64_t rank,
                                      llvm::ArrayRef<int64_t> kernel);

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_WINDOW_H
