//===- ArenaPlanner.cpp - Offsets for buffers with lifetimes --------------===//

#include "passes/schedule/ArenaPlanner.h"
#include <algorithm>
#include <map>
#include <numeric>
#include <random>

namespace mmcc::schedule {

namespace {

constexpr int64_t kAlignment = 64;
constexpr int kShuffles = 24;

int64_t roundUp(int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

bool overlap(const Lifetime &a, const Lifetime &b) {
  return a.stream != b.stream || a.stream < 0 ||
         (a.first <= b.last && b.first <= a.last);
}

/// Places buffers in `order`, each in the smallest gap that holds it.
ArenaPlan bestFit(const std::vector<Lifetime> &buffers,
                  const std::vector<size_t> &order) {
  ArenaPlan plan;
  plan.offsets.assign(buffers.size(), 0);
  // Placed buffers by offset.
  std::multimap<int64_t, size_t> placed;
  for (size_t index : order) {
    const Lifetime &buffer = buffers[index];
    int64_t bytes = roundUp(buffer.bytes);
    int64_t best = -1, bestGap = INT64_MAX, end = 0;
    for (const auto &[offset, other] : placed) {
      if (!overlap(buffer, buffers[other]))
        continue;
      int64_t gap = offset - end;
      if (gap >= bytes && gap < bestGap) {
        best = end;
        bestGap = gap;
      }
      end = std::max(end, offset + roundUp(buffers[other].bytes));
    }
    if (best < 0)
      best = end;
    plan.offsets[index] = best;
    plan.bytes = std::max(plan.bytes, best + bytes);
    placed.emplace(best, index);
  }
  return plan;
}

int64_t lowerBoundOf(const std::vector<Lifetime> &buffers) {
  std::map<int64_t, int64_t> change;
  for (const Lifetime &buffer : buffers) {
    change[buffer.first] += roundUp(buffer.bytes);
    change[buffer.last + 1] -= roundUp(buffer.bytes);
  }
  int64_t live = 0, most = 0;
  for (auto &[command, delta] : change)
    most = std::max(most, live += delta);
  return most;
}

} // namespace

ArenaPlan planArena(const std::vector<Lifetime> &buffers) {
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), 0);
  int64_t lowerBound = lowerBoundOf(buffers);
  ArenaPlan best;
  bool any = false;
  auto attempt = [&](const std::vector<size_t> &order) {
    if (any && best.bytes == lowerBound)
      return;
    ArenaPlan plan = bestFit(buffers, order);
    if (!any || plan.bytes < best.bytes)
      best = std::move(plan);
    any = true;
  };
  auto sorted = [&](auto key) {
    std::vector<size_t> result = order;
    std::stable_sort(result.begin(), result.end(), [&](size_t a, size_t b) {
      return key(buffers[a]) > key(buffers[b]);
    });
    return result;
  };
  std::vector<size_t> bySize =
      sorted([](const Lifetime &b) { return b.bytes; });
  attempt(bySize);
  attempt(sorted([](const Lifetime &b) { return b.last - b.first; }));
  attempt(sorted(
      [](const Lifetime &b) { return b.bytes * (b.last - b.first + 1); }));
  attempt(order);
  // Neighbours in size swap places, with a fixed seed.
  std::mt19937 random(1);
  for (int i = 0; i < kShuffles && buffers.size() > 2; ++i) {
    std::vector<size_t> shuffled = bySize;
    for (size_t swap = 0; swap < shuffled.size(); ++swap) {
      size_t at = random() % (shuffled.size() - 1);
      std::swap(shuffled[at], shuffled[at + 1]);
    }
    attempt(shuffled);
  }
  best.lowerBound = lowerBound;
  return best;
}

} // namespace mmcc::schedule
