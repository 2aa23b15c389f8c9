#include "runtime/device/cuda/Queue.h"

namespace mmcc::runtime::cuda {

static Address addressOf(const uint8_t *data) {
  return reinterpret_cast<Address>(data);
}

Status Grid::check() const {
  constexpr int64_t most_x = 0x7fffffff, most = 65535;
  if (x > most_x || y > most || z > most)
    return {Code::unsupported,
            "a grid of " + std::to_string(x) + " x " + std::to_string(y) +
                " x " + std::to_string(z) + " blocks is more than a GPU takes"};
  return {};
}

Queue::Queue(std::shared_ptr<Device> device, uint32_t streams, uint32_t events)
    : device_(std::move(device)), streams_(streams, nullptr),
      events_(events, nullptr), joins_(streams > 1 ? streams : 0, nullptr) {}

Queue::~Queue() {
  if (!device_->makeCurrent().ok())
    return;
  const Driver &driver = device_->driver();
  for (StreamHandle stream : streams_)
    if (stream) {
      (void)driver.streamSynchronize(stream);
      (void)driver.streamDestroy(stream);
    }
  for (const auto *events : {&events_, &joins_})
    for (EventHandle event : *events)
      if (event)
        (void)driver.eventDestroy(event);
}

Status Queue::start() {
  MMCC_RETURN_IF_ERROR(device_->makeCurrent());
  const Driver &driver = device_->driver();
  for (StreamHandle &stream : streams_)
    MMCC_RETURN_IF_ERROR(device_->check(
        driver.streamCreate(&stream, kStreamNonBlocking), "making a stream"));
  for (auto *events : {&events_, &joins_})
    for (EventHandle &event : *events)
      MMCC_RETURN_IF_ERROR(device_->check(
          driver.eventCreate(&event, kEventDisableTiming), "making an event"));
  return {};
}

Status Queue::launch(uint32_t stream, Function function, const Grid &grid,
                     Span<const uint64_t> parameters) {
  MMCC_RETURN_IF_ERROR(grid.check());
  // An empty grid is an error to the driver.
  if (grid.x == 0 || grid.y == 0 || grid.z == 0)
    return {};
  void *const pointer = const_cast<uint64_t *>(parameters.data());
  size_t bytes = parameters.size() * sizeof(uint64_t);
  void *extra[] = {reinterpret_cast<void *>(kLaunchParameters), pointer,
                   reinterpret_cast<void *>(kLaunchParameterBytes), &bytes,
                   nullptr};
  return device_->check(
      device_->driver().launch(function, unsigned(grid.x), unsigned(grid.y),
                               unsigned(grid.z), grid.threads, 1, 1,
                               grid.shared_bytes, streams_[stream], nullptr,
                               extra),
      "launching a kernel");
}

Status Queue::copyIn(uint32_t stream, uint8_t *target, const void *source,
                     uint64_t bytes) {
  if (bytes == 0)
    return {};
  return device_->check(device_->driver().copyIn(addressOf(target), source,
                                                 bytes, streams_[stream]),
                        "copying to it");
}

Status Queue::copyOut(uint32_t stream, void *target, const uint8_t *source,
                      uint64_t bytes) {
  if (bytes == 0)
    return {};
  return device_->check(device_->driver().copyOut(target, addressOf(source),
                                                  bytes, streams_[stream]),
                        "copying from it");
}

Status Queue::copyWithin(uint32_t stream, uint8_t *target,
                         const uint8_t *source, uint64_t bytes) {
  if (bytes == 0)
    return {};
  return device_->check(device_->driver().copyWithin(addressOf(target),
                                                     addressOf(source), bytes,
                                                     streams_[stream]),
                        "copying on it");
}

Status Queue::fill(uint32_t stream, uint8_t *target, uint64_t bytes,
                   uint64_t pattern, uint32_t pattern_bytes) {
  if (bytes == 0)
    return {};
  const Driver &driver = device_->driver();
  StreamHandle on = streams_[stream];
  Address at = addressOf(target);
  const char *what = "filling memory";
  size_t count = bytes / pattern_bytes;
  auto low = uint32_t(pattern), high = uint32_t(pattern >> 32);
  switch (pattern_bytes) {
  case 1:
    return device_->check(driver.fill8(at, uint8_t(pattern), count, on), what);
  case 2:
    return device_->check(driver.fill16(at, uint16_t(pattern), count, on),
                          what);
  case 4:
    return device_->check(driver.fill32(at, low, count, on), what);
  default:
    // Halves of 8 bytes are columns of a matrix of two.
    if (low == high)
      return device_->check(driver.fill32(at, low, 2 * count, on), what);
    MMCC_RETURN_IF_ERROR(
        device_->check(driver.fillColumns32(at, 8, low, 1, count, on), what));
    return device_->check(driver.fillColumns32(at + 4, 8, high, 1, count, on),
                          what);
  }
}

Status Queue::record(uint32_t stream, uint32_t event) {
  return device_->check(
      device_->driver().eventRecord(events_[event], streams_[stream]),
      "recording an event");
}

Status Queue::wait(uint32_t stream, uint32_t event) {
  return device_->check(
      device_->driver().streamWait(streams_[stream], events_[event], 0),
      "waiting for an event");
}

Status Queue::fork() {
  const Driver &driver = device_->driver();
  if (joins_.empty())
    return {};
  MMCC_RETURN_IF_ERROR(device_->check(
      driver.eventRecord(joins_[0], streams_[0]), "recording an event"));
  for (size_t i = 1; i < streams_.size(); ++i)
    MMCC_RETURN_IF_ERROR(device_->check(
        driver.streamWait(streams_[i], joins_[0], 0), "waiting for an event"));
  return {};
}

Status Queue::join() {
  const Driver &driver = device_->driver();
  for (size_t i = 1; i < streams_.size(); ++i) {
    MMCC_RETURN_IF_ERROR(device_->check(
        driver.eventRecord(joins_[i], streams_[i]), "recording an event"));
    MMCC_RETURN_IF_ERROR(device_->check(
        driver.streamWait(streams_[0], joins_[i], 0), "waiting for an event"));
  }
  return {};
}

Status Queue::synchronize() {
  for (StreamHandle stream : streams_)
    MMCC_RETURN_IF_ERROR(
        device_->check(device_->driver().streamSynchronize(stream),
                       "a kernel or copy has failed"));
  return {};
}

//===----------------------------------------------------------------------===//
// Clock
//===----------------------------------------------------------------------===//

Clock::~Clock() {
  for (EventHandle event : points_)
    (void)queue_.device().driver().eventDestroy(event);
}

Status Clock::mark(uint32_t stream, size_t point) {
  const Device &device = queue_.device();
  while (points_.size() <= point) {
    EventHandle event = nullptr;
    MMCC_RETURN_IF_ERROR(device.check(
        device.driver().eventCreate(&event, kEventDefault), "making an event"));
    points_.push_back(event);
  }
  return device.check(
      device.driver().eventRecord(points_[point], queue_.stream(stream)),
      "recording an event");
}

Status Clock::nanoseconds(size_t from, size_t to, uint64_t &elapsed) const {
  const Device &device = queue_.device();
  MMCC_RETURN_IF_ERROR(
      device.check(device.driver().eventSynchronize(points_[to]),
                   "a kernel or copy has failed"));
  float milliseconds = 0;
  MMCC_RETURN_IF_ERROR(device.check(
      device.driver().eventElapsed(&milliseconds, points_[from], points_[to]),
      "timing a kernel"));
  elapsed = uint64_t(double(milliseconds) * 1e6);
  return {};
}

} // namespace mmcc::runtime::cuda
