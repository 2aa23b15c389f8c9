//===- Bitcode.h - The microkernels that mmcc carries -----------*- C++ -*-===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_BITCODE_H
#define MMCC_CODEGEN_CPU_KERNELS_BITCODE_H

#include <cstddef>
#include <string_view>

namespace mmcc::cpu {

/// LLVM bitcode of all microkernels and scalar functions of a level that is its
/// own base.
struct BitcodeModule {
  std::string_view level;
  const unsigned char *data;
  size_t size;
};

/// The module of a level ("x86-64-v3", "x86-64-v4"); null when there is none.
const BitcodeModule *findBitcode(std::string_view level);

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_BITCODE_H
