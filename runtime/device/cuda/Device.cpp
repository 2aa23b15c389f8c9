#include "runtime/device/cuda/Device.h"

#include <map>
#include <mutex>
#include <utility>

namespace mmcc::runtime::cuda {

Status Device::open(int ordinal, std::shared_ptr<Device> &device) {
  static std::mutex mutex;
  static std::map<int, std::weak_ptr<Device>> known;
  std::lock_guard<std::mutex> lock(mutex);
  device = known[ordinal].lock();
  if (device)
    return {};
  std::shared_ptr<Device> made(new Device);
  MMCC_RETURN_IF_ERROR(made->start(ordinal));
  known[ordinal] = device = std::move(made);
  return {};
}

Status Device::start(int ordinal) {
  ordinal_ = ordinal;
  MMCC_RETURN_IF_ERROR(Driver::open(driver_));
  int count = 0;
  MMCC_RETURN_IF_ERROR(check(driver_->deviceCount(&count), "counting GPUs"));
  if (ordinal < 0 || ordinal >= count)
    return {Code::no_device, "there is no GPU " + std::to_string(ordinal) +
                                 ": the driver finds " + std::to_string(count)};
  MMCC_RETURN_IF_ERROR(check(driver_->deviceGet(&id_, ordinal), "opening it"));
  char name[256] = {};
  MMCC_RETURN_IF_ERROR(check(driver_->deviceName(name, sizeof(name) - 1, id_),
                             "asking its name"));
  name_ = name;
  for (auto [attribute, value] :
       {std::pair(kMajor, &major_), std::pair(kMinor, &minor_)})
    MMCC_RETURN_IF_ERROR(check(driver_->deviceAttribute(value, attribute, id_),
                               "asking its compute capability"));
  Context context = nullptr;
  MMCC_RETURN_IF_ERROR(
      check(driver_->contextRetain(&context, id_), "starting it"));
  context_ = context;
  return {};
}

Device::~Device() {
  if (context_)
    (void)driver_->contextRelease(id_);
}

Status Device::makeCurrent() const {
  return check(driver_->contextSetCurrent(context_), "making it current");
}

Status Device::check(Result result, const char *what) const {
  if (result == kSuccess)
    return {};
  std::string where = "GPU " + std::to_string(ordinal_);
  if (!name_.empty())
    where += " (" + name_ + ")";
  return driver_->failure(result, where + ": " + what);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Memory::Memory(Memory &&other) noexcept
    : device_(std::move(other.device_)),
      address_(std::exchange(other.address_, 0)),
      bytes_(std::exchange(other.bytes_, 0)) {}

Memory &Memory::operator=(Memory &&other) noexcept {
  std::swap(device_, other.device_);
  std::swap(address_, other.address_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void Memory::release() {
  if (address_ && device_->makeCurrent().ok())
    (void)device_->driver().memoryFree(address_);
  address_ = 0;
  bytes_ = 0;
}

Status Memory::reserve(uint64_t bytes, const char *what) {
  if (address_ && bytes <= bytes_)
    return {};
  release();
  MMCC_RETURN_IF_ERROR(device_->makeCurrent());
  constexpr uint64_t limit = uint64_t(1) << 47, unit = 512;
  uint64_t total =
      bytes > limit ? bytes : (bytes + kTailBytes + unit - 1) / unit * unit;
  Result result =
      bytes > limit
          ? kOutOfMemory
          : device_->driver().memoryAllocate(&address_, size_t(total));
  if (result == kOutOfMemory) {
    size_t free = 0, all = 0;
    if (device_->driver().memoryInfo(&free, &all))
      free = 0;
    address_ = 0;
    return {Code::out_of_memory,
            "GPU " + std::to_string(device_->ordinal()) + " (" +
                device_->name() + ") has no memory for " + what + ": " +
                std::to_string(bytes) + " bytes are needed, " +
                std::to_string(free) + " are free"};
  }
  if (Status status = device_->check(result, what); !status.ok()) {
    address_ = 0;
    return status;
  }
  bytes_ = total - kTailBytes;
  return {};
}

PinnedMemory::~PinnedMemory() {
  if (data_ && device_->makeCurrent().ok())
    (void)device_->driver().pinnedFree(data_);
}

Status PinnedMemory::allocate(std::shared_ptr<Device> device, uint64_t bytes) {
  device_ = std::move(device);
  MMCC_RETURN_IF_ERROR(device_->makeCurrent());
  void *address = nullptr;
  MMCC_RETURN_IF_ERROR(
      device_->check(device_->driver().pinnedAllocate(&address, bytes, 0),
                     "allocating page-locked memory"));
  data_ = static_cast<uint8_t *>(address);
  return {};
}

} // namespace mmcc::runtime::cuda
