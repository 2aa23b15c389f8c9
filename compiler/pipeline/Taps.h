//===- Taps.h - Every node's results as outputs -----------------*- C++ -*-===//

#ifndef MMCC_COMPILER_PIPELINE_TAPS_H
#define MMCC_COMPILER_PIPELINE_TAPS_H

#include "mlir/IR/BuiltinOps.h"

namespace mmcc {

/// Starts the names of tapped outputs.
inline constexpr char kTapPrefix[] = "tap:";

/// Adds to each function, as further results, every value that leaves a node of
/// the model, in the order of the nodes. The result is named "tap:NODE", with
/// ":1", ":2", ... appended for what else leaves the same node. Constants are
/// left out.
void addTaps(mlir::ModuleOp module);

} // namespace mmcc

#endif // MMCC_COMPILER_PIPELINE_TAPS_H
