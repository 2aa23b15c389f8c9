//===- Slab.h - Memory straight from the system -----------------*- C++ -*-===//

#ifndef MMCC_RUNTIME_DEVICE_CPU_SLAB_H
#define MMCC_RUNTIME_DEVICE_CPU_SLAB_H

#include <cstdint>

namespace mmcc::runtime {

/// A page-aligned range of anonymous memory that only grows. Ranges of 2 MiB
/// and more ask for huge pages.
class Slab {
public:
  Slab() = default;
  ~Slab();
  Slab(Slab &&other) noexcept;
  Slab(const Slab &) = delete;
  Slab &operator=(const Slab &) = delete;

  /// Makes at least `bytes` bytes available, with kTailBytes readable bytes
  /// behind them. The content is lost when the slab has to grow. False when
  /// there is no memory; the old range is then gone, too.
  bool reserve(uint64_t bytes);

  uint8_t *data() const { return data_; }
  uint64_t bytes() const { return bytes_; }

  static constexpr uint64_t kTailBytes = 256;

private:
  void release();

  uint8_t *data_ = nullptr;
  uint64_t bytes_ = 0;
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_DEVICE_CPU_SLAB_H
