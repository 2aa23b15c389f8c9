//===- Target.h - What --target names ---------------------------*- C++ -*-===//
//
// A target is a kind of device and a level of its instruction set, written
// `cpu:x86-64-v4`. One artifact carries code for several.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_COMPILER_PIPELINE_TARGET_H
#define MMCC_COMPILER_PIPELINE_TARGET_H

#include "llvm/ADT/ArrayRef.h"
#include <string>
#include <vector>

namespace mmcc {

/// The CPU levels that kernels exist for, from the most portable on.
std::vector<llvm::StringRef> getCpuLevels();

/// The best of getCpuLevels() that this machine has; empty if it has none.
llvm::StringRef getHostLevel();

/// The most portable CPU level of `targets`, in the order of parseTargets; of
/// getCpuLevels() if there is none.
llvm::StringRef getLeastLevel(llvm::ArrayRef<std::string> targets);

/// Reads the values of `--target`: `cpu` (all levels), `cpu:native`,
/// `cpu:LEVEL,LEVEL...`, `cuda:ARCHITECTURE,...`. Returns targets like
/// "cpu:x86-64-v3" and "cuda:sm_80", each once, in the order of getCpuLevels()
/// and of the architectures, or sets `error`. No value means `cpu`.
std::vector<std::string> parseTargets(llvm::ArrayRef<std::string> values,
                                      std::string &error);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_TARGET_H
