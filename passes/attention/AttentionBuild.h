//===- AttentionBuild.h - Makes mm.attention from its pieces ----*- C++ -*-===//

#ifndef MMCC_PASSES_ATTENTION_ATTENTIONBUILD_H
#define MMCC_PASSES_ATTENTION_ATTENTIONBUILD_H

#include "mlir/IR/PatternMatch.h"
#include "passes/attention/AttentionMatch.h"

namespace mmcc {

/// Replaces the match's root by an mm.attention, which is returned, and the
/// views around it; null, and nothing replaced, where batch and heads cannot
/// be told apart with a static number of heads.
mm::AttentionOp buildAttention(mlir::RewriterBase &rewriter,
                               const AttentionMatch &match);

} // namespace mmcc

#endif // MMCC_PASSES_ATTENTION_ATTENTIONBUILD_H
