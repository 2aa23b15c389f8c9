//===- Scalar.cuh - Numbers as the blocks of a kernel mean them -----------===//
//
// What C++ leaves open is defined here as it is on the CPU: integers wrap,
// dividing by zero gives zero, shifts by too much give what shifting one by one
// would, floats become integers as cvttss2si has them, largest and least
// numbers keep NaN. Narrow floats are held as the float that they are.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CUDA_KERNELS_SCALAR_CUH
#define MMCC_CODEGEN_CUDA_KERNELS_SCALAR_CUH

#include "Abi.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

namespace mmcc {

//===----------------------------------------------------------------------===//
// Types without a standard library
//===----------------------------------------------------------------------===//

template <typename T> struct UnsignedOf;
template <> struct UnsignedOf<bool> {
  using Type = bool;
};
template <> struct UnsignedOf<int8_t> {
  using Type = uint8_t;
};
template <> struct UnsignedOf<int16_t> {
  using Type = uint16_t;
};
template <> struct UnsignedOf<int32_t> {
  using Type = uint32_t;
};
template <> struct UnsignedOf<int64_t> {
  using Type = uint64_t;
};
template <typename T> using Unsigned = typename UnsignedOf<T>::Type;

template <typename T> __device__ constexpr Unsigned<T> bits(T x) {
  return Unsigned<T>(x);
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

template <typename T> __device__ T add(T a, T b) {
  return T(bits(a) + bits(b));
}
template <typename T> __device__ T sub(T a, T b) {
  return T(bits(a) - bits(b));
}
template <typename T> __device__ T mul(T a, T b) {
  // Two short numbers would be multiplied as signed ones.
  return T(uint64_t(bits(a)) * uint64_t(bits(b)));
}
// One bit: true is -1.
__device__ inline bool add(bool a, bool b) { return a != b; }
__device__ inline bool sub(bool a, bool b) { return a != b; }
__device__ inline bool mul(bool a, bool b) { return a && b; }

template <typename T> __device__ bool less(T a, T b) { return a < b; }
__device__ inline bool less(bool a, bool b) { return a && !b; }
template <typename T> __device__ T largest(T a, T b) {
  return less(a, b) ? b : a;
}
template <typename T> __device__ T least(T a, T b) {
  return less(b, a) ? b : a;
}

template <typename T> __device__ T divide(T a, T b) {
  if (b == 0)
    return 0;
  return b == T(-1) ? sub(T(0), a) : T(a / b);
}
template <typename T> __device__ T remainder(T a, T b) {
  return b == 0 || b == T(-1) ? T(0) : T(a % b);
}
template <typename T> __device__ T divideUnsigned(T a, T b) {
  return b == 0 ? T(0) : T(bits(a) / bits(b));
}
template <typename T> __device__ T remainderUnsigned(T a, T b) {
  return b == 0 ? T(0) : T(bits(a) % bits(b));
}
template <typename T> __device__ T divideFloor(T a, T b) {
  T quotient = divide(a, b);
  bool inexact = remainder(a, b) != 0;
  return inexact && (a < 0) != (b < 0) ? sub(quotient, T(1)) : quotient;
}
template <typename T> __device__ T divideCeil(T a, T b) {
  T quotient = divide(a, b);
  bool inexact = remainder(a, b) != 0;
  return inexact && (a < 0) == (b < 0) ? add(quotient, T(1)) : quotient;
}
/// The rest that has the divisor's sign.
template <typename T> __device__ T modulo(T a, T b) {
  return b == 0 ? T(0) : sub(a, mul(divideFloor(a, b), b));
}

template <typename T> __device__ T shiftLeft(T a, T b) {
  return bits(b) >= sizeof(T) * 8 ? T(0) : T(uint64_t(bits(a)) << bits(b));
}
template <typename T> __device__ T shiftRight(T a, T b) {
  return T(a >> (bits(b) >= sizeof(T) * 8 ? sizeof(T) * 8 - 1 : bits(b)));
}
template <typename T> __device__ T shiftRightUnsigned(T a, T b) {
  return bits(b) >= sizeof(T) * 8 ? T(0) : T(bits(a) >> bits(b));
}

/// Negative exponents round the true result towards zero, which leaves only the
/// powers of 1 and -1; 0 to a negative power gives 0.
template <typename T> __device__ T power(T base, T exponent) {
  if (exponent < 0) {
    if (base == T(1))
      return 1;
    return base == T(-1) ? (exponent & 1 ? T(-1) : T(1)) : T(0);
  }
  T result = 1;
  for (; exponent; exponent = T(exponent >> 1)) {
    if (exponent & 1)
      result = mul(result, base);
    base = mul(base, base);
  }
  return result;
}

template <typename T> __device__ T magnitude(T a) {
  return a < 0 ? sub(T(0), a) : a;
}
template <typename T> __device__ T countOnes(T a) {
  return T(__popcll(uint64_t(bits(a))));
}
template <typename T> __device__ T countLeadingZeros(T a) {
  return T(__clzll(int64_t(uint64_t(bits(a)))) - 64 + int(sizeof(T)) * 8);
}
template <typename T> __device__ T countTrailingZeros(T a) {
  return a == 0 ? T(sizeof(T) * 8) : T(__ffsll(int64_t(uint64_t(bits(a)))) - 1);
}

//===----------------------------------------------------------------------===//
// Floats
//===----------------------------------------------------------------------===//

template <typename F> __device__ F maximum(F a, F b) {
  return a > b || a != a ? a : b;
}
template <typename F> __device__ F minimum(F a, F b) {
  return a < b || a != a ? a : b;
}
/// 2^63 and more, less than -2^63, and NaN become the least number.
template <typename F> __device__ int64_t truncate64(F x) {
  return x >= F(-0x1p63) && x < F(0x1p63) ? int64_t(x) : INT64_MIN;
}
template <typename F> __device__ int32_t truncate32(F x) {
  // -2^31 - 0.5 still becomes -2^31.
  double wide = double(x);
  return wide > -0x1p31 - 1 && wide < 0x1p31 ? int32_t(wide) : INT32_MIN;
}
/// As the CPU's: by way of 32 or 64 bits, then cut.
template <typename T, typename F> __device__ T toInteger(F x) {
  if constexpr (sizeof(T) == 8)
    return truncate64(x);
  else
    return T(truncate32(x));
}
template <typename T, typename F> __device__ T toUnsigned(F x) {
  if constexpr (sizeof(T) == 8)
    return x >= F(0x1p63) ? int64_t(uint64_t(truncate64(x - F(0x1p63))) ^
                                    (uint64_t(1) << 63))
                          : truncate64(x);
  else if constexpr (sizeof(T) == 4)
    return T(truncate64(x));
  else
    return T(truncate32(x));
}

template <typename To, typename From> __device__ To bitcast(From x) {
  static_assert(sizeof(To) == sizeof(From), "as many bits");
  To y;
  memcpy(&y, &x, sizeof(To));
  return y;
}

/// Numbers in memory that are computed with as float.
struct f16 {
  uint16_t code;
  f16() = default;
  __device__ f16(float x) : code(__half_as_ushort(__float2half_rn(x))) {}
  __device__ operator float() const {
    return __half2float(__ushort_as_half(code));
  }
};
// NaN has the code that it has on the CPU.
struct bf16 {
  uint16_t code;
  bf16() = default;
  __device__ bf16(float x)
      : code(x != x ? 0x7fc0 : __bfloat16_as_ushort(__float2bfloat16_rn(x))) {}
  __device__ operator float() const {
    return __uint_as_float(uint32_t(code) << 16);
  }
};
struct f8e4m3 {
  __nv_fp8_e4m3 code;
  f8e4m3() = default;
  __device__ f8e4m3(float x) : code(x) {}
  __device__ operator float() const { return float(code); }
};
struct f8e5m2 {
  uint8_t code;
  f8e5m2() = default;
  __device__ f8e5m2(float x)
      : code(x != x ? 0x7e : bitcast<uint8_t>(__nv_fp8_e5m2(x))) {}
  __device__ operator float() const {
    return float(bitcast<__nv_fp8_e5m2>(code));
  }
};
/// Without infinities or negative zero; 0x80 is NaN. No GPU has them.
template <int Mantissa, int Bias> struct Float8Z {
  uint8_t code;
  Float8Z() = default;
  __device__ Float8Z(float x) {
    const uint32_t bits = __float_as_uint(x);
    const float size = fabsf(x);
    const uint32_t magnitude = bits & 0x7fffffff,
                   odd = magnitude >> (23 - Mantissa) & 1;
    // Below the least normal number a code counts units of the last place.
    uint32_t result = size < ldexpf(1, 1 - Bias)
                          ? uint32_t(rintf(ldexpf(size, Bias - 1 + Mantissa)))
                          : ((magnitude + (1u << (22 - Mantissa)) - 1 + odd) >>
                             (23 - Mantissa)) -
                                (uint32_t(127 - Bias) << Mantissa);
    result = result < 0x7f ? result : 0x7f;
    if (result)
      result |= bits >> 24 & 0x80;
    code = uint8_t(x != x ? 0x80 : result);
  }
  __device__ operator float() const {
    const uint32_t magnitude = code & 0x7f;
    const float size = magnitude < 1u << Mantissa
                           ? ldexpf(float(magnitude), 1 - Bias - Mantissa)
                           : __uint_as_float((magnitude << (23 - Mantissa)) +
                                             (uint32_t(127 - Bias) << 23));
    return code == 0x80 ? NAN : code & 0x80 ? -size : size;
  }
};
using f8e4m3z = Float8Z<3, 8>;
using f8e5m2z = Float8Z<2, 16>;

/// Four neighbours, which one instruction reads.
struct alignas(16) FourFloats {
  float of[4];
};

} // namespace mmcc

#endif // MMCC_CODEGEN_CUDA_KERNELS_SCALAR_CUH
