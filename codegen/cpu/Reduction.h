//===- Reduction.h - Combining partial results ------------------*- C++ -*-===//
//
// A reduction keeps one accumulator a lane and several vectors of them; at the
// end they are combined in a fixed order, so that results do not depend on
// anything but the shape.
//
// argmax and argmin keep a pair (value, index) a lane. The smaller index wins
// among equal values, so the order of combining does not matter.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_REDUCTION_H
#define MMCC_CODEGEN_CPU_REDUCTION_H

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/IRBuilder.h"

namespace mmcc::cpu {

enum class Combine { sum, prod, max, min, argmax, argmin };

std::optional<Combine> parseCombine(llvm::StringRef name);

/// One value, or (value, index).
using Partial = llvm::SmallVector<llvm::Value *, 2>;

class Reduction {
public:
  /// `scalar` is the LLVM type of the accumulated value, f32 or f64 for all
  /// floating-point types. `magnitudes`: no value has its sign bit set, NaN
  /// neither.
  Reduction(llvm::IRBuilder<> &builder, Combine combine, llvm::Type *scalar,
            bool magnitudes)
      : b(builder), combine(combine), scalar(scalar), magnitudes(magnitudes) {}

  bool hasIndex() const {
    return combine == Combine::argmax || combine == Combine::argmin;
  }
  unsigned parts() const { return hasIndex() ? 2 : 1; }
  /// What changes nothing, in `width` lanes.
  Partial identity(unsigned width) const;
  Partial join(const Partial &lhs, const Partial &rhs) const;
  /// Combines the lanes into scalars.
  Partial across(Partial lanes) const;
  /// Gives a complete result index 0 where nothing but NaN was seen.
  Partial settle(Partial result) const;

private:
  llvm::Value *joinValues(llvm::Value *lhs, llvm::Value *rhs) const;
  llvm::Constant *identityValue() const;

  llvm::IRBuilder<> &b;
  Combine combine;
  llvm::Type *scalar;
  bool magnitudes;
};

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_REDUCTION_H
