//===- Headers.h - The templates that mmcc carries --------------*- C++ -*-===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_HEADERS_H
#define MMCC_CODEGEN_CUDA_KERNELS_HEADERS_H

#include <string_view>
#include <vector>

namespace mmcc::cuda {

struct Header {
  std::string_view name; // "Team.cuh"
  std::string_view text;
};

/// The headers of this folder, which generated kernels include.
std::vector<Header> kernelHeaders();

} // namespace mmcc::cuda

#endif // MMCC_CODEGEN_CUDA_KERNELS_HEADERS_H
