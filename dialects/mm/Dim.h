//===- Dim.h - Symbolic dimensions ------------------------------*- C++ -*-===//
//
// A dimension of a tensor in `mm` is an integer expression of named symbols
// (`batch`, `past + 1`, `batch * seq`, `(samples - 400) floordiv 320 + 1`).
// Names come from ONNX's dim_param. A constant is an expression without
// symbols. Arithmetic normalises through AffineExpr, so that two ways of
// computing one dimension compare equal:
//
//     Dim past = Dim::symbol(ctx, "past");
//     (past + 1) * 2 - past  ==  past + 2
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_DIALECTS_MM_DIM_H
#define MMCC_DIALECTS_MM_DIM_H

#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include <optional>

namespace mmcc::mm {

class Dim {
public:
  Dim() = default;
  static Dim constant(mlir::MLIRContext *context, int64_t value);
  static Dim symbol(mlir::MLIRContext *context, llvm::StringRef name);
  /// `expr` over s0, s1, ... which stand for `names`; unused names are dropped
  /// and the rest sorted, so that equal dimensions are equal objects.
  static Dim get(mlir::AffineExpr expr, llvm::ArrayRef<mlir::StringAttr> names);

  explicit operator bool() const { return static_cast<bool>(expr); }
  mlir::MLIRContext *getContext() const { return expr.getContext(); }
  std::optional<int64_t> getConstant() const;
  bool isConstant(int64_t value) const { return getConstant() == value; }
  /// The expression over s0, s1, ..., which stand for symbols().
  mlir::AffineExpr getExpr() const { return expr; }
  llvm::ArrayRef<mlir::StringAttr> symbols() const { return names; }
  /// The expression with s_i standing for the i-th entry of `order`, which
  /// must hold all symbols of this dimension.
  mlir::AffineExpr getExprIn(llvm::ArrayRef<mlir::StringAttr> order) const;
  /// Replaces symbols by dimensions; symbols without an entry stay.
  Dim substitute(const llvm::DenseMap<mlir::StringAttr, Dim> &values) const;

  bool operator==(const Dim &other) const;
  bool operator!=(const Dim &other) const { return !(*this == other); }
  Dim operator+(const Dim &other) const;
  Dim operator-(const Dim &other) const;
  Dim operator*(const Dim &other) const;
  Dim floorDiv(const Dim &other) const;
  Dim ceilDiv(const Dim &other) const;
  Dim mod(const Dim &other) const;
  Dim operator+(int64_t other) const;
  Dim operator-(int64_t other) const;
  Dim operator*(int64_t other) const;
  Dim floorDiv(int64_t other) const;
  Dim ceilDiv(int64_t other) const;

  /// The quotient if `other` divides this expression exactly, also
  /// symbolically (`batch * 12 * seq` by `12`, by `seq`); nothing otherwise.
  std::optional<Dim> exactDiv(const Dim &other) const;

  void print(llvm::raw_ostream &os) const;
  std::string str() const;

private:
  mlir::AffineExpr expr;
  llvm::SmallVector<mlir::StringAttr, 2> names;
};

using Shape = llvm::SmallVector<Dim, 6>;

/// The tensor type with these dimensions; `#mm.dims` is attached when one of
/// them is symbolic.
mlir::RankedTensorType makeTensorType(llvm::ArrayRef<Dim> shape,
                                      mlir::Type elementType);
/// The dimensions of a tensor type.
Shape getShape(mlir::Type tensorType);
/// Static sizes as dimensions.
Shape makeShape(mlir::MLIRContext *context, llvm::ArrayRef<int64_t> sizes);
/// Product of all dimensions; 1 for an empty list.
Dim product(mlir::MLIRContext *context, llvm::ArrayRef<Dim> dims);
/// Numpy broadcasting; nothing if two dimensions are neither equal nor 1.
std::optional<Shape> broadcastShapes(llvm::ArrayRef<Dim> a,
                                     llvm::ArrayRef<Dim> b);

} // namespace mmcc::mm

#endif // MMCC_DIALECTS_MM_DIM_H
