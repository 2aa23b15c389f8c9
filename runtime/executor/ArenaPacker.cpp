#include "runtime/executor/ArenaPacker.h"

#include "runtime/core/CheckedMath.h"

#include <algorithm>

namespace mmcc::runtime {

// Packing is quadratic; beyond this many buffers they are put side by side.
static constexpr size_t kMaxPacked = 8192;

bool ArenaPacker::pack(Span<ArenaBuffer> buffers, int64_t base,
                       int64_t &total) {
  total = base;
  order_.clear();
  placed_.clear();
  for (uint32_t i = 0; i < buffers.size(); ++i)
    order_.push_back(i);
  std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
    return buffers[a].bytes != buffers[b].bytes
               ? buffers[a].bytes > buffers[b].bytes
               : a < b;
  });

  for (uint32_t index : order_) {
    ArenaBuffer &buffer = buffers[index];
    int64_t top = base, best = -1, best_gap = 0;
    if (buffers.size() > kMaxPacked) {
      top = total;
    } else {
      for (uint32_t other_index : placed_) {
        const ArenaBuffer &other = buffers[other_index];
        if (other.stream == buffer.stream && buffer.stream != ~0u &&
            (other.last < buffer.first || buffer.last < other.first))
          continue;
        int64_t start = 0, gap = 0;
        if (!checkedAlign(top, buffer.align, start))
          return false;
        gap = other.offset - start;
        if (gap >= buffer.bytes && (best < 0 || gap < best_gap)) {
          best = start;
          best_gap = gap;
        }
        top = std::max(top, other.offset + other.bytes);
      }
    }
    if (best < 0 && !checkedAlign(top, buffer.align, best))
      return false;
    int64_t end = 0;
    if (!checkedAdd(best, buffer.bytes, end))
      return false;
    buffer.offset = best;
    total = std::max(total, end);
    auto position = std::upper_bound(
        placed_.begin(), placed_.end(), index, [&](uint32_t a, uint32_t b) {
          return buffers[a].offset < buffers[b].offset;
        });
    placed_.insert(position, index);
  }
  return true;
}

} // namespace mmcc::runtime
