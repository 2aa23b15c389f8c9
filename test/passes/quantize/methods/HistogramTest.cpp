// Histograms against the numbers themselves: sorted, or rounded one by one.

#include "passes/quantize/methods/Histogram.h"
#include "passes/quantize/methods/Activations.h"
#include "tools/npz/Npz.h"

#include <cmath>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <random>

using namespace mmcc;
using namespace mmcc::quantize;

namespace {

using Numbers = std::vector<float>;

constexpr size_t kNumbers = 200000;
/// A bin's width over its lower end, and the most that its middle is off.
constexpr double kWidth = 1.0 / 32, kMiddle = kWidth / 2;

Numbers make(unsigned seed, const std::function<double(double normal)> &shape) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Numbers numbers(kNumbers);
  for (float &x : numbers)
    x = float(shape(normal(random)));
  return numbers;
}

/// What layers are given: after norms, after activations, with outliers.
std::vector<Numbers> kinds() {
  return {make(1, [](double x) { return x; }),
          make(2, [](double x) { return x > 0 ? 3 * x : 0; }),
          make(3, [](double x) { return x * std::exp(x) / 7; }),
          make(4, [](double x) { return x > 2.5 ? 20 * x : x - 0.5; }),
          make(5, [](double x) { return 1e-30 * x; })};
}

/// Added in pieces, as runs of a model give them.
Histogram histogramOf(const Numbers &numbers) {
  Histogram histogram;
  for (size_t begin = 0, end; begin < numbers.size(); begin = end) {
    end = std::min(numbers.size(), begin + 1 + begin / 3);
    histogram.add(numbers.data() + begin, int64_t(end - begin));
  }
  return histogram;
}

double roundingErrorOf(const Numbers &numbers, double scale) {
  double sum = 0;
  for (double x : numbers) {
    double y = std::clamp(std::nearbyint(x / scale), -127.0, 127.0) * scale;
    sum += (y - x) * (y - x);
  }
  return sum / double(numbers.size());
}

Numbers magnitudesOf(Numbers numbers) {
  for (float &x : numbers)
    x = std::fabs(x);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

TEST(Histogram, percentiles_are_those_of_sorted_numbers) {
  for (const Numbers &numbers : kinds()) {
    Histogram histogram = histogramOf(numbers);
    Numbers sorted = magnitudesOf(numbers);
    for (double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.99999}) {
      auto rank = size_t(std::ceil(share * double(sorted.size())));
      double exact = double(sorted[rank - 1]);
      EXPECT_NEAR(histogram.percentile(share), exact, kMiddle * exact + 1e-38)
          << share;
    }
    EXPECT_EQ(histogram.percentile(1), double(sorted.back()));
  }
}

TEST(Histogram, range_is_exact) {
  for (const Numbers &numbers : kinds()) {
    auto [low, high] = std::minmax_element(numbers.begin(), numbers.end());
    Histogram histogram = histogramOf(numbers);
    EXPECT_EQ(histogram.least(), *low);
    EXPECT_EQ(histogram.most(), *high);
    EXPECT_EQ(histogram.count(), int64_t(numbers.size()));
  }
}

TEST(Histogram, bins_hold_what_lies_in_them) {
  Numbers numbers = kinds()[3];
  Numbers sorted = magnitudesOf(numbers);
  int64_t all = 0;
  for (const Histogram::Bin &bin : histogramOf(numbers).magnitudes()) {
    EXPECT_LE(bin.high, bin.low * (1 + kWidth) + 1e-38);
    auto begin = std::lower_bound(sorted.begin(), sorted.end(), bin.low);
    // The last bin has its upper end.
    auto end = bin.high == double(sorted.back())
                   ? sorted.end()
                   : std::lower_bound(sorted.begin(), sorted.end(), bin.high);
    EXPECT_EQ(bin.count, end - begin) << bin.low;
    all += bin.count;
  }
  EXPECT_EQ(all, int64_t(numbers.size()));
}

TEST(Histogram, rounding_errors_are_those_of_the_numbers) {
  for (const Numbers &numbers : kinds()) {
    std::vector<Histogram::Bin> bins = histogramOf(numbers).magnitudes();
    double covering = double(magnitudesOf(numbers).back()) / 127;
    // From a step that most numbers are below to a range that most are above.
    for (double share : {40.0, 7.0, 1.0, 0.5, 0.1, 0.02, 0.004}) {
      double exact = roundingErrorOf(numbers, share * covering);
      EXPECT_NEAR(meanRoundingError(bins, share * covering), exact,
                  kWidth * exact)
          << share;
    }
  }
}

// The bin of 1 ends at 1.03; nothing is clipped, since nothing is above 1.01.
TEST(Histogram, the_last_bin_ends_at_the_largest_number) {
  Numbers numbers(7, 1.01f);
  std::vector<Histogram::Bin> bins = histogramOf(numbers).magnitudes();
  double step = double(1.01f) / 127;
  EXPECT_LE(meanRoundingError(bins, step), step * step / 4);
  EXPECT_NEAR(meanRoundingError(bins, step / 2), 0.505 * 0.505,
              2 * kWidth * 0.505);
  Numbers zeros(5, 0.0f);
  zeros[2] = -0.0f;
  EXPECT_EQ(meanRoundingError(histogramOf(zeros).magnitudes(), 1), 0);
  EXPECT_EQ(histogramOf(zeros).percentile(0.999), 0);
}

