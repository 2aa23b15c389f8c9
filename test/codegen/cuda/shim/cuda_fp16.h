//===- cuda_fp16.h - Half precision, by the compiler's own type -----------===//

#pragma once

// CudaShim.h comes first.

using __half = _Float16;

inline __half __float2half_rn(float x) { return static_cast<_Float16>(x); }
inline float __half2float(__half x) { return static_cast<float>(x); }
inline unsigned short __half_as_ushort(__half x) {
  unsigned short bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}
inline __half __ushort_as_half(unsigned short bits) {
  __half x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}
