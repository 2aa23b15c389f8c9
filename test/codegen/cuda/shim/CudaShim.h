//===- CudaShim.h - CUDA's words for a CPU ----------------------*- C++ -*-===//
//
// Included before a kernel's source, which then compiles as C++. The threads of
// a block are fibers of one thread of the machine (Fibers.cpp), and blocks run
// one after another; what is __shared__ is therefore static.
//
// Only what our kernels use is here.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_CUDASHIM_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_CUDASHIM_H

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#define MMCC_CUDA_SHIM 1
/// What a kernel does where GPUs differ.
#ifndef __CUDA_ARCH__
#define __CUDA_ARCH__ 800
#endif
#define __device__
#define __host__
#define __global__
#define __shared__ static
#define __forceinline__ inline

/// The kernel is exported as a function of the address of its parameter, beside
/// the parameter's size.
#define MMCC_KERNEL(name, threads, ...)                                        \
  static void name##_body(const __VA_ARGS__ &args);                            \
  extern "C" const size_t name##_parameter_bytes;                              \
  const size_t name##_parameter_bytes = sizeof(__VA_ARGS__);                   \
  extern "C" void name(const void *parameters) {                               \
    name##_body(*static_cast<const __VA_ARGS__ *>(parameters));                \
  }                                                                            \
  static void name##_body(const __VA_ARGS__ &args)

/// As much as a launch may ask for. It is aligned to 16 bytes and no more, as
/// what a kernel declares comes before it.
#define MMCC_DYNAMIC_SHARED(type, name)                                        \
  alignas(1024) static char name##_memory[mmcc_shim_most_shared + 1024];       \
  static_assert(sizeof(type) <= mmcc_shim_most_shared);                        \
  mmcc_shim_check_shared(sizeof(type));                                        \
  mmcc::shim::dynamicShared() = name##_memory + mmcc_shim_shared_begin % 1024; \
  type &name = *reinterpret_cast<type *>(mmcc::shim::dynamicShared())
constexpr unsigned mmcc_shim_most_shared = 227 << 10;
/// Its address among those of shared memory.
constexpr unsigned mmcc_shim_shared_begin = (8 << 10) + 16;
/// The launch must have asked for so many bytes.
extern "C" void mmcc_shim_check_shared(uint64_t bytes);

namespace mmcc::shim {

struct Position {
  unsigned x, y, z;
};
struct Place {
  Position threadIdx, blockIdx, blockDim, gridDim;
};

/// Where the running kernel's dynamic shared memory is.
inline char *&dynamicShared() {
  static char *memory = nullptr;
  return memory;
}

} // namespace mmcc::shim

// Of the thread that runs. In Fibers.cpp.
extern "C" mmcc::shim::Place *mmcc_shim_place();
/// Waits for all threads of the block that have not returned.
extern "C" void mmcc_shim_sync_block();
/// Arrives at one of the block's 16 barriers, at which so many threads do, and
/// waits for the others or does not.
extern "C" void mmcc_shim_named_barrier(unsigned barrier, unsigned threads,
                                        bool waits);
/// Differs from block to block.
extern "C" uint64_t mmcc_shim_block_number();
/// Waits until somebody changes a number.
extern "C" void mmcc_shim_wait_change(const uint64_t *number);
/// Waits for the lanes of `mask`, all of which must name it; gives lane
/// `from`'s `value`. Lanes that are not in the mask give the caller's own.
extern "C" uint64_t mmcc_shim_exchange(unsigned mask, uint64_t value,
                                       unsigned from);
/// Waits for all lanes of the warp; `all` gets `bytes` bytes of each, at most
/// 64.
extern "C" void mmcc_shim_gather(const void *mine, unsigned bytes, void *all);

#define threadIdx (mmcc_shim_place()->threadIdx)
#define blockIdx (mmcc_shim_place()->blockIdx)
#define blockDim (mmcc_shim_place()->blockDim)
#define gridDim (mmcc_shim_place()->gridDim)

inline void __syncthreads() { mmcc_shim_sync_block(); }
inline void __syncwarp(unsigned mask = 0xffffffffu) {
  mmcc_shim_exchange(mask, 0, 0);
}
template <typename T> T __shfl_xor_sync(unsigned mask, T value, int lanes) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = mmcc_shim_exchange(mask, bits, (threadIdx.x % 32) ^ unsigned(lanes));
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

template <typename T> T __shfl_up_sync(unsigned mask, T value, unsigned lanes) {
  const unsigned lane = threadIdx.x % 32;
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = mmcc_shim_exchange(mask, bits, lane < lanes ? lane : lane - lanes);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
/// A bit of each lane; all take part.
inline unsigned __ballot_sync(unsigned, bool value) {
  bool all[32];
  mmcc_shim_gather(&value, sizeof(bool), all);
  unsigned bits = 0;
  for (unsigned lane = 0; lane < 32; ++lane)
    bits |= unsigned(all[lane]) << lane;
  return bits;
}
/// Nobody comes between: a fiber runs until it waits.
inline int atomicAdd(int *sum, int value) {
  const int before = *sum;
  *sum += value;
  return before;
}
/// Blocks run one after another.
inline void __threadfence() {}
/// A load that passes by a multiprocessor's own cache.
template <typename T> T __ldcg(const T *from) { return *from; }
template <typename T> T __shfl_sync(unsigned mask, T value, int from) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = mmcc_shim_exchange(mask, bits, unsigned(from) % 32);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

inline float __uint_as_float(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
inline unsigned __float_as_uint(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline double __longlong_as_double(long long bits) {
  double value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __dp4a(int a, int b, int c) {
  for (int i = 0; i < 32; i += 8)
    c += int(int8_t(a >> i)) * int(int8_t(b >> i));
  return c;
}
/// Bytes, each less its counterpart, without borrowing.
inline unsigned __vsub4(unsigned a, unsigned b) {
  unsigned result = 0;
  for (int i = 0; i < 32; i += 8)
    result |= ((a >> i) - (b >> i) & 0xff) << i;
  return result;
}
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
inline double rsqrt(double x) { return 1 / std::sqrt(x); }

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_CUDASHIM_H
