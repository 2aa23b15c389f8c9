//===- Stage.cpp - The seven stages' names --------------------------------===//

#include "compiler/pipeline/Stage.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringExtras.h"

using namespace mmcc;

static constexpr llvm::StringLiteral kNames[kStageCount] = {
    "import", "simplify", "optimize", "quantize", "lower", "schedule", "emit"};

llvm::StringRef mmcc::getName(Stage stage) {
  return kNames[static_cast<int>(stage)];
}

std::optional<Stage> mmcc::parseStage(llvm::StringRef name) {
  for (int i = 0; i < kStageCount; ++i)
    if (kNames[i] == name)
      return static_cast<Stage>(i);
  return std::nullopt;
}

std::string mmcc::listStages() {
  return llvm::join(llvm::ArrayRef(kNames), ", ");
}
