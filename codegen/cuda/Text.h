//===- Text.h - Types and index expressions as C++ --------------*- C++ -*-===//

#ifndef MMCC_CODEGEN_CUDA_TEXT_H
#define MMCC_CODEGEN_CUDA_TEXT_H

#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/Types.h"
#include "llvm/ADT/ArrayRef.h"
#include <string>

namespace mmcc::cuda {

/// Of a value in a block: f16, bf16 and 8-bit floats are held as float. Empty
/// for a type that has no values.
std::string valueTypeName(mlir::Type type);
/// Of an element in memory; booleans are bytes.
std::string memoryTypeName(mlir::Type type);
/// Whether values of the type are float and must be rounded to it.
bool isNarrowFloat(mlir::Type type);

/// An index that an expression's dimension stands for.
struct IndexText {
  std::string name;
  bool isNegative = false; // may be
};

/// The value of an affine expression; dividing by zero gives zero. Symbols are
/// called s0, s1, ...
std::string affineText(mlir::AffineExpr expr, llvm::ArrayRef<IndexText> dims);

} // namespace mmcc::cuda

#endif // MMCC_CODEGEN_CUDA_TEXT_H
