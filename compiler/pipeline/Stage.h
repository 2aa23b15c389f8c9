//===- Stage.h - The seven stages -------------------------------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_STAGE_H
#define MMCC_COMPILER_PIPELINE_STAGE_H

#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace mmcc {

/// In the order in which they run. Up to `quantize` the IR is in `mm`, after
/// `lower` in `plan`.
enum class Stage {
  import,
  simplify,
  optimize,
  quantize,
  lower,
  schedule,
  emit
};

inline constexpr int kStageCount = 7;

llvm::StringRef getName(Stage stage);
std::optional<Stage> parseStage(llvm::StringRef name);
/// "import, simplify, ...", for messages.
std::string listStages();

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_STAGE_H
