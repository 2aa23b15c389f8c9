//===- CheckedMath.h - 64-bit arithmetic that notices overflow --*- C++ -*-===//

#ifndef MMCC_RUNTIME_CORE_CHECKEDMATH_H
#define MMCC_RUNTIME_CORE_CHECKEDMATH_H

#include <cstdint>

namespace mmcc::runtime {

// Each returns false, and leaves `result` unspecified, on overflow.

inline bool checkedAdd(int64_t a, int64_t b, int64_t &result) {
  return !__builtin_add_overflow(a, b, &result);
}
inline bool checkedSub(int64_t a, int64_t b, int64_t &result) {
  return !__builtin_sub_overflow(a, b, &result);
}
inline bool checkedMul(int64_t a, int64_t b, int64_t &result) {
  return !__builtin_mul_overflow(a, b, &result);
}

/// True when [offset, offset + bytes) lies within [0, limit).
inline bool rangeFits(uint64_t offset, uint64_t bytes, uint64_t limit) {
  return offset <= limit && bytes <= limit - offset;
}

/// Rounds up to a multiple of `align`, a power of two.
inline bool checkedAlign(int64_t value, int64_t align, int64_t &result) {
  if (!checkedAdd(value, align - 1, result))
    return false;
  result &= ~(align - 1);
  return true;
}

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_CORE_CHECKEDMATH_H
