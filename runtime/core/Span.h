//===- Span.h - A pointer and a length --------------------------*- C++ -*-===//

#ifndef MMCC_RUNTIME_CORE_SPAN_H
#define MMCC_RUNTIME_CORE_SPAN_H

#include <cstddef>
#include <cstdint>

namespace mmcc::runtime {

template <typename T> class Span {
public:
  Span() = default;
  Span(T *data, size_t size) : data_(data), size_(size) {}
  template <typename Container>
  Span(Container &container)
      : data_(container.data()), size_(container.size()) {}

  T *data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T &operator[](size_t i) const { return data_[i]; }
  T *begin() const { return data_; }
  T *end() const { return data_ + size_; }

private:
  T *data_ = nullptr;
  size_t size_ = 0;
};

/// Length of a FlatBuffers vector that may be absent.
template <typename Vector> uint32_t lengthOf(const Vector *vector) {
  return vector ? vector->size() : 0;
}

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_CORE_SPAN_H
