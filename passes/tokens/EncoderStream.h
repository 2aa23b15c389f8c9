//===- EncoderStream.h - The layers that one row of tokens passes -*- C++
//-*-===//
//
// A layer is found from its attention: forth over views, the output projection
// and factors to the sum with the residual, and back from the queries to the
// same residual. Layers whose residuals depend on each other are a stream: an
// encoder. A model with two towers has two.
//
//     x ─┬─ norm ─ q, k, v ─ attention ─ linear ─ add ─► y ─ norm ─ mlp ─ ...
//        └────────────────────────────────────────┘
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_TOKENS_ENCODERSTREAM_H
#define MMCC_PASSES_TOKENS_ENCODERSTREAM_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/tokens/TokenFlow.h"

namespace mmcc {

struct EncoderLayer {
  mm::AttentionOp attention;
  /// The sum with the residual, and the other side of it.
  mm::AddOp sum;
  mlir::Value residual;
  /// The token dimension of the sum.
  int64_t axis;
};

struct EncoderStream {
  llvm::SmallVector<EncoderLayer> layers;
  TokenSet tokens;
  /// Why its tokens cannot merge, and the attention where this shows; empty if
  /// they can.
  std::string reason;
  mm::AttentionOp where;
};

/// All streams of a function, in the order of their first layers. Attention
/// that is no layer (tokens of one kind attend to others) belongs to none.
llvm::SmallVector<EncoderStream> findStreams(mlir::func::FuncOp func);

} // namespace mmcc

#endif // MMCC_PASSES_TOKENS_ENCODERSTREAM_H
