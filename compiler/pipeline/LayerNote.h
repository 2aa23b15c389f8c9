//===- LayerNote.h - An artifact's linear layers ----------------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_LAYERNOTE_H
#define MMCC_COMPILER_PIPELINE_LAYERNOTE_H

#include "mlir/IR/BuiltinOps.h"
#include "passes/quantize/CostModel.h"
#include <string>
#include <vector>

namespace mmcc {

/// The note that tells the extents of an artifact's linear layers, each once:
///
///     "128 x 768 x 3072, batch*sequence x 768 x 768"
inline constexpr char kLayerNote[] = "layers";

/// The note for a module before lowering; empty if it has none.
std::string noteLayers(mlir::ModuleOp module);

/// Reads it. Rows that are no number become 1, 16 and 128. Nothing if it is no
/// such note.
std::optional<std::vector<quantize::LayerExtents>>
parseLayers(llvm::StringRef note);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_LAYERNOTE_H
