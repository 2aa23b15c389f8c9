//===- NumberConversion.h - Between element types, without calls ----------===//
//
// How plan's element types are represented in LLVM values, and conversions
// among them as inline instructions: LLVM's own for bf16 and f64 -> f16 are
// calls to a library that an image does not have, and its float-to-integer
// conversion is undefined outside the range.
//
//     f32, f64       float, double
//     f16            half
//     bf16, f8...    an integer holding the bits
//     i1             i1 as a value, a byte in memory
//     index          i64
//
// All functions take scalars or vectors.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_NUMBERCONVERSION_H
#define MMCC_CODEGEN_CPU_NUMBERCONVERSION_H

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/IR/IRBuilder.h"

namespace mmcc::cpu {

/// Type of a scalar value; null when `type` has no representation.
llvm::Type *valueType(mlir::Type type, llvm::LLVMContext &context);
/// Type of an element in memory.
llvm::Type *memoryType(mlir::Type type, llvm::LLVMContext &context);

/// `scalar`, as wide as `shape`.
llvm::Type *withLanesOf(llvm::Type *scalar, llvm::Type *shape);

/// A floating-point value as f32 or f64: the type arithmetic is done in.
llvm::Value *widenFloat(llvm::IRBuilder<> &b, llvm::Value *value,
                        mlir::Type type);
/// An f32 or f64 value rounded to nearest even. float8 saturates.
llvm::Value *roundFloat(llvm::IRBuilder<> &b, llvm::Value *value,
                        mlir::Type type);

/// f32 rounded to nearest even, then as floatToInteger() to a signed integer of
/// up to 32 bits; null where no instruction does both.
llvm::Value *nearestInteger(llvm::IRBuilder<> &b, llvm::Value *value,
                            unsigned bits);

/// f32 or f64 to an integer of `bits`, towards zero. What is out of range gives
/// what x86-64 compilers give: through a 32-bit conversion (64-bit for u32 and
/// 64-bit integers) that makes its most negative number of NaN and overflow.
llvm::Value *floatToInteger(llvm::IRBuilder<> &b, llvm::Value *value,
                            unsigned bits, bool isSigned);

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_NUMBERCONVERSION_H
