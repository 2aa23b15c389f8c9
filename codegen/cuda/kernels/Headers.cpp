//===- Headers.cpp - The templates that mmcc carries ----------------------===//

#include "codegen/cuda/kernels/Headers.h"

#define MMCC_EMBED(NAME)                                                       \
  asm(".section .rodata\nmmcc_cuda_" #NAME ":\n.incbin \"" MMCC_CUDA_HEADERS   \
      "/" #NAME ".cuh\"\nmmcc_cuda_" #NAME "_end:\n.byte 0\n.previous\n");     \
  extern "C" const char mmcc_cuda_##NAME[];                                    \
  extern "C" const char mmcc_cuda_##NAME##_end[];

#define MMCC_HEADERS(X)                                                        \
  X(Abi)                                                                       \
  X(Blocking)                                                                  \
  X(Scalar)                                                                    \
  X(Team)                                                                      \
  X(Product)                                                                   \
  X(Mma)                                                                       \
  X(TensorTile)                                                                \
  X(Panels)                                                                    \
  X(FewRows)                                                                   \
  X(WarpgroupMma)                                                              \
  X(BulkCopy)                                                                  \
  X(WarpgroupTile)                                                             \
  X(FewColumns)                                                                \
  X(Gemm)                                                                      \
  X(TensorGemm)                                                                \
  X(ByteGemm)                                                                  \
  X(Float8Gemm)                                                                \
  X(Conv)                                                                      \
  X(Attention)                                                                 \
  X(HeadRows)                                                                  \
  X(OnlineSoftmax)                                                             \
  X(WarpgroupAttention)                                                        \
  X(TensorAttention)                                                           \
  X(StepAttention)                                                             \
  X(State)                                                                     \
  X(Keys)                                                                      \
  X(TopK)                                                                      \
  X(Retrieve)                                                                  \
  X(Similarity)                                                                \
  X(TokenMatch)                                                                \
  X(TokenMerge)                                                                \
  X(TokenSelect)
MMCC_HEADERS(MMCC_EMBED)

namespace mmcc::cuda {

std::vector<Header> kernelHeaders() {
#define MMCC_ENTRY(NAME)                                                       \
  {#NAME ".cuh",                                                               \
   {mmcc_cuda_##NAME, size_t(mmcc_cuda_##NAME##_end - mmcc_cuda_##NAME)}},
  return {MMCC_HEADERS(MMCC_ENTRY)};
}

} // namespace mmcc::cuda
