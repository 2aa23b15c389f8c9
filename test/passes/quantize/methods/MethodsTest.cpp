// The methods against the papers' renderings in PyTorch, which work in double
// precision (models/quantization).

#include "passes/quantize/methods/Activations.h"
#include "passes/quantize/methods/Awq.h"
#include "passes/quantize/methods/Gptq.h"
#include "passes/quantize/methods/LayerError.h"
#include "passes/quantize/methods/RoundLayers.h"
#include "passes/quantize/methods/RoundToNearest.h"
#include "passes/quantize/methods/Samples.h"
#include "tools/npz/Npz.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <map>

using namespace mmcc;
using namespace mmcc::quantize;

namespace {

/// Arrays by name, all as double.
class Fixture {
public:
  explicit Fixture(const std::string &name) {
    std::vector<npz::Array> arrays;
    std::string message =
        npz::readNpz(std::string(MMCC_FIXTURES) + "/" + name + ".npz", arrays);
    EXPECT_EQ(message, "");
    for (const npz::Array &array : arrays)
      numbers[array.name] = convert(array);
  }

  bool has(const std::string &name) const { return numbers.count(name); }
  const std::vector<double> &get(const std::string &name) const {
    EXPECT_TRUE(has(name)) << name;
    return numbers.at(name);
  }

private:
  template <typename T>
  static std::vector<double> read(const npz::Array &array) {
    std::vector<T> values(size_t(array.elements()));
    std::memcpy(values.data(), array.data.data(), array.data.size());
    return {values.begin(), values.end()};
  }
  static std::vector<double> convert(const npz::Array &array) {
    if (array.type.kind == 'f')
      return array.type.bytes == 4 ? read<float>(array) : read<double>(array);
    if (array.type.bytes == 1)
      return array.type.kind == 'u' ? read<uint8_t>(array)
                                    : read<int8_t>(array);
    return read<int64_t>(array);
  }

  std::map<std::string, std::vector<double>> numbers;
};

constexpr int64_t kIn = 256, kOut = 24;

/// The layer of layer.npz.
struct Layer {
  WeightMatrix weight{kIn, kOut, {}};
  InputStatistics statistics;

