//===- Selector.h - The k best of a stream of scores ------------*- C++ -*-===//
//
// A score and its place are one key, of which the larger is the better one:
//
//     | order of the score, 32 bits | ~place, 32 bits |
//
// so that equal scores go by the lower place and -0 is 0. NaN is larger than
// all numbers, as ONNX Runtime has it: the best of the largest, the last of the
// smallest. What is above the k-th best key so far goes into a buffer of 2 k +
// 64; when it is full, the k best stay and the bar rises:
//
//     scores ── > bar? ──► buffer [2 k + 64] ── full ──► k best, new bar
//
// Of n scores in no particular order about k ln(n / k) pass the bar: a
// comparison of vectors is what most of them cost. A few are kept in order all
// the time instead, and the bar is always the k-th.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_CODEGEN_CPU_KERNELS_SELECTOR_H
#define MMCC_CODEGEN_CPU_KERNELS_SELECTOR_H

#include "codegen/cpu/kernels/Scratch.h"
#include "codegen/cpu/kernels/Simd.h"

namespace mmcc::cpu {

/// A number's place in the order of floats, between 0 and the largest of all.
MMK_INLINE uint32_t orderOf(float x) {
  uint32_t bits;
  x += 0.0f; // -0 is 0
  __builtin_memcpy(&bits, &x, 4);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

/// NaN for both ends.
MMK_INLINE float scoreOf(uint32_t order) {
  uint32_t bits = order >> 31 ? order & 0x7fffffffu : ~order;
  float x;
  __builtin_memcpy(&x, &bits, 4);
  return order == 0 ? __builtin_nanf("") : x;
}

/// So few are kept in order all the time: the bar is always the k-th best.
constexpr int64_t kSorted = 16;

class Selector {
public:
  /// `keys` holds selectorKeys(k).
  MMK_INLINE Selector(uint64_t *keys, int64_t k) : keys(keys), k(k) {}

  /// Takes scores[i * sign], i < n, for the places first + i, or at[i]. Places
  /// come in ascending order, all calls together.
  MMK_INLINE void take(const float *scores, int64_t n, int64_t first,
                       const float *at, float sign) {
    nan = sign > 0 ? ~0u : 0u;
    int64_t i = 0;
    for (; i < n && count < k; ++i)
      add(scores[i] * sign, at ? static_cast<int64_t>(at[i]) : first + i);
    if (i == n)
      return;
    if (bar == 0)
      raiseBar();
    for (; i + kLanes <= n; i += kLanes) {
      uint32_t above =
          vnotAtMost(vmul(vload(scores + i), vset(sign)), vset(least));
      for (; above; above &= above - 1) {
        int64_t j = i + __builtin_ctz(above);
        offer(scores[j] * sign, at ? static_cast<int64_t>(at[j]) : first + j);
      }
    }
    for (; i < n; ++i)
      offer(scores[i] * sign, at ? static_cast<int64_t>(at[i]) : first + i);
  }

  /// The k best in order, the best first, as scores times sign and places; the
  /// score is NaN and the place `none` where fewer were taken.
  void finish(float *scores, float *places, float sign, float none);

private:
  MMK_INLINE uint64_t keyOf(float score, int64_t place) const {
    uint32_t order = score == score ? orderOf(score) : nan;
    // What fills up a chunk is worse than anything.
    if (score != score && place == static_cast<int64_t>(kNoPlace))
      order = 0;
    return static_cast<uint64_t>(order) << 32 | ~static_cast<uint32_t>(place);
  }
  MMK_INLINE void add(float score, int64_t place) {
    keys[count++] = keyOf(score, place);
  }
  MMK_INLINE void offer(float score, int64_t place) {
    const uint64_t key = keyOf(score, place);
    if (key <= bar)
      return;
    if (k <= kSorted) {
      insert(key);
      return;
    }
    keys[count++] = key;
    if (count == selectorKeys(k) - k)
      raiseBar();
  }
  /// Puts a key that is above the bar among the k best, which are in order.
  MMK_INLINE void insert(uint64_t key) {
    int64_t i = k - 1;
    for (; i > 0 && keys[i - 1] < key; --i)
      keys[i] = keys[i - 1];
    keys[i] = key;
    setBar(keys[k - 1]);
  }
  MMK_INLINE void setBar(uint64_t key) {
    bar = key;
    // Where it is NaN, with which nothing compares, every score is looked at.
    least = scoreOf(static_cast<uint32_t>(bar >> 32));
  }
  /// Keeps the k best.
  void raiseBar();
  bool partition();
  /// The k-th largest key, in a time that does not depend on their order.
  uint64_t kthLargest() const;
  void sortDown(int64_t n);

  uint64_t *keys;
  int64_t k, count = 0;
  uint32_t nan = 0;
  /// The k-th best key when it was last looked at, and its score: what is not
  /// above it cannot be among the k best. 0: not looked at yet.
  uint64_t bar = 0;
  float least = 0;
};

} // namespace mmcc::cpu

#endif // MMCC_CODEGEN_CPU_KERNELS_SELECTOR_H
