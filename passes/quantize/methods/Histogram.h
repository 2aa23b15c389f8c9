//===- Histogram.h - How often numbers of each size were seen ---*- C++ -*-===//

#ifndef MMCC_PASSES_QUANTIZE_METHODS_HISTOGRAM_H
#define MMCC_PASSES_QUANTIZE_METHODS_HISTOGRAM_H

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace mmcc::quantize {

/// Counts finite floats as they come, with no range known beforehand: a float's
/// sign, exponent and first five bits of its mantissa are its bin. A bin is
/// 1/32 of its lower end wide, or less; those next to 0 are 2^-131 wide.
class Histogram {
public:
  void add(const float *numbers, int64_t count);

  int64_t count() const { return total; }
  /// The least and the largest number, exactly.
  float least() const { return low; }
  float most() const { return high; }
  float largestMagnitude() const { return std::max(high, -low); }
  /// The magnitude that this share of all numbers, in [0, 1], does not exceed:
  /// the middle of its bin, so that it is right within 1/64. Exact for 1.
  double percentile(double share) const;

  /// Magnitudes of [low, high].
  struct Bin {
    double low, high;
    int64_t count;
  };
  /// Those that hold something, ascending. The last ends at the largest
  /// magnitude.
  std::vector<Bin> magnitudes() const;

  /// Numbers of the bins that hold something, ascending, what these hold, and
  /// the range.
  struct Stored {
    std::vector<int32_t> bins;
    std::vector<int64_t> counts;
    std::vector<float> range;
  };
  Stored stored() const;
  /// Takes up what comes from a file. Returns what is impossible about it, if
  /// it is to hold `count` numbers; else an empty string.
  std::string restore(const Stored &stored, int64_t count);

private:
  std::vector<int64_t> counts; // by bin; empty as long as there is no number
  int64_t total = 0;
  float low = 0, high = 0;
};

/// The mean squared error of numbers as integers of [-127, 127] times `scale`.
/// A bin's numbers count as spread evenly over it.
double meanRoundingError(const std::vector<Histogram::Bin> &magnitudes,
                         double scale);

} // namespace mmcc::quantize

#endif // MMCC_PASSES_QUANTIZE_METHODS_HISTOGRAM_H
