//===- RoundedFile.cpp - Rounded weights in a file ------------------------===//

#include "passes/quantize/methods/NpzNumbers.h"
#include "passes/quantize/methods/RoundLayers.h"

#include <filesystem>

namespace mmcc::quantize {

template <typename T>
static npz::Array listOf(std::string name, const std::vector<T> &numbers) {
  return arrayOf(std::move(name), numbers, {int64_t(numbers.size())});
}

std::string RoundedLayers::write(const std::string &path) const {
  std::vector<npz::Array> arrays = {
      listOf("input_scales", inputScales),
      listOf<float>("static_scale", {staticScale})};
  for (size_t i = 0; i < weights.size(); ++i) {
    std::vector<float> scales;
    std::vector<int32_t> zeros;
    for (const GroupScale &group : weights[i].scales) {
      scales.push_back(group.scale);
      zeros.push_back(group.zero);
    }
    std::string end = "." + std::to_string(i);
    arrays.push_back(listOf("numbers" + end, weights[i].numbers));
    arrays.push_back(listOf("scales" + end, scales));
    arrays.push_back(listOf("zeros" + end, zeros));
  }
  return npz::writeNpz(path, arrays);
}

bool RoundedLayers::read(const std::string &path,
                         const std::vector<const WeightMatrix *> &matrices,
                         const std::vector<WeightFormat> &formats) {
  std::vector<npz::Array> arrays;
  if (!std::filesystem::exists(path) || !npz::readNpz(path, arrays).empty() ||
      arrays.size() != 2 + 3 * matrices.size())
    return false;
  std::vector<float> one;
  if (!numbersOf(arrays[0], inputScales) || !numbersOf(arrays[1], one) ||
      one.size() != 1)
    return false;
  staticScale = one.front();
  weights.clear();
  for (size_t i = 0; i < matrices.size(); ++i) {
    NarrowWeight weight(formats[i], matrices[i]->in, matrices[i]->out);
    size_t numbers = weight.numbers.size(), groups = weight.scales.size();
    std::vector<float> scales;
    std::vector<int32_t> zeros;
    if (!numbersOf(arrays[2 + 3 * i], weight.numbers) ||
        !numbersOf(arrays[3 + 3 * i], scales) ||
        !numbersOf(arrays[4 + 3 * i], zeros) ||
        weight.numbers.size() != numbers || scales.size() != groups ||
        zeros.size() != groups)
      return false;
    for (size_t g = 0; g < groups; ++g)
      weight.scales[g] = {scales[g], zeros[g]};
    weights.push_back(std::move(weight));
  }
  return true;
}

} // namespace mmcc::quantize
