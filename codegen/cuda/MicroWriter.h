//===- MicroWriter.h - Rows of kernels.inc as CUDA C++ ----------*- C++ -*-===//

#ifndef MMCC_CODEGEN_CUDA_MICROWRITER_H
#define MMCC_CODEGEN_CUDA_MICROWRITER_H

#include "codegen/cuda/BlockWriter.h"
#include "dialects/plan/KernelMaps.h"

namespace mmcc::cuda {

/// A row that has a template: kernels.inc says what it computes.
struct MicroRow {
  llvm::StringLiteral name;
  /// In codegen/cuda/kernels.
  llvm::StringLiteral header;
  /// The function and its parameters' structure.
  llvm::StringLiteral function, params;
  /// Of kernels.inc, but for a last tensor of some rows: what the kernel keeps
  /// in memory while it works, where a CPU has scratch.
  unsigned tensors, paramCount;
  /// Template arguments beside those that templateArguments() finds.
  llvm::StringLiteral type = "";
  /// Which parameter is m_block, with n_block behind it, if the template takes
  /// both; 0: it does not.
  unsigned tile = 0;
  /// Whether it has stages of tensor cores' products in dynamic shared memory.
  bool isTensor() const {
    return tile && (header == "TensorGemm.cuh" || header == "ByteGemm.cuh" ||
                    header == "Float8Gemm.cuh" || function == "tensorConv");
  }
  /// Whether there is a score block, or one that changes nothing.
  bool hasScore = false;
  bool hasPost = true;
  /// Attention where a call may have few queries, as steps of a decoder: the
  /// function, if it is another one. It has two more tensors for its own use:
  /// what parts of the keys come to, and counters.
  llvm::StringLiteral stepFunction = "";
  /// Whether its template takes maps, which are null unless the kernel has
  /// some.
  bool takesMaps() const {
    return name == "gemm_bf16_bf16" || name == "gemm_f16_f16" ||
           name == "gemm_i8_i8" || name == "gemm_f8_f8";
  }
};

/// Whether few queries of the kernel's attention are a form of their own: its
/// keys are read by as many warps as there is room for.
bool hasSteps(plan::KernelOp kernel, const MicroRow &row);

/// Null when there is no template yet.
const MicroRow *findMicroRow(llvm::StringRef name);

/// Dynamic shared memory that the row's template takes in `kernel`, for the GPU
/// of its variant.
uint64_t sharedBytesOf(plan::KernelOp kernel, const MicroRow &row);

/// Blocks that share a multiprocessor, if registers are counted so: where one
/// waits for memory another goes on.
unsigned blocksTogether(plan::KernelOp kernel, const MicroRow &row);

/// What Hopper's copier brings to the row's template.
plan::KernelMaps mapsOf(plan::KernelOp kernel, const MicroRow &row);

/// Writes the call of the row's template with the kernel's blocks as functions
/// of their indices and number.
mlir::LogicalResult writeMicro(plan::KernelOp kernel, const MicroRow &row,
                               unsigned threads, llvm::raw_ostream &out);

} // namespace mmcc::cuda

#endif // MMCC_CODEGEN_CUDA_MICROWRITER_H
