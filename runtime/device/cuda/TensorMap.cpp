#include "runtime/device/cuda/TensorMap.h"

#include "runtime/core/CheckedMath.h"

#include <tuple>

namespace mmcc::runtime::cuda {

bool MappedTensor::operator==(const MappedTensor &other) const {
  auto all = [](const MappedTensor &t) {
    return std::tie(t.memory, t.offset, t.length, t.rows, t.batches,
                    t.row_pitch, t.batch_pitch, t.box_rows);
  };
  return all(*this) == all(other);
}

static bool make(const Device &device, const MappedTensor &tensor,
                 TensorMap &map) {
  // The driver looks at what it is given; of what has to be computed for it
  // nothing may wrap around. One batch is as far from the next as its rows are
  // long, whatever is said.
  constexpr int64_t most_pitch = int64_t(1) << 40, most = int64_t(1) << 32;
  int64_t batch_pitch = tensor.batch_pitch;
  if (tensor.batches == 1 &&
      !checkedMul(tensor.row_pitch, tensor.rows, batch_pitch))
    return false;
  for (int64_t pitch : {tensor.row_pitch, batch_pitch})
    if (pitch <= 0 || pitch >= most_pitch || pitch % 16)
      return false;
  for (int64_t extent : {tensor.length, tensor.rows, tensor.batches})
    if (extent <= 0 || extent > most)
      return false;
  const uintptr_t begin =
      reinterpret_cast<uintptr_t>(tensor.memory) + uintptr_t(tensor.offset);
  if (begin % 16)
    return false;
  const uint64_t dims[] = {uint64_t(tensor.length), uint64_t(tensor.rows),
                           uint64_t(tensor.batches)};
  const uint64_t strides[] = {uint64_t(tensor.row_pitch),
                              uint64_t(batch_pitch)};
  const uint32_t box[] = {128, tensor.box_rows, 1}, steps[] = {1, 1, 1};
  return device.driver().mapTensor(
             &map, kMapBytes, 3, reinterpret_cast<void *>(begin), dims, strides,
             box, steps, kMapPlain, kMapSwizzle128, kMapFetch256,
             kMapZeros) == kSuccess;
}

const TensorMap *TensorMaps::find(const Device &device, const void *who,
                                  const MappedTensor &tensor) {
  auto [kept, is_new] = kept_.try_emplace(who);
  if (is_new || !(kept->second.tensor == tensor)) {
    kept->second.tensor = tensor;
    kept->second.is_made = make(device, tensor, kept->second.map);
  }
  return kept->second.is_made ? &kept->second.map : nullptr;
}

} // namespace mmcc::runtime::cuda
