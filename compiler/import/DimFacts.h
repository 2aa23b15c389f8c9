//===- DimFacts.h - What is known about symbolic dimensions -----*- C++ -*-===//
//
// Each symbol has a range, [1, unbounded) unless the user gave another with
// --dim. From the ranges follow bounds of expressions, and from these whether
// a comparison is decided for every size that the model admits.
//
// A model may also demand things of its input sizes that its declaration does
// not say, and each demand becomes part of what the compiled program checks
// when it is called:
//
//   * two sizes must be equal (`Add` of [a] and [b]): one symbol is bound to
//     the other everywhere, and import starts over;
//   * a size may not exceed another (`positions[:, :seq]` of a table with 512
//     rows): the range of the symbol becomes narrower, `seq <= 512`.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_COMPILER_IMPORT_DIMFACTS_H
#define MMCC_COMPILER_IMPORT_DIMFACTS_H

#include "dialects/mm/Dim.h"
#include "llvm/ADT/MapVector.h"
#include <utility>

namespace mmcc::import {

/// Inclusive; INT64_MIN and INT64_MAX stand for unbounded.
struct Bounds {
  int64_t lo = INT64_MIN;
  int64_t hi = INT64_MAX;
  bool isUnboundedAbove() const { return hi == INT64_MAX; }
};

/// No size that a model computes may exceed this: far beyond any tensor, and
/// sums and products of a few such numbers still fit 64 bits.
constexpr int64_t kLargestSize = int64_t(1) << 40;

/// At least as large as any coefficient of the expression and any intermediate
/// result of computing with it at sizes of 1; saturates.
uint64_t magnitude(const mm::Dim &dim);
/// Whether sums and products of the two stay exact in 64 bits.
bool canCombine(const mm::Dim &a, const mm::Dim &b);

class DimFacts {
public:
  /// Put before the names that symbol() is asked for from here on: equal names
  /// of two models are two symbols.
  void setPrefix(llvm::StringRef text) { prefix = text.str(); }
  /// The dimension that `name` stands for: itself, or what it is bound to.
  mm::Dim symbol(mlir::MLIRContext *context, llvm::StringRef name);
  /// Whether symbol() has been asked for this name.
  bool isMentioned(mlir::StringAttr name) const {
    return mentioned.contains(name);
  }
  /// Sets the range of a symbol, before the first import.
  void setRange(mlir::StringAttr name, Bounds range) { ranges[name] = range; }
  /// Fixes a symbol to a dimension, before the first import.
  void bind(mlir::StringAttr name, mm::Dim dim) { bindings[name] = dim; }
  /// Fixes a symbol from the next start on, whatever its range.
  void rebind(mlir::StringAttr name, mm::Dim dim) {
    bindings[name] = dim;
    restart = true;
  }
  Bounds range(mlir::StringAttr name) const;
  Bounds bounds(const mm::Dim &dim) const;

  /// Nothing if the answer depends on the sizes.
  std::optional<bool> equal(const mm::Dim &a, const mm::Dim &b) const;
  std::optional<bool> less(const mm::Dim &a, const mm::Dim &b) const;
  std::optional<mm::Dim> min(const mm::Dim &a, const mm::Dim &b) const;
  std::optional<mm::Dim> max(const mm::Dim &a, const mm::Dim &b) const;

  /// True if the two are equal, or are from the next start on.
  bool demandEqual(const mm::Dim &a, const mm::Dim &b);
  /// True if a <= b is known, or is from here on.
  bool demandAtMost(const mm::Dim &a, const mm::Dim &b);
  /// Whether demandAtMost has narrowed a range since the last call.
  bool takeNarrowed() { return std::exchange(narrowed, false); }
  /// Whether demandEqual has bound a symbol since the last takeRestart.
  bool wantsRestart() const { return restart; }
  bool takeRestart() { return std::exchange(restart, false); }

private:
  Bounds boundsOf(mlir::AffineExpr expr,
                  llvm::ArrayRef<mlir::StringAttr> names) const;

  llvm::MapVector<mlir::StringAttr, Bounds> ranges;
  llvm::DenseMap<mlir::StringAttr, mm::Dim> bindings;
  /// Order of first mention: the earlier symbol survives a binding.
  llvm::MapVector<mlir::StringAttr, char> mentioned;
  std::string prefix;
  bool restart = false;
  bool narrowed = false;
};

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_DIMFACTS_H
