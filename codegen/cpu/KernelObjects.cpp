#include "codegen/cpu/KernelObjects.h"

#define MMCC_LEVEL(symbol, name, base, lanes, forms)                           \
  asm(".section .rodata\n.balign 16\nmmcc_kernel_object_" #symbol              \
      ":\n.incbin \"" MMCC_KERNEL_OBJECTS "/kernels_" name                     \
      ".o\"\nmmcc_kernel_object_" #symbol "_end:\n.byte 0\n.previous\n");      \
  extern "C" const char mmcc_kernel_object_##symbol[];                         \
  extern "C" const char mmcc_kernel_object_##symbol##_end[];
#include "codegen/cpu/kernels/levels.inc"

namespace mmcc::cpu {

llvm::StringRef findKernelObject(llvm::StringRef level) {
#define MMCC_LEVEL(symbol, name, base, lanes, forms)                           \
  if (level == name)                                                           \
    return llvm::StringRef(mmcc_kernel_object_##symbol,                        \
                           mmcc_kernel_object_##symbol##_end -                 \
                               mmcc_kernel_object_##symbol);
#include "codegen/cpu/kernels/levels.inc"
  return llvm::StringRef();
}

} // namespace mmcc::cpu
