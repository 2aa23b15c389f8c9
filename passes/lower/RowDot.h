//===- RowDot.h - Two linear layers as one kernel ---------------*- C++ -*-===//

#ifndef MMCC_PASSES_LOWER_ROWDOT_H
#define MMCC_PASSES_LOWER_ROWDOT_H

#include "passes/lower/Rows.h"

namespace mmcc::lower {

/// The layer of one output that alone reads `first`, through elementwise
/// operations; null if there is none.
mm::LinearOp findRowDot(Lowering &lowering, mm::LinearOp first);

/// Both, and what lies between and behind them, as one launch.
void lowerRowDot(Lowering &lowering, mm::LinearOp first, mm::LinearOp second,
                 const RowInput &input, mlir::Value packed);

} // namespace mmcc::lower

#endif // MMCC_PASSES_LOWER_ROWDOT_H