InputStatistics statisticsOf(const Numbers &numbers, size_t sampled) {
  InputStatistics statistics;
  statistics.rows = int64_t(numbers.size());
  statistics.calls = 1;
  statistics.mean = {0};
  statistics.most = {magnitudesOf(numbers).back()};
  statistics.sample.assign(numbers.begin(), numbers.begin() + int64_t(sampled));
  statistics.histogram = histogramOf(numbers);
  return statistics;
}

TEST(StaticScale, no_range_loses_less) {
  for (const Numbers &numbers : kinds()) {
    float found = searchStaticScale(statisticsOf(numbers, 1), {});
    double covering = double(magnitudesOf(numbers).back()) / 127;
    double least = std::numeric_limits<double>::infinity();
    for (int percent = 10; percent <= 100; percent += 2)
      least =
          std::min(least, roundingErrorOf(numbers, covering * percent / 100));
    EXPECT_LE(roundingErrorOf(numbers, double(found)),
              (1 + 2 * kWidth) * least);
  }
}

// A thousandth of the rows is large, and none of those was sampled.
TEST(StaticScale, rows_that_were_not_sampled_count) {
  Numbers numbers = make(6, [](double x) { return x; });
  for (size_t i = 0; i < 200; ++i)
    numbers[numbers.size() - 1 - i] = float(i % 2 ? 30 : -30);
  InputStatistics seen = statisticsOf(numbers, 512);
  InputStatistics sampled = seen;
  sampled.histogram = histogramOf(seen.sample);
  double all = roundingErrorOf(numbers, searchStaticScale(seen, {})),
         some = roundingErrorOf(numbers, searchStaticScale(sampled, {}));
  EXPECT_LT(all, 0.1 * some);
}

TEST(Histogram, survives_a_file_and_refuses_others) {
  Numbers numbers = kinds()[3];
  InputStatistics written = statisticsOf(numbers, 3), read;
  std::string path =
      (std::filesystem::temp_directory_path() / "mmcc-histogram-test.npz")
          .string();
  ASSERT_EQ(written.write(path), "");
  ASSERT_EQ(read.read(path, 1, /*withGram=*/false), "");
  EXPECT_EQ(read.histogram.stored().bins, written.histogram.stored().bins);
  EXPECT_EQ(read.histogram.stored().counts, written.histogram.stored().counts);
  EXPECT_EQ(read.histogram.least(), written.histogram.least());
  EXPECT_EQ(read.histogram.most(), written.histogram.most());

  // Other rows than were counted, and more than there can be.
  for (int64_t rows :
       {int64_t(1), written.rows + 1, std::numeric_limits<int64_t>::max()}) {
    InputStatistics other = written;
    other.rows = rows;
    ASSERT_EQ(other.write(path), "");
    EXPECT_NE(InputStatistics().read(path, 1, false), "") << rows;
  }
  ASSERT_EQ(written.write(path), "");
  std::vector<npz::Array> arrays;
  ASSERT_EQ(npz::readNpz(path, arrays), "");
  for (const char *name : {"bins", "counts", "range"}) {
    std::vector<npz::Array> some;
    for (const npz::Array &array : arrays)
      if (array.name != name)
        some.push_back(array);
    ASSERT_EQ(npz::writeNpz(path, some), "");
    EXPECT_NE(InputStatistics().read(path, 1, false).find(name),
              std::string::npos);
  }
  std::filesystem::remove(path);
}

TEST(Histogram, refuses_what_no_numbers_make) {
  // 1 twice, 4 and -2 once.
  const Histogram::Stored good = histogramOf({1, -2, 1, 4}).stored();
  EXPECT_EQ(Histogram().restore(good, 4), "");
  ASSERT_EQ(good.counts, (std::vector<int64_t>{2, 1, 1}));
  using Change = std::function<void(Histogram::Stored &)>;
  const int64_t most = std::numeric_limits<int64_t>::max();
  for (const Change &change : std::vector<Change>{
           [](auto &s) { s.bins[0] = -1; },
           [](auto &s) { s.bins[2] = 1 << 14; },
           [](auto &s) { // infinity
             s.bins[2] = 0x7f800000 >> 18;
             s.range = {1, 4};
           },
           [](auto &s) { std::swap(s.bins[0], s.bins[1]); },
           [](auto &s) { s.bins[1] = s.bins[0]; },
           [](auto &s) { s.bins.pop_back(); },
           [](auto &s) { s.counts = {0, 3, 1}; },
           [](auto &s) { s.counts = {-1, 4, 1}; },
           [](auto &s) { s.counts = {1, 1, 1}; },
           // 4, and 2^64.
           [most](auto &s) { s.counts = {most, most, 6}; },
           [](auto &s) { s.range.pop_back(); },
           [](auto &s) { s.range = {4.05f, 4}; },
           [](auto &s) { s.range = {-2, 3}; },
           [](auto &s) { s.range = {NAN, 4}; },
           [](auto &s) { s.range = {1, 1}; },
       }) {
    Histogram::Stored bad = good;
    change(bad);
    EXPECT_NE(Histogram().restore(bad, 4), "");
  }
  EXPECT_NE(Histogram().restore(good, 3), "");
}

} // namespace
