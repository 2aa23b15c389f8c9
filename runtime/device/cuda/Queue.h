//===- Queue.h - What a GPU is asked to do, in order ------------*- C++ -*-===//

#ifndef MMCC_RUNTIME_DEVICE_CUDA_QUEUE_H
#define MMCC_RUNTIME_DEVICE_CUDA_QUEUE_H

#include "runtime/core/Span.h"
#include "runtime/device/cuda/Device.h"

#include <vector>

namespace mmcc::runtime::cuda {

struct Grid {
  int64_t x, y, z;       // blocks
  unsigned threads;      // of a block
  unsigned shared_bytes; // likewise, dynamic

  bool operator==(const Grid &other) const {
    return x == other.x && y == other.y && z == other.z &&
           threads == other.threads && shared_bytes == other.shared_bytes;
  }
  /// Whether a GPU takes it.
  Status check() const;
};

/// Streams and events of one session. What is put into one stream is carried
/// out in order; the caller goes on at once. The calling thread's device is the
/// queue's (Device::makeCurrent).
class Queue {
public:
  Queue(std::shared_ptr<Device> device, uint32_t streams, uint32_t events);
  ~Queue();
  Queue(const Queue &) = delete;

  /// Once, before anything else.
  Status start();

  /// A kernel whose one parameter is `parameters`.
  Status launch(uint32_t stream, Function function, const Grid &grid,
                Span<const uint64_t> parameters);
  Status copyIn(uint32_t stream, uint8_t *target, const void *source,
                uint64_t bytes);
  Status copyOut(uint32_t stream, void *target, const uint8_t *source,
                 uint64_t bytes);
  Status copyWithin(uint32_t stream, uint8_t *target, const uint8_t *source,
                    uint64_t bytes);
  /// `bytes` is a multiple of pattern_bytes, which is 1, 2, 4 or 8, and
  /// `target` is aligned to it.
  Status fill(uint32_t stream, uint8_t *target, uint64_t bytes,
              uint64_t pattern, uint32_t pattern_bytes);

  Status record(uint32_t stream, uint32_t event);
  Status wait(uint32_t stream, uint32_t event);
  /// All streams go on behind what is in stream 0; and stream 0 behind what is
  /// in all of them.
  Status fork();
  Status join();
  /// Until all is done. What kernels did wrong shows here.
  Status synchronize();

  StreamHandle stream(uint32_t index) const { return streams_[index]; }
  const Device &device() const { return *device_; }

private:
  std::shared_ptr<Device> device_;
  std::vector<StreamHandle> streams_;
  std::vector<EventHandle> events_;
  std::vector<EventHandle> joins_; // by stream; 0: of fork
};

/// Points of time in a queue's stream, to be read when it has come to them.
class Clock {
public:
  explicit Clock(const Queue &queue) : queue_(queue) {}
  ~Clock();
  Clock(const Clock &) = delete;

  Status mark(uint32_t stream, size_t point);
  /// Between two points; waits for the later.
  Status nanoseconds(size_t from, size_t to, uint64_t &elapsed) const;

private:
  const Queue &queue_;
  std::vector<EventHandle> points_;
};

} // namespace mmcc::runtime::cuda

#endif // MMCC_RUNTIME_DEVICE_CUDA_QUEUE_H
