//===- Bits.h - Integers and bits of numbers --------------------*- C++ -*-===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_BITS_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_BITS_H

#include "Vectors.h"

#include <cstdint>
#include <cstring>

namespace mmcc::shim {

template <typename To, typename From> To bitsAs(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

} // namespace mmcc::shim

inline int __float_as_int(float x) { return mmcc::shim::bitsAs<int>(x); }
inline unsigned __float_as_uint(float x) {
  return mmcc::shim::bitsAs<unsigned>(x);
}
inline float __int_as_float(int x) { return mmcc::shim::bitsAs<float>(x); }
inline float __uint_as_float(unsigned x) {
  return mmcc::shim::bitsAs<float>(x);
}
inline long long __double_as_longlong(double x) {
  return mmcc::shim::bitsAs<long long>(x);
}
inline double __longlong_as_double(long long x) {
  return mmcc::shim::bitsAs<double>(x);
}
inline int __double2hiint(double x) {
  return int(__double_as_longlong(x) >> 32);
}
inline int __double2loint(double x) { return int(__double_as_longlong(x)); }
inline double __hiloint2double(int high, int low) {
  return mmcc::shim::bitsAs<double>(uint64_t(unsigned(high)) << 32 |
                                    unsigned(low));
}

//===----------------------------------------------------------------------===//
// Counting and moving
//===----------------------------------------------------------------------===//

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
inline int __clzll(long long x) {
  return x ? __builtin_clzll((unsigned long long)x) : 64;
}
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) { return __builtin_bitreverse32(x); }
inline unsigned long long __brevll(unsigned long long x) {
  return __builtin_bitreverse64(x);
}
/// A nibble of the selector names a byte of y:x by its lower three bits.
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const uint64_t bytes = uint64_t(y) << 32 | x;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i)
    result |= unsigned(bytes >> (selector >> 4 * i & 7) * 8 & 0xff) << 8 * i;
  return result;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return unsigned(((uint64_t(high) << 32 | low) << (shift & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return unsigned((uint64_t(high) << 32 | low) >> (shift & 31));
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

inline int __mulhi(int a, int b) { return int((int64_t(a) * b) >> 32); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return unsigned((uint64_t(a) * b) >> 32);
}
inline long long __mul64hi(long long a, long long b) {
  return (long long)((__int128(a) * b) >> 64);
}
inline unsigned long long __umul64hi(unsigned long long a,
                                     unsigned long long b) {
  return (unsigned long long)(((unsigned __int128)(a)*b) >> 64);
}

/// Four products of bytes and a sum, which wraps.
inline int __dp4a(int a, int b, int sum) {
  auto result = unsigned(sum);
  for (int i = 0; i < 32; i += 8)
    result += unsigned(int8_t(a >> i) * int8_t(b >> i));
  return int(result);
}
inline unsigned __dp4a(unsigned a, unsigned b, unsigned sum) {
  for (int i = 0; i < 32; i += 8)
    sum += (a >> i & 0xff) * (b >> i & 0xff);
  return sum;
}
inline int __dp4a(char4 a, char4 b, int sum) {
  return __dp4a(mmcc::shim::bitsAs<int>(a), mmcc::shim::bitsAs<int>(b), sum);
}
inline unsigned __dp4a(uchar4 a, uchar4 b, unsigned sum) {
  return __dp4a(mmcc::shim::bitsAs<unsigned>(a),
                mmcc::shim::bitsAs<unsigned>(b), sum);
}

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_BITS_H
