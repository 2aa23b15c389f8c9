//===- KernelObjects.h - The microkernels as machine code -------*- C++ -*-===//
//
// The kernels' bitcode, compiled to one object file a level when mmcc is built:
// microkernels are the largest part of an image, and are the same in all of
// them. Images take what they call; the linker drops the rest.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELOBJECTS_H
#define MMCC_CODEGEN_CPU_KERNELOBJECTS_H

#include "llvm/ADT/StringRef.h"

namespace mmcc::cpu {

/// Empty when there is no such level.
llvm::StringRef findKernelObject(llvm::StringRef level);

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELOBJECTS_H
