#include "codegen/cpu/TargetMachine.h"

#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"

#include <mutex>

namespace mmcc::cpu {

std::unique_ptr<llvm::TargetMachine> createTargetMachine(const Level &level,
                                                         unsigned optLevel) {
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
      triple, level.base, /*Features=*/"", options, llvm::Reloc::PIC_,
      llvm::CodeModel::Small, effort));
}

} // namespace mmcc::cpu
