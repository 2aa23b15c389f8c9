//===- Einsum.h - Einstein summation in pieces ------------------*- C++ -*-===//

#ifndef MMCC_COMPILER_IMPORT_EINSUM_H
#define MMCC_COMPILER_IMPORT_EINSUM_H

#include "compiler/import/Emitter.h"

namespace mmcc::import {

/// numpy.einsum as transposes, reductions, broadcasts and matrix products,
/// operand after operand. Fails on an equation that is not well-formed.
Tensor einsum(Emitter &emitter, llvm::StringRef equation,
              llvm::ArrayRef<Tensor> operands);

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_EINSUM_H
