//===- Bitcode.cpp - The microkernels that mmcc carries -------------------===//

#include "codegen/cpu/kernels/Bitcode.h"

#define MMK_EMBED(SYMBOL, PATH)                                                \
  asm(".section .rodata\n.balign 16\n" #SYMBOL ":\n.incbin \"" PATH            \
      "\"\n" #SYMBOL "_end:\n.byte 0\n.previous\n");                           \
  extern "C" const unsigned char SYMBOL[];                                     \
  extern "C" const unsigned char SYMBOL##_end[];

MMK_EMBED(mmk_bitcode_v3, MMK_BITCODE_V3)
MMK_EMBED(mmk_bitcode_v4, MMK_BITCODE_V4)

namespace mmcc::cpu {

const BitcodeModule *findBitcode(std::string_view level) {
  static const BitcodeModule modules[] = {
      {"x86-64-v3", mmk_bitcode_v3,
       static_cast<size_t>(mmk_bitcode_v3_end - mmk_bitcode_v3)},
      {"x86-64-v4", mmk_bitcode_v4,
       static_cast<size_t>(mmk_bitcode_v4_end - mmk_bitcode_v4)},
  };
  for (const BitcodeModule &module : modules)
    if (module.level == level)
      return &module;
  return nullptr;
}

} // namespace mmcc::cpu
