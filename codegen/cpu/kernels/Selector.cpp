//===- Selector.cpp - The k best of a stream of scores --------------------===//

#include "codegen/cpu/kernels/Selector.h"

namespace mmcc::cpu {

uint64_t Selector::kthLargest() const {
  // Byte by byte from the top.
  uint64_t prefix = 0, mask = 0;
  int64_t left = k;
  for (int shift = 56; shift >= 0; shift -= 8) {
    int32_t histogram[256];
    for (int32_t &bin : histogram)
      bin = 0;
    for (int64_t i = 0; i < count; ++i)
      if ((keys[i] & mask) == prefix)
        ++histogram[keys[i] >> shift & 255];
    uint64_t bin = 255;
    for (; bin > 0 && histogram[bin] < left; --bin)
      left -= histogram[bin];
    prefix |= bin << shift;
    mask |= uint64_t(255) << shift;
  }
  return prefix;
}

/// Brings the k largest to the front; false after more steps than an order that
/// is not against it takes.
bool Selector::partition() {
  int64_t low = 0, high = count - 1;
  for (int steps = 0; low < high; ++steps) {
    if (steps == 48)
      return false;
    uint64_t a = keys[low], b = keys[low + (high - low) / 2], c = keys[high];
    uint64_t larger = a > b ? a : b, smaller = a > b ? b : a;
    uint64_t pivot = c > larger ? larger : c > smaller ? c : smaller;
    int64_t i = low, j = high;
    while (i <= j) {
      while (keys[i] > pivot)
        ++i;
      while (keys[j] < pivot)
        --j;
      if (i <= j) {
        uint64_t key = keys[i];
        keys[i++] = keys[j];
        keys[j--] = key;
      }
    }
    if (k - 1 <= j)
      high = j;
    else if (k - 1 >= i)
      low = i;
    else
      break;
  }
  return true;
}

void Selector::raiseBar() {
  if (k <= kSorted) {
    sortDown(count);
    setBar(keys[k - 1]);
    return;
  }
  if (count == k || partition()) {
    uint64_t lowest = keys[0];
    for (int64_t i = 1; i < k; ++i)
      lowest = keys[i] < lowest ? keys[i] : lowest;
    count = k;
    setBar(lowest);
    return;
  }
  setBar(kthLargest());
  int64_t kept = 0;
  for (int64_t i = 0; i < count; ++i)
    if (keys[i] >= bar)
      keys[kept++] = keys[i];
  count = kept;
}

void Selector::sortDown(int64_t n) {
  if (n <= 48) {
    for (int64_t i = 1; i < n; ++i) {
      uint64_t key = keys[i];
      int64_t j = i;
      for (; j > 0 && keys[j - 1] < key; --j)
        keys[j] = keys[j - 1];
      keys[j] = key;
    }
    return;
  }
  // By bytes from the bottom, to and fro between the buffer's two halves.
  uint64_t *from = keys, *to = keys + n;
  for (int shift = 0; shift < 64; shift += 8) {
    int64_t starts[256];
    for (int64_t &start : starts)
      start = 0;
    for (int64_t i = 0; i < n; ++i)
      ++starts[from[i] >> shift & 255];
    int64_t before = 0;
    for (int bin = 255; bin >= 0; --bin) {
      int64_t size = starts[bin];
      starts[bin] = before;
      before += size;
    }
    for (int64_t i = 0; i < n; ++i)
      to[starts[from[i] >> shift & 255]++] = from[i];
    uint64_t *other = from;
    from = to;
    to = other;
  }
}

void Selector::finish(float *scores, float *places, float sign, float none) {
  if (count > k)
    raiseBar();
  sortDown(count);
  for (int64_t i = 0; i < k; ++i) {
    bool there = i < count;
    scores[i] = there ? scoreOf(static_cast<uint32_t>(keys[i] >> 32)) * sign
                      : __builtin_nanf("");
    places[i] =
        there ? static_cast<float>(~static_cast<uint32_t>(keys[i])) : none;
  }
}

} // namespace mmcc::cpu
