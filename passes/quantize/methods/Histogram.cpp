//===- Histogram.cpp - How often numbers of each size were seen -----------===//

#include "passes/quantize/methods/Histogram.h"
#include "llvm/ADT/bit.h"

#include <cmath>

namespace mmcc::quantize {

namespace {

/// Bits of a float's mantissa that do not tell its bin.
constexpr int kRest = 18;
constexpr uint32_t kSign = uint32_t(1) << (31 - kRest), kBins = 2 * kSign;
/// The magnitude's bin that infinity would be in.
constexpr uint32_t kInfinity = uint32_t(0x7f800000) >> kRest;

uint32_t binOf(float x) { return llvm::bit_cast<uint32_t>(x) >> kRest; }

/// The lower end of a bin of magnitudes.
double endOf(uint32_t magnitude) {
  return double(llvm::bit_cast<float>(magnitude << kRest));
}

} // namespace

void Histogram::add(const float *numbers, int64_t count) {
  if (count == 0)
    return;
  counts.resize(kBins);
  if (total == 0)
    low = high = numbers[0];
  total += count;
  for (int64_t i = 0; i < count; ++i) {
    low = std::min(low, numbers[i]);
    high = std::max(high, numbers[i]);
  }
  for (int64_t i = 0; i < count; ++i)
    ++counts[binOf(numbers[i])];
}

std::vector<Histogram::Bin> Histogram::magnitudes() const {
  std::vector<Bin> bins;
  const double largest = double(largestMagnitude());
  for (uint32_t i = 0; i < kInfinity && !counts.empty(); ++i)
    if (int64_t count = counts[i] + counts[i + kSign])
      bins.push_back(
          {endOf(i),
           i + 1 < kInfinity ? std::min(endOf(i + 1), largest) : largest,
           count});
  return bins;
}

double Histogram::percentile(double share) const {
  auto rank = int64_t(std::ceil(share * double(total)));
  if (rank < total)
    for (const Bin &bin : magnitudes())
      if ((rank -= bin.count) <= 0)
        return (bin.low + bin.high) / 2;
  return double(largestMagnitude());
}

Histogram::Stored Histogram::stored() const {
  Stored stored{{}, {}, {low, high}};
  for (size_t i = 0; i < counts.size(); ++i)
    if (counts[i]) {
      stored.bins.push_back(int32_t(i));
      stored.counts.push_back(counts[i]);
    }
  return stored;
}

std::string Histogram::restore(const Stored &stored, int64_t count) {
  if (stored.bins.size() != stored.counts.size() || stored.range.size() != 2)
    return "its histogram has not a count for each bin";
  counts.assign(kBins, 0);
  int64_t left = count;
  for (size_t i = 0; i < stored.bins.size(); ++i) {
    int32_t bin = stored.bins[i];
    bool isBin = bin >= 0 && uint32_t(bin) < kBins &&
                 uint32_t(bin) % kSign < kInfinity &&
                 (i == 0 || bin > stored.bins[i - 1]);
    if (!isBin || stored.counts[i] < 1 || stored.counts[i] > left)
      return "its histogram has impossible bins";
    counts[size_t(bin)] = stored.counts[i];
    left -= stored.counts[i];
  }
  if (left != 0)
    return "its histogram is not of all numbers";
  total = count;
  low = stored.range[0];
  high = stored.range[1];
  bool isRange = low <= high && counts[binOf(low)] && counts[binOf(high)];
  uint32_t last = 0;
  for (uint32_t i = 0; i < kInfinity; ++i)
    if (counts[i] + counts[i + kSign])
      last = i;
  if (!isRange || binOf(largestMagnitude()) % kSign != last)
    return "its histogram is of another range";
  return "";
}

/// Integral of the squared distance to the nearest of 0, 1, .. 127, from 0.
static double integralTo(double y) {
  double integer = std::min(std::nearbyint(y), 127.0);
  double rest = y - integer;
  // Each integer passed is once from its middle up and once down to the next.
  return integer / 12 + rest * rest * rest / 3;
}

double meanRoundingError(const std::vector<Histogram::Bin> &magnitudes,
                         double scale) {
  double sum = 0, count = 0;
  for (const Histogram::Bin &bin : magnitudes) {
    double low = bin.low / scale, high = bin.high / scale;
    double width = high - low, error;
    if (width > 1e-6 * high) {
      error = (integralTo(high) - integralTo(low)) / width;
    } else { // one number, or a difference of which nothing would be left
      double rest = high - std::min(std::nearbyint(high), 127.0);
      error = rest * rest;
    }
    sum += error * scale * scale * double(bin.count);
    count += double(bin.count);
  }
  return count > 0 ? sum / count : 0;
}

} // namespace mmcc::quantize
