//===- Heads.h - Channels as heads ------------------------------*- C++ -*-===//

#ifndef MMCC_COMPILER_IMPORT_HEADS_H
#define MMCC_COMPILER_IMPORT_HEADS_H

#include "compiler/import/Node.h"

namespace mmcc::import {

/// [batch, tokens, heads * dim] as [batch, heads, tokens, dim].
Tensor splitHeads(Node &n, const Tensor &x, int64_t heads);

/// The inverse.
Tensor mergeHeads(Node &n, const Tensor &x);

/// 0, 1, ... along `axis` of [batch, heads, q_tokens, kv_tokens].
Tensor pairPositions(Node &n, const mm::Dim &length, int64_t axis);

/// mm.rope of x [batch, heads, tokens, dim], whose cosines and sines are the
/// rows `ids` [batch or 1, tokens] of two tables [positions, dim / 2], or the
/// tables [batch or 1, tokens, dim / 2] themselves when `ids` is null.
Tensor rotate(Node &n, const Tensor &x, const Tensor &cos, const Tensor &sin,
              const Tensor &ids, int64_t rotaryDim, bool interleaved);

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_HEADS_H