  Layer() {
    Fixture layer("layer");
    for (double w : layer.get("w"))
      weight.numbers.push_back(float(w));
    const std::vector<double> &x = layer.get("x");
    statistics.rows = int64_t(x.size()) / kIn;
    statistics.sample.assign(x.begin(), x.end());
    statistics.histogram.add(statistics.sample.data(), int64_t(x.size()));
    statistics.mean.resize(kIn);
    statistics.most.resize(kIn);
    statistics.gram.resize(kIn * kIn);
    std::vector<double> sums(kIn);
    for (size_t r = 0; r < x.size(); r += kIn)
      for (int64_t j = 0; j < kIn; ++j) {
        sums[j] += std::fabs(x[r + j]);
        statistics.most[j] =
            std::max(statistics.most[j], float(std::fabs(x[r + j])));
        for (int64_t k = 0; k < kIn; ++k)
          statistics.gram[j * kIn + k] += x[r + j] * x[r + k];
      }
    for (int64_t j = 0; j < kIn; ++j)
      statistics.mean[j] = float(sums[j] / double(statistics.rows));
  }
};

const Layer &layer() {
  static const Layer layer;
  return layer;
}

struct Configuration {
  std::string name;
  WeightFormat format;
};

std::vector<Configuration> configurations() {
  std::vector<Configuration> all;
  for (unsigned bits : {3, 4})
    for (int64_t group : {int64_t(32), int64_t(128), kIn})
      for (bool asymmetric : {false, true})
        all.push_back(
            {"b" + std::to_string(bits) +
                 (group == kIn ? ".row" : ".g" + std::to_string(group)) +
                 (asymmetric ? ".asymmetric" : ".symmetric"),
             WeightFormat{bits, group, asymmetric, false}});
  return all;
}

/// How many numbers differ; scales and zeros must be equal where they are of
/// the same weights.
int64_t differences(const NarrowWeight &got, const Fixture &fixture,
                    const std::string &name, double tolerance = 1e-6) {
  const std::vector<double> &integers = fixture.get(name + ":integers");
  const std::vector<double> &scales = fixture.get(name + ":scales");
  int64_t different = 0, groups = got.groups();
  EXPECT_EQ(scales.size(), got.scales.size());
  for (int64_t n = 0; n < kOut; ++n) {
    for (int64_t g = 0; g < groups; ++g) {
      const GroupScale &scale = got.scales[g * kOut + n];
      double wanted = scales[n * groups + g];
      EXPECT_NEAR(scale.scale, wanted, tolerance * wanted) << name << " " << n;
      if (got.format.asymmetric) {
        EXPECT_EQ(scale.zero, fixture.get(name + ":zeros")[n * groups + g]);
      }
    }
    for (int64_t k = 0; k < kIn; ++k) {
      int8_t number = got.numbers[k * kOut + n];
      double meant = got.format.isFloat()
                         ? Float8::of(got.format.kind).valueOf(uint8_t(number))
                         : number;
      different += meant != integers[n * kIn + k];
    }
  }
  return different;
}

TEST(Gptq, equals_the_rendering) {
  Fixture fixture("gptq");
  for (const Configuration &each : configurations())
    for (bool order : {false, true}) {
      Gptq gptq(layer().statistics, order);
      ASSERT_TRUE(gptq.isValid());
      NarrowWeight got = gptq.round(layer().weight, each.format);
      EXPECT_EQ(
          differences(got, fixture, each.name + (order ? ".act_order" : "")), 0)
          << each.name << order;
    }
}

/// awq.npz: 4 bits symmetric in groups of 32, the others asymmetric.
std::vector<Configuration> awqConfigurations() {
  std::vector<Configuration> all;
  for (const Configuration &each : configurations())
    if (each.format.group < kIn &&
        (each.format.asymmetric ||
         (each.format.bits == 4 && each.format.group == 32)))
      all.push_back(each);
  return all;
}

void expectNear(const std::vector<double> &wanted,
                const std::vector<double> &got, double tolerance) {
  ASSERT_EQ(wanted.size(), got.size());
  for (size_t i = 0; i < got.size(); ++i)
    EXPECT_NEAR(got[i], wanted[i], tolerance * std::fabs(wanted[i])) << i;
}

std::vector<double> doubles(const std::vector<float> &numbers) {
  return {numbers.begin(), numbers.end()};
}

TEST(Awq, scales_equal_the_rendering) {
  Fixture fixture("awq");
  for (const Configuration &each : awqConfigurations()) {
    std::string name = each.name + ".scaled";
    std::vector<double> losses;
    std::vector<float> scales = searchAwqScales(
        {&layer().weight}, {each.format}, layer().statistics, &losses);
    // The rendering's error is a mean of the same squares.
    expectNear(fixture.get(name + ":losses"), losses, 1e-3);
    expectNear(fixture.get(name + ":input_scales"), doubles(scales), 1e-5);
    NarrowWeight got = roundToNearest(
        scaled(layer().weight, scalesOrOnes(scales, kIn)), each.format);
    EXPECT_EQ(differences(got, fixture, name), 0) << name;
  }
}

TEST(Awq, clipping_equals_the_rendering) {
  Fixture fixture("awq");
  for (const Configuration &each : awqConfigurations()) {
    std::string name = each.name + ".clipped";
    std::vector<float> scales = searchAwqScales(
        {&layer().weight}, {each.format}, layer().statistics, nullptr);
    std::vector<float> shares;
    NarrowWeight got = roundClipped(layer().weight, each.format, scales,
                                    layer().statistics, &shares);
    const std::vector<double> &factors = fixture.get(name + ":factors");
    int64_t groups = got.groups();
    for (int64_t n = 0; n < kOut; ++n)
      for (int64_t g = 0; g < groups; ++g)
        EXPECT_NEAR(shares[g * kOut + n], factors[n * groups + g], 1e-6)
            << name << " " << n << " " << g;
    EXPECT_EQ(differences(got, fixture, name), 0) << name;
  }
}

TEST(SmoothQuant, equals_the_rendering) {
  Fixture fixture("smoothquant");
  WeightFormat format{8, kIn, false, false};
  for (bool isStatic : {false, true}) {
    std::string name = isStatic ? "static" : "dynamic";
    std::vector<double> losses;
    std::vector<float> scales =
        searchSmoothScales({&layer().weight}, {format}, layer().statistics,
                           {isStatic, kIn}, &losses);
    expectNear(fixture.get(name + ":losses"), losses, 1e-2);
    expectNear(fixture.get(name + ":input_scales"), doubles(scales), 1e-5);
    NarrowWeight got = roundToNearest(
        scaled(layer().weight, scalesOrOnes(scales, kIn)), format);
    EXPECT_EQ(differences(got, fixture, name), 0) << name;
    if (isStatic) {
      double wanted = fixture.get("static:activation_scale").front();
      EXPECT_NEAR(coveringStaticScale(layer().statistics, scales), wanted,
                  1e-5 * wanted);
    }
  }
}

// float8.npz: what GPTQ and AWQ make of 8-bit floats, which they round to as
// they do to integers.
TEST(Floats, equal_the_rendering) {
  Fixture fixture("float8");
  for (NumberKind kind : {NumberKind::e4m3, NumberKind::e5m2})
    for (int64_t group : {int64_t(32), kIn}) {
      WeightFormat format{8, group, false, false, kind};
      std::string name =
          std::string(kind == NumberKind::e4m3 ? "e4m3" : "e5m2") +
          (group == kIn ? ".row" : ".g32");
      for (bool order : {false, true}) {
        NarrowWeight got =
            Gptq(layer().statistics, order).round(layer().weight, format);
        EXPECT_EQ(differences(got, fixture,
                              name + (order ? ".gptq.act_order" : ".gptq")),
                  0)
            << name << order;
      }
      std::vector<float> scales =
          searchAwqScales({&layer().weight}, {format}, layer().statistics);
      expectNear(fixture.get(name + ".awq:input_scales"), doubles(scales),
                 1e-5);
      NarrowWeight got = roundClipped(layer().weight, format, scales,
                                      layer().statistics, nullptr);
      EXPECT_EQ(differences(got, fixture, name + ".awq"), 0) << name;
    }
}

// One scale for all of a weight: its largest number is 448. What an input's
// rounding does is made up for as ever.
TEST(Floats, one_scale_for_all_of_a_weight) {
  WeightFormat format{8, kIn, false, false, NumberKind::e4m3, true};
  const WeightMatrix &weight = layer().weight;
  float most = 0;
  for (float w : weight.numbers)
    most = std::max(most, std::fabs(w));
  auto errorOf = [&](const NarrowWeight &narrow) {
    for (const GroupScale &scale : narrow.scales)
      EXPECT_EQ(scale.scale, most / 448);
    Columns error = meaningOf(narrow, 0, kOut) - columnsOf(weight);
    return (samplesOf(layer().statistics) * error).squaredNorm();
  };
  NarrowWeight plain = roundToNearest(weight, format);
  const Float8 type = Float8::of(NumberKind::e4m3);
  for (int64_t n = 0; n < kOut; ++n)
    for (int64_t k = 0; k < kIn; ++k) {
      float given = weight.column(n)[k] / (most / 448);
      float got = type.valueOf(uint8_t(plain.number(k, n)));
      // Half a step of the exponent.
      EXPECT_LE(std::fabs(got - given),
                std::ldexp(1.0f, std::max(std::ilogb(given), -6) - 4));
    }
  double rounded = errorOf(plain);
  for (bool order : {false, true})
    EXPECT_LT(errorOf(Gptq(layer().statistics, order).round(weight, format)),
              rounded);
  EXPECT_EQ(
      roundClipped(weight, format, {}, layer().statistics, nullptr).numbers,
      plain.numbers);
}

// What LayerError says of floats on both sides, against numbers that were
// rounded one by one.
TEST(Floats, errors_of_both_sides) {
  const InputStatistics &seen = layer().statistics;
  const Float8 type = Float8::of(NumberKind::e4m3);
  for (bool isStatic : {false, true}) {
    WeightFormat format{8, kIn, false, false, NumberKind::e4m3, isStatic};
    Rounding rounding;
    rounding.activations = ActivationFormat{isStatic, kIn, NumberKind::e4m3};
    RoundedLayers got = roundLayers({&layer().weight}, {format}, seen, rounding,
                                    /*plain=*/false);
    Rows x = samplesOf(seen), given = x;
    for (int64_t r = 0; r < x.rows(); ++r) {
      float scale =
          isStatic ? got.staticScale : x.row(r).cwiseAbs().maxCoeff() / 448;
      for (int64_t k = 0; k < kIn; ++k)
        given(r, k) = type.valueOf(type.nearest(x(r, k) / scale)) * scale;
    }
    double noise = 0, signal = 0;
    const int64_t most = 128, rows = std::min<int64_t>(x.rows(), most);
    for (int64_t i = 0; i < rows; ++i) {
      int64_t r = x.rows() <= most ? i : i * x.rows() / most;
      Eigen::RowVectorXf y = x.row(r) * columnsOf(layer().weight);
      Eigen::RowVectorXf other =
          given.row(r) * meaningOf(got.weights.front(), 0, kOut);
      signal += y.cast<double>().squaredNorm();
      noise += (other - y).cast<double>().squaredNorm();
    }
    LayerError error = errorOf({&layer().weight}, got, seen, rounding);
    EXPECT_NEAR(error.ratio(), noise / signal, 1e-3 * noise / signal);
  }
}

/// Output error of what the integers mean, on all rows.
double outputError(const NarrowWeight &narrow) {
  Columns error = meaningOf(narrow, 0, kOut) - columnsOf(layer().weight);
  return (samplesOf(layer().statistics) * error).squaredNorm();
}

TEST(RoundLayers, compensation_is_better_than_rounding) {
  for (const Configuration &each : configurations()) {
    auto errorOf = [&](Method method) {
      Rounding rounding;
      rounding.method = method;
      RoundedLayers got =
          roundLayers({&layer().weight}, {each.format}, layer().statistics,
                      rounding, /*plain=*/false);
      return outputError(got.weights.front());
    };
    EXPECT_LT(errorOf(Method::gptq), errorOf(Method::rtn)) << each.name;
  }
}

TEST(RoundLayers, a_searched_range_loses_less_than_the_whole_range) {
  const InputStatistics &seen = layer().statistics;
  auto lossOf = [&](float scale) {
    double loss = 0;
    for (float x : seen.sample) {
      float y = std::clamp(std::nearbyint(x / scale), -127.0f, 127.0f) * scale;
      loss += double(y - x) * double(y - x);
    }
    return loss;
  };
  EXPECT_LE(lossOf(searchStaticScale(seen, {})),
            lossOf(coveringStaticScale(seen, {})));
}

} // namespace
