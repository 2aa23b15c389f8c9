#include "codegen/cpu/KernelObjects.h"

#define MMCC_EMBED(SYMBOL, PATH)                                               \
  asm(".section .rodata\n.balign 16\n" #SYMBOL ":\n.incbin \"" PATH            \
      "\"\n" #SYMBOL "_end:\n.byte 0\n.previous\n");                           \
  extern "C" const char SYMBOL[];                                              \
  extern "C" const char SYMBOL##_end[];

MMCC_EMBED(mmcc_kernel_object_v3, MMCC_KERNEL_OBJECT_V3)
MMCC_EMBED(mmcc_kernel_object_v4, MMCC_KERNEL_OBJECT_V4)

namespace mmcc::cpu {

llvm::StringRef findKernelObject(llvm::StringRef level) {
  auto between = [](const char *begin, const char *end) {
    return llvm::StringRef(begin, end - begin);
  };
  if (level == "x86-64-v3")
    return between(mmcc_kernel_object_v3, mmcc_kernel_object_v3_end);
  if (level == "x86-64-v4")
    return between(mmcc_kernel_object_v4, mmcc_kernel_object_v4_end);
  return llvm::StringRef();
}

} // namespace mmcc::cpu
