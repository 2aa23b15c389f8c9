//===- KernelMaps.h - Tensors that a GPU's copier brings --------*- C++ -*-===//

#ifndef MMCC_DIALECTS_PLAN_KERNELMAPS_H
#define MMCC_DIALECTS_PLAN_KERNELMAPS_H

#include "mlir/IR/AffineExpr.h"

#include <vector>

namespace mmcc::plan {

/// `batches` times `rows` rows of `length` bytes in an operand of a kernel, of
/// which boxes of 128 bytes of `boxRows` rows are brought. Expressions are over
/// the kernel's symbols and, but for the numbers of rows and batches, in bytes.
struct KernelMap {
  unsigned operand;
  mlir::AffineExpr offset, length, rows, batches, rowPitch, batchPitch;
  unsigned boxRows;
};
using KernelMaps = std::vector<KernelMap>;

} // namespace mmcc::plan

#endif // MMCC_DIALECTS_PLAN_KERNELMAPS_H
