//===- MatmulForm.h - What "cublaslt.matmul" computes -----------*- C++ -*-===//

#ifndef MMCC_RUNTIME_CORE_MATMULFORM_H
#define MMCC_RUNTIME_CORE_MATMULFORM_H

#include "runtime/schema/program_generated.h"

#include <cstdint>
#include <string>

namespace mmcc::runtime {

/// activation(product + bias + residual), of which the form says what there is.
/// Result, bias and residual have one type.
enum MatmulForm : uint32_t {
  kMatmulBias = 1,
  kMatmulResidual = 2,
  kMatmulRelu = 4,
  kMatmulGelu = 8,    // its tanh form
  kMatmulNarrow = 16, // the result is of the operands' type, else of f32
  kMatmulF16 = 32     // the operands are of f16, else of bf16
};

/// How the operands of such a call follow each other; those that the form does
/// not have are left out.
enum MatmulOperand : uint32_t {
  kMatmulWeights,
  kMatmulActivations,
  kMatmulResult,
  kMatmulBiases,
  kMatmulResiduals,
  kMatmulOperands
};

/// And its sizes, in elements: rows of activations and columns of weights are
/// a_row and w_row apart, the rest is dense.
enum MatmulSize : uint32_t {
  kMatmulM,
  kMatmulN,
  kMatmulK,
  kMatmulARow,
  kMatmulWRow,
  kMatmulSizes
};

constexpr char kMatmulFunction[] = "cublaslt.matmul";

/// Whether a call of that form has the operand (MatmulOperand).
constexpr bool hasMatmulOperand(uint32_t form, uint32_t operand) {
  return operand < kMatmulBiases ||
         (form & (operand == kMatmulBiases ? kMatmulBias : kMatmulResidual));
}

/// Whether the call is one of kMatmulFunction.
bool isMatmul(const schema::LibraryCall &call);

/// As the attribute "form" has it: "bias,gelu,narrow,f16".
std::string matmulFormText(uint32_t form);

/// The form that its attributes describe; false if they make no sense.
bool readMatmulForm(const schema::LibraryCall &call, uint32_t &form);

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_CORE_MATMULFORM_H
