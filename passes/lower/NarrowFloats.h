//===- NarrowFloats.h - Anchors that compute in f32 -------------*- C++ -*-===//

#ifndef MMCC_PASSES_LOWER_NARROWFLOATS_H
#define MMCC_PASSES_LOWER_NARROWFLOATS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mmcc::lower {

/// For a GPU: attention and convolutions that may round what they read to 16
/// bits read these, half the bytes, where whoever makes it can store it so.
///
///     %q = slice %qkv ─┐                     %n = cast %qkv to bf16
///     %k = slice %qkv  ├─ attention    ─►    %q = slice %n ─┐
///     %v = slice %qkv ─┘                     ...            ├─ attention
void narrowOperands(mlir::func::FuncOp func);

/// Attention on f16, bf16 or f64 becomes f32 attention between casts. Products
/// and convolutions of such types need no change: their loops widen.
void widenAnchors(mlir::func::FuncOp func);

} // namespace mmcc::lower

#endif // MMCC_PASSES_LOWER_NARROWFLOATS_H
