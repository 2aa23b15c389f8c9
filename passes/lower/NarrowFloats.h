//===- NarrowFloats.h - Anchors that compute in f32 -------------*- C++ -*-===//

#ifndef MMCC_PASSES_LOWER_NARROWFLOATS_H
#define MMCC_PASSES_LOWER_NARROWFLOATS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mmcc::lower {

/// Attention on f16, bf16 or f64 becomes f32 attention between casts. Products
/// and convolutions of such types need no change: their loops widen.
void widenAnchors(mlir::func::FuncOp func);

} // namespace mmcc::lower

#endif // MMCC_PASSES_LOWER_NARROWFLOATS_H
