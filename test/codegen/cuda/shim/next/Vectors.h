//===- Vectors.h - CUDA's short vectors -------------------------*- C++ -*-===//
//
// Aligned as a GPU loads them: whole where they have 2 or 4 elements, up to 16
// bytes.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_VECTORS_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_VECTORS_H

#define MMCC_SHIM_VECTORS(element, name, two, four)                            \
  struct name##1 { element x; };                                               \
  struct alignas(two) name##2 { element x, y; };                               \
  struct name##3 { element x, y, z; };                                         \
  struct alignas(four) name##4 { element x, y, z, w; };                        \
  inline name##1 make_##name##1(element x) { return {x}; }                     \
  inline name##2 make_##name##2(element x, element y) { return {x, y}; }       \
  inline name##3 make_##name##3(element x, element y, element z) {             \
    return {x, y, z};                                                          \
  }                                                                            \
  inline name##4 make_##name##4(element x, element y, element z, element w) {  \
    return {x, y, z, w};                                                       \
  }

MMCC_SHIM_VECTORS(signed char, char, 2, 4)
MMCC_SHIM_VECTORS(unsigned char, uchar, 2, 4)
MMCC_SHIM_VECTORS(short, short, 4, 8)
MMCC_SHIM_VECTORS(unsigned short, ushort, 4, 8)
MMCC_SHIM_VECTORS(int, int, 8, 16)
MMCC_SHIM_VECTORS(unsigned, uint, 8, 16)
MMCC_SHIM_VECTORS(long long, longlong, 16, 16)
MMCC_SHIM_VECTORS(unsigned long long, ulonglong, 16, 16)
MMCC_SHIM_VECTORS(float, float, 8, 16)
MMCC_SHIM_VECTORS(double, double, 16, 16)
#undef MMCC_SHIM_VECTORS

/// A size: what is not said is 1.
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1)
      : x(x), y(y), z(z) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_VECTORS_H
