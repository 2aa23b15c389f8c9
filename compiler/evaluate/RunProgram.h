//===- RunProgram.h - Runs an artifact without inputs -----------*- C++ -*-===//

#ifndef MMCC_COMPILER_EVALUATE_RUNPROGRAM_H
#define MMCC_COMPILER_EVALUATE_RUNPROGRAM_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <string>

namespace mmcc {

/// Runs the only entry of the artifact at `path`, which has no inputs, with its
/// x86-64-v3 code, and has output i written to `outputs[i]`. Returns a message
/// on failure, else an empty string.
std::string runProgram(const std::string &path,
                       llvm::ArrayRef<llvm::MutableArrayRef<char>> outputs);

} // namespace mmcc

#endif // MMCC_COMPILER_EVALUATE_RUNPROGRAM_H
