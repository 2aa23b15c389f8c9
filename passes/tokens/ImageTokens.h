//===- ImageTokens.h - Where a decoder takes its image from -----*- C++ -*-===//
//
// A projector hands a decoder its image as tokens, which are joined with those
// of text, looked up in a table:
//
//     pixels ─ vision tower ─ projector ─► image tokens [batch, 576, d] ─┐
//                                                                        ├
//                                                                        concat
//     input_ids ─ lookup ───────────────► text tokens [batch, text, d] ──┘
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_PASSES_TOKENS_IMAGETOKENS_H
#define MMCC_PASSES_TOKENS_IMAGETOKENS_H

#include "dialects/mm/MM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <string>

namespace mmcc {

struct ImageTokens {
  /// [batch, count, dim] f32.
  mlir::Value value;
  int64_t count;
  mm::Dim batch;
};

/// The value at the input or node `at`, or, if that is empty, the only part of
/// a concatenation with text that is an image. Nothing, and why in `reason`, if
/// there is none or more than one. `mentioned` becomes true when something was
/// there that might have been meant.
std::optional<ImageTokens> findImageTokens(mlir::func::FuncOp func,
                                           llvm::StringRef at,
                                           std::string &reason,
                                           bool &mentioned);

} // namespace mmcc

#endif // MMCC_PASSES_TOKENS_IMAGETOKENS_H
