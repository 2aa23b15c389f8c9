// What LLD asks LLVM for and mmcc never uses: its linker for ELF names all
// targets and, for LTO, Polly. With them mmcc would be twice as large.

#include "llvm/Passes/PassPlugin.h"

llvm::PassPluginLibraryInfo getPollyPluginInfo() { return {}; }

#define WITHOUT(target)                                                        \
  extern "C" void LLVMInitialize##target##TargetInfo() {}                      \
  extern "C" void LLVMInitialize##target##Target() {}                          \
  extern "C" void LLVMInitialize##target##TargetMC() {}                        \
  extern "C" void LLVMInitialize##target##AsmPrinter() {}                      \
  extern "C" void LLVMInitialize##target##AsmParser() {}

WITHOUT(AArch64)
WITHOUT(AMDGPU)
WITHOUT(ARM)
WITHOUT(AVR)
WITHOUT(BPF)
WITHOUT(Hexagon)
WITHOUT(Lanai)
WITHOUT(LoongArch)
WITHOUT(M68k)
WITHOUT(MSP430)
WITHOUT(Mips)
WITHOUT(NVPTX)
WITHOUT(PowerPC)
WITHOUT(RISCV)
WITHOUT(Sparc)
WITHOUT(SystemZ)
WITHOUT(VE)
WITHOUT(WebAssembly)
WITHOUT(XCore)
WITHOUT(Xtensa)
