//===- Magnitudes.h - How large numbers can become --------------*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_MAGNITUDES_H
#define MMCC_PASSES_QUANTIZE_MAGNITUDES_H

#include "dialects/mm/MM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include <limits>

namespace mmcc::quantize {

/// What all numbers of a value are between, and what no row's length exceeds:
/// the root of the sum of squares along the last dimension.
struct Magnitude {
  static constexpr double kUnknown = std::numeric_limits<double>::infinity();
  double low = -kUnknown, high = kUnknown, length = kUnknown;

  double largest() const;
};

/// f16 ends at 65504: room for what is rounded on the way.
constexpr double kMostInF16 = 60000;

/// Bounds of every float value of a function, whatever its arguments are: from
/// constants, from operations with a bounded range, and by Cauchy and Schwarz
/// from the length that a norm gives its rows.
///
///     norm of n numbers     length <= sqrt(n) max |scale| + |offset|
///     x w + b               |column j| <= min(length |w_j|_2,
///                                             largest |w_j|_1) + |b_j|
///     attention             within its values, and 0
///
/// Bounds are of exact arithmetic on the constants as they are; whoever uses
/// them leaves room for rounding. An argument that is NaN or infinite makes no
/// promise about what depends on it.
class Magnitudes {
public:
  explicit Magnitudes(mlir::func::FuncOp func);
  Magnitude of(mlir::Value value) const { return known.lookup(value); }

private:
  Magnitude find(mlir::Operation *op) const;
  Magnitude ofProduct(mlir::Value input, mlir::Value weight, mlir::Value bias,
                      bool columnsLast) const;
  Magnitude ofNorm(mlir::Operation *op, mlir::Value scale, mlir::Value offset,
                   int64_t axis) const;

  llvm::DenseMap<mlir::Value, Magnitude> known;
};

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_MAGNITUDES_H
