//===- Memory.cpp - The memory functions that LLVM may call ---------------===//
//
// Images have no imports, so that what LLVM makes of a copying loop must be
// here. Compiled with -fno-builtin, lest these loops become calls to
// themselves.
//
//===----------------------------------------------------------------------===//

#include <cstddef>
#include <immintrin.h>

namespace {
using Chunk = __m256i;
constexpr size_t kChunk = sizeof(Chunk);

inline Chunk load(const void *p) {
  return _mm256_loadu_si256(static_cast<const Chunk *>(p));
}
inline void store(void *p, Chunk v) {
  _mm256_storeu_si256(static_cast<Chunk *>(p), v);
}
} // namespace

extern "C" void *memcpy(void *__restrict to, const void *__restrict from,
                        size_t n) {
  auto *d = static_cast<char *>(to);
  auto *s = static_cast<const char *>(from);
  if (n < kChunk) {
#pragma clang loop vectorize(disable) unroll(disable)
    for (size_t i = 0; i < n; ++i)
      d[i] = s[i];
    return to;
  }
  for (size_t i = 0; i + kChunk <= n; i += kChunk)
    store(d + i, load(s + i));
  store(d + n - kChunk, load(s + n - kChunk));
  return to;
}

extern "C" void *memmove(void *to, const void *from, size_t n) {
  auto *d = static_cast<char *>(to);
  auto *s = static_cast<const char *>(from);
  if (d <= s) {
    size_t i = 0;
    for (; i + kChunk <= n; i += kChunk)
      store(d + i, load(s + i));
#pragma clang loop vectorize(disable) unroll(disable)
    for (; i < n; ++i)
      d[i] = s[i];
    return to;
  }
  size_t i = n;
  for (; i >= kChunk; i -= kChunk)
    store(d + i - kChunk, load(s + i - kChunk));
#pragma clang loop vectorize(disable) unroll(disable)
  for (; i > 0; --i)
    d[i - 1] = s[i - 1];
  return to;
}

extern "C" void *memset(void *to, int value, size_t n) {
  auto *d = static_cast<char *>(to);
  if (n < kChunk) {
#pragma clang loop vectorize(disable) unroll(disable)
    for (size_t i = 0; i < n; ++i)
      d[i] = static_cast<char>(value);
    return to;
  }
  Chunk v = _mm256_set1_epi8(static_cast<char>(value));
  for (size_t i = 0; i + kChunk <= n; i += kChunk)
    store(d + i, v);
  store(d + n - kChunk, v);
  return to;
}

extern "C" int memcmp(const void *a, const void *b, size_t n) {
  auto *x = static_cast<const unsigned char *>(a);
  auto *y = static_cast<const unsigned char *>(b);
#pragma clang loop vectorize(disable) unroll(disable)
  for (size_t i = 0; i < n; ++i)
    if (x[i] != y[i])
      return x[i] < y[i] ? -1 : 1;
  return 0;
}
