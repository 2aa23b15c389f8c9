//===- MmaShim.h - Tensor cores and asynchronous copies, on a CPU ---------===//
//
// Takes the place of the instructions in codegen/cuda/kernels/Mma.cuh. Lanes
// show each other their fragments and each computes its own sums. A copy is
// carried out when its thread waits for it, and until then there is nothing
// that makes sense: who reads without waiting, or still reads what was there,
// finds NaN.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_MMASHIM_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_MMASHIM_H

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>
#include <vector>

namespace mmcc {

namespace shim {

struct Copy {
  void *shared;
  const void *global;
  int bytes;
};
/// A thread's copies that are not done, in groups; the last is not committed.
inline std::vector<std::vector<Copy>> &pendingCopies() {
  static std::vector<std::vector<Copy>> ofThread[1024];
  auto &groups = ofThread[threadIdx.x];
  if (groups.empty())
    groups.emplace_back();
  return groups;
}

inline void expect(bool good, const char *what) {
  if (good)
    return;
  std::fprintf(stderr, "CUDA shim: %s: block (%u, %u, %u), thread %u\n", what,
               blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x);
  std::abort();
}

/// Pieces of 16 bytes of shared memory that threads have written and that a
/// warpgroup's products may not see yet.
struct UnseenPieces {
  std::unordered_map<uint64_t, unsigned> writers;
  std::vector<uint64_t> ofThread[1024];
};
inline UnseenPieces &unseenPieces() {
  static UnseenPieces pieces;
  return pieces;
}
inline void writePiece(void *shared, const void *from, size_t bytes) {
  std::memset(shared, 0, 16);
  std::memcpy(shared, from, bytes);
#ifdef MMCC_SHIM_WARPGROUPS
  const uint64_t piece = reinterpret_cast<uint64_t>(shared) / 16;
  unseenPieces().writers[piece] = threadIdx.x;
  unseenPieces().ofThread[threadIdx.x].push_back(piece);
#endif
}

} // namespace shim

inline uint32_t sharedAddress(const void *shared) {
  return mmcc_shim_shared_begin +
         uint32_t(static_cast<const char *>(shared) - shim::dynamicShared());
}

inline void copyAsync(void *shared, const void *global, int bytes) {
  shim::expect(reinterpret_cast<uint64_t>(shared) % 16 == 0 &&
                   reinterpret_cast<uint64_t>(global) % 16 == 0 && bytes >= 0 &&
                   bytes <= 16,
               "a copy of 16 bytes is not aligned");
  std::memset(shared, 0xff, 16);
  shim::pendingCopies().back().push_back({shared, global, bytes});
}
inline void commitCopies() { shim::pendingCopies().emplace_back(); }
template <int Pending> void waitForCopies() {
  auto &groups = shim::pendingCopies();
  while (groups.size() > Pending + 1) {
    for (const shim::Copy &copy : groups.front())
      shim::writePiece(copy.shared, copy.global, size_t(copy.bytes));
    groups.erase(groups.begin());
  }
}

namespace shim {

/// The address that lane `from` gives.
inline const char *addressOf(const void *mine, unsigned from) {
  return reinterpret_cast<const char *>(
      mmcc_shim_exchange(0xffffffffu, reinterpret_cast<uint64_t>(mine), from));
}

} // namespace shim

inline void loadMatrices(uint32_t (&words)[4], const void *row) {
  const unsigned lane = threadIdx.x % 32;
  shim::expect(reinterpret_cast<uint64_t>(row) % 16 == 0,
               "a matrix's row is not aligned");
  for (unsigned i = 0; i < 4; ++i)
    std::memcpy(&words[i],
                shim::addressOf(row, i * 8 + lane / 4) + lane % 4 * 4, 4);
}
inline void loadTransposed(uint32_t (&words)[4], const void *row) {
  const unsigned lane = threadIdx.x % 32;
  shim::expect(reinterpret_cast<uint64_t>(row) % 16 == 0,
               "a matrix's row is not aligned");
  for (unsigned i = 0; i < 4; ++i) {
    uint16_t halves[2];
    for (unsigned j = 0; j < 2; ++j)
      std::memcpy(&halves[j],
                  shim::addressOf(row, i * 8 + lane % 4 * 2 + j) + lane / 4 * 2,
                  2);
    words[i] = halves[0] | uint32_t(halves[1]) << 16;
  }
}

namespace shim {

struct Fragments {
  uint32_t a[4], b[2];
};

/// c += the sums of dot(word of A, word of B) over a fragment's 8 words.
template <typename Sum, typename Dot>
void multiply(Sum (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
              Dot dot) {
  const unsigned lane = threadIdx.x % 32;
  const Fragments mine = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
  Fragments all[32];
  mmcc_shim_gather(&mine, sizeof(mine), all);
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = lane / 4, column = lane % 4 * 2 + i % 2;
    for (unsigned word = 0; word < 8; ++word)
      c[i] += dot(all[row * 4 + word % 4].a[i / 2 + word / 4 * 2],
                  all[column * 4 + word % 4].b[word / 4]);
  }
}

} // namespace shim

inline void multiplyBf16(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                         uint32_t b1) {
  shim::multiply(c, a, b0, b1, [](uint32_t x, uint32_t y) {
    return __uint_as_float(x << 16) * __uint_as_float(y << 16) +
           __uint_as_float(x & 0xffff0000u) * __uint_as_float(y & 0xffff0000u);
  });
}
inline void multiplyF16(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                        uint32_t b1) {
  shim::multiply(c, a, b0, b1, [](uint32_t x, uint32_t y) {
    auto half = [](uint32_t word, int which) {
      return __half2float(__ushort_as_half(uint16_t(word >> 16 * which)));
    };
    return half(x, 0) * half(y, 0) + half(x, 1) * half(y, 1);
  });
}

inline float float8Of(uint32_t word, int which) {
  return float(bitcast<__nv_fp8_e4m3>(uint8_t(word >> 8 * which)));
}
inline uint32_t halvesOfFloat8(uint32_t word) {
  auto half = [&](int which) {
    return uint32_t(__half_as_ushort(__float2half_rn(float8Of(word, which))));
  };
  return half(0) | half(1) << 16;
}
namespace shim {

/// c and the products of 8 words each, as an instruction that keeps 14 bits
/// sums them: all are cut where the largest of them ends.
inline float addFloat8(float c, const uint32_t (&a)[8],
                       const uint32_t (&b)[8]) {
  double terms[33] = {double(c)}, sum = 0;
  for (unsigned k = 0; k < 32; ++k)
    terms[k + 1] =
        double(float8Of(a[k / 4], k % 4)) * double(float8Of(b[k / 4], k % 4));
  int last = -1000;
  for (double term : terms)
    if (term != 0 && std::isfinite(term))
      last = std::max(last, std::ilogb(term) - 13);
  for (double term : terms)
    sum += std::isfinite(term)
               ? std::ldexp(std::trunc(std::ldexp(term, -last)), last)
               : term;
  return float(sum);
}

} // namespace shim

inline void multiplyFloat8(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                           uint32_t b1) {
  const unsigned lane = threadIdx.x % 32;
  const shim::Fragments mine = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
  shim::Fragments all[32];
  mmcc_shim_gather(&mine, sizeof(mine), all);
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = lane / 4, column = lane % 4 * 2 + i % 2;
    uint32_t left[8], right[8];
    for (unsigned word = 0; word < 8; ++word) {
      left[word] = all[row * 4 + word % 4].a[i / 2 + word / 4 * 2];
      right[word] = all[column * 4 + word % 4].b[word / 4];
    }
    c[i] = shim::addFloat8(c[i], left, right);
  }
}
inline void multiplyTf32(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                         uint32_t b1) {
  shim::multiply(c, a, b0, b1, [](uint32_t x, uint32_t y) {
    // What is not tf32 is cut.
    return __uint_as_float(x & 0xffffe000u) * __uint_as_float(y & 0xffffe000u);
  });
}
inline void multiplyBytes(int32_t (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                          uint32_t b1) {
  shim::multiply(c, a, b0, b1, [](uint32_t x, uint32_t y) {
    return __dp4a(int(x), int(y), 0);
  });
}

inline uint32_t packHalves(bf16, float a, float b) {
  return bf16(a).code | uint32_t(bf16(b).code) << 16;
}
inline uint32_t packHalves(f16, float a, float b) {
  return f16(a).code | uint32_t(f16(b).code) << 16;
}

inline float exp2Fast(float x) { return exp2f(x); }
inline uint32_t toTf32(float x) {
  const uint32_t bits = __float_as_uint(x);
  // Infinities and NaN stay.
  return (bits & 0x7f800000) == 0x7f800000 ? bits
                                           : (bits + 0x1000) & 0xffffe000u;
}

} // namespace mmcc

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_MMASHIM_H
