//===- Device.h - One GPU ---------------------------------------*- C++ -*-===//

#ifndef MMCC_RUNTIME_DEVICE_CUDA_DEVICE_H
#define MMCC_RUNTIME_DEVICE_CUDA_DEVICE_H

#include "runtime/device/cuda/Driver.h"

#include <memory>
#include <string>

namespace mmcc::runtime::cuda {

/// A GPU's primary context, which all models of the process share, as they do
/// with any other user of CUDA in it.
class Device {
public:
  /// GPU `ordinal`, as the driver counts (CUDA_VISIBLE_DEVICES). Whoever opens
  /// one that is open gets the same. Code::no_device if there is none.
  static Status open(int ordinal, std::shared_ptr<Device> &device);
  ~Device();
  Device(const Device &) = delete;

  /// Makes it the calling thread's; called before anything else is.
  Status makeCurrent() const;
  /// Failure if `result` is one: "GPU 0 (NAME): WHAT: ...".
  Status check(Result result, const char *what) const;

  const Driver &driver() const { return *driver_; }
  int ordinal() const { return ordinal_; }
  /// "NVIDIA H200"
  const std::string &name() const { return name_; }
  /// Compute capability.
  int major() const { return major_; }
  int minor() const { return minor_; }

private:
  Device() = default;
  Status start(int ordinal);

  const Driver *driver_ = nullptr;
  int ordinal_ = 0;
  DeviceId id_ = 0;
  Context context_ = nullptr;
  std::string name_;
  int major_ = 0, minor_ = 0;
};

/// A range of a GPU's memory that only grows, as Slab is on a CPU.
class Memory {
public:
  Memory() = default;
  explicit Memory(std::shared_ptr<Device> device)
      : device_(std::move(device)) {}
  ~Memory() { release(); }
  Memory(Memory &&other) noexcept;
  Memory &operator=(Memory &&other) noexcept;

  /// Makes at least `bytes` bytes available, with kTailBytes readable ones
  /// behind them; what it held is lost when it has to grow. The message of a
  /// failure says how much `what` needs and how much is free.
  Status reserve(uint64_t bytes, const char *what);

  /// A device address: not to be followed on the host.
  uint8_t *data() const { return reinterpret_cast<uint8_t *>(address_); }

  static constexpr uint64_t kTailBytes = 256;

private:
  void release();

  std::shared_ptr<Device> device_;
  Address address_ = 0;
  uint64_t bytes_ = 0;
};

/// Page-locked memory of the host, which copies read while the host goes on.
class PinnedMemory {
public:
  PinnedMemory() = default;
  ~PinnedMemory();
  PinnedMemory(const PinnedMemory &) = delete;

  Status allocate(std::shared_ptr<Device> device, uint64_t bytes);
  uint8_t *data() const { return data_; }

private:
  std::shared_ptr<Device> device_;
  uint8_t *data_ = nullptr;
};

} // namespace mmcc::runtime::cuda

#endif // MMCC_RUNTIME_DEVICE_CUDA_DEVICE_H
