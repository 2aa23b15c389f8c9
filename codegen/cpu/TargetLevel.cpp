#include "codegen/cpu/TargetLevel.h"

#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"

#include <mutex>

namespace mmcc::cpu {

static constexpr TargetLevel kLevels[] = {
    {"x86-64-v3", "x86-64-v3", "", 8},
    {"x86-64-v3-avxvnni", "x86-64-v3", "+avxvnni", 8},
    {"x86-64-v4", "x86-64-v4", "", 16},
    {"x86-64-v4-vnni-bf16", "x86-64-v4", "+avx512vnni,+avx512bf16", 16},
    {"x86-64-v4-amx", "x86-64-v4",
     "+avx512vnni,+avx512bf16,+amx-tile,+amx-int8,+amx-bf16", 16},
};

const TargetLevel *findLevel(llvm::StringRef name) {
  for (const TargetLevel &level : kLevels)
    if (level.name == name)
      return &level;
  return nullptr;
}

std::unique_ptr<llvm::TargetMachine>
createTargetMachine(const TargetLevel &level, unsigned optLevel) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
  constexpr llvm::StringLiteral triple = "x86_64-unknown-linux-gnu";
  std::string error;
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return nullptr;
  llvm::TargetOptions options;
  llvm::CodeGenOptLevel effort = optLevel == 0 ? llvm::CodeGenOptLevel::None
                                 : optLevel < 3
                                     ? llvm::CodeGenOptLevel::Default
                                     : llvm::CodeGenOptLevel::Aggressive;
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, level.processor, level.features, options, llvm::Reloc::PIC_,
      llvm::CodeModel::Small, effort));
}

} // namespace mmcc::cpu
