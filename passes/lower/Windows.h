//===- Windows.h - What convolutions and pools share ------------*- C++ -*-===//

#ifndef MMCC_PASSES_LOWER_WINDOWS_H
#define MMCC_PASSES_LOWER_WINDOWS_H

#include "passes/lower/Kernel.h"

namespace mmcc::lower {

/// Which dimension of input and result is which.
struct Layout {
  unsigned spatial;
  bool channelsLast;

  unsigned channel() const { return channelsLast ? spatial + 1 : 1; }
  unsigned space(unsigned i) const { return channelsLast ? 1 + i : 2 + i; }
};

mlir::Type elementOf(mlir::Value tensor);
mlir::Value zeroOf(Element &e, mlir::Type type);

/// The element of `tensor` at `at`, or `fill` where one of the indices `dims`
/// is outside of its size.
mlir::Value guarded(Element &e, mlir::Value tensor,
                    llvm::SmallVector<mlir::AffineExpr> at,
                    llvm::ArrayRef<unsigned> dims, llvm::ArrayRef<Dim> sizes,
                    mlir::Value fill);

/// The input with contiguous channels; copied into [batch, space..., C] if its
/// memory has another order.
View channelsLastView(Lowering &lowering, mlir::Value input,
                      const Layout &layout);

/// One launch of conv_f32, conv_bf16 or, with a filter [taps, C], of
/// depthwise_f32, over [batch, H, W, C] at strides of `input`.
struct ConvCall {
  mlir::Value filter;
  bool depthwise;
  /// conv_bf16 instead of conv_f32.
  bool rounds = false;
  /// On a GPU: in tf32, with a filter in columns.
  bool isTf32 = false;
  View input;
  /// In elements, of `input`.
  Dim rowStride, columnStride;
  Dim batch, H, W, C, OH, OW, N;
  int64_t groups, KH, KW, strideH, strideW, dilationH, dilationW, padTop,
      padLeft;
};

/// A call over an input of sizes `x` for a result of sizes `out`, both in
/// `layout`: everything but filter, window and the result's own space.
ConvCall makeConvCall(Lowering &lowering, const View &input,
                      llvm::ArrayRef<Dim> x, llvm::ArrayRef<Dim> out,
                      const Layout &layout, int64_t groups);

/// Has `post` take its value, and the channel's bias if there is one, for the
/// elements of `result`.
void defineBiased(Element &post, mlir::Value result, mlir::Value bias,
                  const Layout &layout);

/// Emits the launch. `store` fills the post block, whose indices are (batch,
/// pixel, channel) and whose value is the sum.
void emitConv(Lowering &lowering, mlir::Location loc, const ConvCall &call,
              llvm::function_ref<void(Element &post)> store);

} // namespace mmcc::lower

#endif // MMCC_PASSES_LOWER_WINDOWS_H
