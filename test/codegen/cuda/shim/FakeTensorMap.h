//===- FakeTensorMap.h - What the fake driver makes of a tensor -*- C++ -*-===//
//
// In place of the 128 bytes that only NVIDIA's driver and GPUs can read.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_FAKETENSORMAP_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_FAKETENSORMAP_H

#include <cstdint>

namespace mmcc::shim {

/// Bytes in three dimensions, the fastest first; `strides` are of the others.
struct FakeTensorMap {
  static constexpr uint64_t kMagic = 0x6d6d63632d6d6170;
  uint64_t magic;
  uint64_t address;
  uint64_t dims[3], strides[2];
  uint32_t box[3];
  uint32_t swizzle; // bytes: 0, 32, 64 or 128
  uint64_t unused[7];
};
static_assert(sizeof(FakeTensorMap) == 128);

} // namespace mmcc::shim

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_FAKETENSORMAP_H
