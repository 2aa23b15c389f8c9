//===- TensorMap.h - Tensors that a GPU's copier brings ---------*- C++ -*-===//

#ifndef MMCC_RUNTIME_DEVICE_CUDA_TENSORMAP_H
#define MMCC_RUNTIME_DEVICE_CUDA_TENSORMAP_H

#include "runtime/device/cuda/Device.h"

#include <unordered_map>

namespace mmcc::runtime::cuda {

/// As schema::TensorMap says: but for the numbers of rows and batches, bytes.
struct MappedTensor {
  uint8_t *memory;
  int64_t offset, length, rows, batches, row_pitch, batch_pitch;
  uint32_t box_rows;

  bool operator==(const MappedTensor &other) const;
};

/// Maps, kept for who asked for them: as a rule the same is asked for again.
class TensorMaps {
public:
  /// Null if the copier cannot bring such a tensor: rows must begin at
  /// multiples of 16 bytes. Valid until `who` asks again.
  const TensorMap *find(const Device &device, const void *who,
                        const MappedTensor &tensor);

private:
  struct Kept {
    MappedTensor tensor;
    TensorMap map;
    bool is_made;
  };
  std::unordered_map<const void *, Kept> kept_;
};

} // namespace mmcc::runtime::cuda

#endif // MMCC_RUNTIME_DEVICE_CUDA_TENSORMAP_H
